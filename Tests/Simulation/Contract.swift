import Domain

/// A rental in the provider's own books, with what will befall it.
struct Contract {
  enum Fate: Hashable {
    case well
    case neverBoots
    /// The image cannot be pulled.
    case bootFails
    /// Its SSH server never answers.
    case deaf
    /// The container ends by itself, or the machine is outbid, so long after its boot.
    case ends(after: Duration)
    /// Its host is silent from then on, for so long.
    case silent(after: Duration, lasting: Duration)
  }

  let id: MarketID
  let label: String
  /// The job whose row ordered it.
  let job: ID<Job>?
  let offer: Offer
  let isBid: Bool
  /// GPU and disk while it runs: what was bid, or what the offer said.
  let pricePerHour: Money
  let createdAt: Duration
  /// The last boot.
  var bootsAt: Duration
  var fate: Fate
  /// New ones are not listed at once, and gone ones still are for a while.
  let listedFrom: Duration
  var destroyedAt: Duration?
  var listedUntil: Duration?
  /// Lists leave it out until then.
  var hiddenUntil = Duration.zero
  /// What its container did before its last start.
  private(set) var earlierRuns: [Range<Duration>] = []
  /// Answers of the provider that told of it, and what vastd has of them.
  var looks = Looks()
  let machine = Machine()

  static let storagePerHour = Money(microdollars: 10_000)
  var gpuPerHour: Money { Money(microdollars: pricePerHour.microdollars - Self.storagePerHour.microdollars) }

  var isAlive: Bool { destroyedAt == nil }

  func isUp(at now: Duration) -> Bool {
    guard isAlive, now >= bootsAt else { return false }
    switch fate {
    case .well, .deaf: return true
    case .neverBoots, .bootFails: return false
    case .ends(let after): return now < bootsAt + after
    case .silent(let after, let lasting): return now < bootsAt + after || now >= bootsAt + after + lasting
    }
  }

  /// When its container ends for good; a start lets it run once more.
  var end: Duration? {
    guard case .ends(let after) = fate else { return nil }
    return bootsAt + after
  }

  /// What has ended boots once more.
  mutating func start(bootsAt boot: Duration, fate: Fate) {
    if let end { earlierRuns.append(bootsAt..<end) }
    bootsAt = boot
    self.fate = fate
  }

  /// What it costs in a span, which is that day or what there was of it yet; nil when it was not there.
  func charge(for day: Timestamp, _ span: Range<Duration>) -> MarketCharge? {
    guard destroyedAt.map({ $0 > span.lowerBound }) ?? true, createdAt < span.upperBound else { return nil }
    func rounded(_ microdollars: Double) -> Money { Money(microdollars: Int64((microdollars / 1000).rounded()) * 1000) }
    let (gpu, storage) = cost(in: span)
    var charge = MarketCharge(instanceID: id, label: label, dayStart: day, amount: rounded(gpu) + rounded(storage))
    charge.gpu = rounded(gpu)
    charge.disk = rounded(storage)
    return charge
  }

  /// As the provider shows it.
  func shown(at now: Duration) -> MarketInstance {
    var shown = MarketInstance(id: id)
    shown.label = label
    shown.intendedStatus = "running"
    shown.machineID = offer.machineID
    shown.hostID = offer.hostID
    shown.gpuName = offer.gpuName
    shown.gpuCount = 1
    shown.isBid = isBid
    shown.startedAt = OneThread.epoch + createdAt
    shown.runningPricePerHour = pricePerHour
    shown.gpuPricePerHour = gpuPerHour
    shown.storagePricePerHour = Self.storagePerHour
    shown.actualStatus = now < bootsAt ? "loading" : "running"
    shown.directAddress = SSHAddress(host: "m\(id)", port: 22)
    switch fate {
    case .well, .deaf: break
    case .neverBoots: shown.actualStatus = "loading"
    case .bootFails:
      shown.actualStatus = "loading"
      if now >= bootsAt { shown.statusMessage = "Error response from daemon: manifest unknown" }
    case .ends(let after):
      if now >= bootsAt + after {
        shown.actualStatus = "exited"
        if isBid { shown.intendedStatus = "stopped" }
      }
    case .silent(let after, let lasting):
      if now >= bootsAt + after, now < bootsAt + after + lasting { shown.actualStatus = "offline" }
    }
    if shown.actualStatus == "loading" { shown.directAddress = nil }
    if shown.actualStatus == "running" { shown.uptime = now - bootsAt }
    return shown
  }
}
