import JSON

/// What the container looks like from outside, as the host's daemon reports it. nil before its first report.
enum ActualStatus: String, Sendable {
  case created, loading, running, exited, rebooting, recycling, offline
}

/// What the platform and the renter want of a contract.
enum Wish: String, Sendable {
  case running, stopped
}

/// The four fields that only together tell what happens.
struct Status: Hashable, Sendable {
  var actual: ActualStatus?
  var intended: Wish
  var current: Wish
  var next: Wish

  static let new = Status(actual: nil, intended: .running, current: .running, next: .running)
}

/// A step that a contract will take by itself, unless something else happens first.
struct PlannedStep: Sendable {
  var at: Double
  var step: Step

  enum Step: Sendable {
    /// Another status while the container comes up; a message of nil leaves the old one, which is sticky.
    case report(ActualStatus, message: String?)
    /// The container runs.
    case run
    /// The container ended; what it wrote stays.
    case exit
    /// The platform itself stops wanting it.
    case giveUp
    /// The container runtime refuses: `created` for good, and nothing wanted any more.
    case refuseToStart(message: String)
    /// The container ends although it should run.
    case crash(message: String?)
    /// The host is no longer heard of, for good or for so many seconds.
    case goOffline(lasting: Double?)
    /// Somebody offers more, see `World.outbid`.
    case loseBid(tenant: Bool, lasting: Double?)
  }
}

/// What will become of the next start of a container.
enum Fate: Sendable {
  case fine
  case pullFails
  case runtimeFails
  /// Loads for ever and says nothing of it.
  case stuck
  /// Runs, and refuses SSH: nobody listens, or somebody who never says a word.
  case deaf(silent: Bool)
  /// Only the proxy leads in; the direct address answers nothing.
  case proxyOnly
  case crashes(after: Double)
  case goesOffline(after: Double, lasting: Double?)
  /// Only for those who bid.
  case isOutbid(after: Double, tenant: Bool, lasting: Double?)
  /// Runs, on a disk without room.
  case fullDisk
}

/// A port of the container and its number outside.
struct PortMapping: Hashable, Sendable {
  /// "22/tcp".
  var inside: String
  var outside: Int
}

struct SSHKey: Sendable {
  var id: Int
  var text: String
  var createdAt: Double
}

/// A rental: everything the service knows of it, from its creation to after its end.
struct Contract: Sendable {
  let id: Int
  /// As it was taken, at the price that holds now.
  var offer: Offer
  let createdAt: Double
  let visibleAt: Double
  var label: String?
  var image: String
  var runtype: String
  var onstart: String?
  var environment: [(name: String, value: String)]
  var arguments: [String]
  let disk: Double
  /// $ per hour for the whole instance; nil for on-demand.
  var bid: Double?
  let instanceKey: String
  let jupyterToken: String
  /// The proxy's port; stays for the contract's life. One more is taken for Jupyter.
  let proxyPort: Int

  var status = Status.new
  var message: String?
  var plan: [PlannedStep] = []
  var fate = Fate.fine
  var ports: [PortMapping] = []
  var keys: [SSHKey]
  var boots = 0
  var hasImage = false
  var runningSince: Double?
  /// Per cent while it runs; nil when its host does not say.
  var gpuUtilization: Double? = 37
  /// Whether somebody with more right sits on the GPUs.
  var isDisplaced = false
  /// Whether the platform stopped it, so that it comes back by itself.
  var revivesByItself = false
  var destroyedAt: Double?
  var destroyedBy: World.Caller?
  var vanishesAt: Double?
  /// The end of its term, where somebody has set one; nothing happens at the end of the usual month.
  var endsAt: Double?
  /// Whether its term is over: it cannot start again.
  var hasExpired = false
  var history: [(since: Double, status: Status)]
  var account = Consumption()

  var isBid: Bool { bid != nil }
  var isAlive: Bool { destroyedAt == nil }
  /// Whether it holds its GPUs, or would: a stopped one does not.
  var holdsGPUs: Bool { isAlive && status.current == .running }
  /// Whether the host is heard of and has something to end.
  var canComeDown: Bool { ![nil, .exited, .offline].contains(status.actual) }
  /// Whether a start waits for the GPUs.
  var isQueued: Bool { isAlive && status.intended == .running && status.current == .stopped }
  var gpuPrice: Double { bid ?? offer.basePrice }
  var endDate: Double { endsAt ?? createdAt + 2_592_000 }
  var allowsSSH: Bool { !runtype.hasPrefix("args") }
  var allowsDirect: Bool { runtype.contains("direc") }
  var isJupyter: Bool { runtype.contains("jupyter") }
  /// Where the proxy's sshd really listens: one further for Jupyter, as clients have to know.
  var proxySSHPort: Int { isJupyter ? proxyPort + 1 : proxyPort }

  func isListed(at now: Double) -> Bool {
    now >= visibleAt && (vanishesAt.map { now < $0 } ?? true)
  }
}
