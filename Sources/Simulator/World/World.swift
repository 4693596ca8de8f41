import JSON

/// Everything the service knows, and nothing of sockets, processes or clocks: time comes in as a number, what should happen
/// to real processes goes out as `orders`, and what happened at all as `records`.
struct World: Sendable {
  var settings: Settings
  var now: Double
  let apiKey: String
  var offers: [Offer]
  /// Every contract ever, by its number.
  var contracts: [Int: Contract] = [:]
  var nextContract: Int
  var keys: [SSHKey] = []
  var hooks: [Hook] = []
  var nextKey = 5151
  var wallet: Wallet
  var faults: [Fault] = []
  var fates: [PlannedFate] = []
  var uploads: [String: LogUpload] = [:]
  var limits = RateLimits()
  /// GPUs that somebody else took.
  var strangers: Set<Slot> = []
  /// Machines that nobody hears of.
  var silentMachines: Set<Int> = []
  /// When mishaps that last for a time are over, and terms of contracts.
  var endings: [Ending] = []
  /// Every price increase ever, by its number.
  var increases: [PriceIncrease] = []
  var nextIncrease = 31
  /// Contracts with something planned or about to vanish: when to look at them next.
  private(set) var due: [Int: Double] = [:]
  private(set) var orders: [MachineOrder] = []
  private(set) var records: [TruthRecord] = []
  /// Whose key the request under way came with.
  var caller = Caller.account
  /// A number of a port that is free now.
  let freePort: @Sendable () -> Int
  /// Hexadecimal digits nobody can guess.
  let secret: @Sendable () -> String

  struct Start {
    var settings = Settings()
    var now: Double
    var apiKey: String
    var credit = 100.0
    var offers = Catalogue.offers
    var firstContract: Int
    var freePort: @Sendable () -> Int
    var secret: @Sendable () -> String
  }

  init(_ start: Start) {
    settings = start.settings
    now = start.now
    apiKey = start.apiKey
    offers = start.offers
    nextContract = start.firstContract
    wallet = Wallet(credit: start.credit, countedTo: start.now)
    freePort = start.freePort
    secret = start.secret
  }

  enum Caller: String, Sendable {
    case account
    /// The instance that it is about, with the restricted key of its container.
    case instance
  }

  // MARK: Time

  /// Lets time pass: every planned step up to `time` happens, each at its own moment, and so does the end of the credit.
  mutating func advance(to time: Double) {
    while true {
      let nextStep = due.min { ($0.value, $0.key) < ($1.value, $1.key) }
      let ending = endings.min { $0.at < $1.at }
      let brokeAt = wallet.emptyAt
      if let brokeAt, brokeAt <= time, brokeAt <= min(nextStep?.value ?? .infinity, ending?.at ?? .infinity) {
        now = max(now, brokeAt)
        runOutOfCredit()
      } else if let ending, ending.at <= time, ending.at <= nextStep?.value ?? .infinity {
        now = max(now, ending.at)
        takeEnding(ending)
      } else if let nextStep, nextStep.value <= time {
        now = max(now, nextStep.value)
        takeStep(of: nextStep.key)
      } else {
        break
      }
    }
    now = max(now, time)
  }

  /// When something will happen by itself; nil when nothing will.
  var nextMoment: Double? {
    [due.values.min(), endings.map(\.at).min(), wallet.emptyAt].compactMap { $0 }.min()
  }

  // MARK: Change

  /// The only way a contract changes: counts what was used so far, keeps the history, the rates and the free GPUs in step.
  mutating func change(_ id: Int, _ body: (inout Contract) -> Void) {
    guard var contract = contracts[id] else { return }
    let before = contract.status
    contract.account.count(to: now, speed: settings.accrualSpeed)
    wallet.count(to: now, speed: settings.accrualSpeed)
    wallet.rate -= contract.account.gpuRate + contract.account.diskRate
    body(&contract)
    setRates(&contract)
    wallet.rate += contract.account.gpuRate + contract.account.diskRate
    if contract.status != before {
      contract.history.append((now, contract.status))
      records.append(TruthRecord(time: now, event: "status", contract: id, details: contract.status.details))
    }
    contracts[id] = contract
    reschedule(contract)
  }

  private func setRates(_ contract: inout Contract) {
    let runs = contract.status.actual == .running && contract.status.current == .running && contract.isAlive
    let exists = contract.isAlive && contract.status.actual != .offline
    let disk = contract.offer.diskPrice(contract.disk)
    contract.account.gpuRate = runs ? contract.gpuPrice : 0
    contract.account.diskRate = exists ? (contract.holdsGPUs ? disk : disk * settings.stoppedDiskFactor) : 0
  }

  private mutating func reschedule(_ contract: Contract) {
    due[contract.id] = contract.plan.first?.at ?? contract.vanishesAt.flatMap { $0 > now ? $0 : nil }
  }

  /// Adds a new contract to the books.
  mutating func insert(_ contract: Contract) {
    contracts[contract.id] = contract
    change(contract.id) { $0.account.countedTo = $0.createdAt }
  }

  mutating func order(_ order: MachineOrder) { orders.append(order) }

  mutating func record(_ event: String, _ contract: Int?, _ details: [(name: String, value: JSONValue)] = []) {
    records.append(TruthRecord(time: now, event: event, contract: contract, details: details))
  }

  mutating func takeOrders() -> [MachineOrder] {
    defer { orders = [] }
    return orders
  }

  mutating func takeRecords() -> [TruthRecord] {
    defer { records = [] }
    return records
  }

  /// Brings the account's money up to the present.
  mutating func settle() {
    wallet.count(to: now, speed: settings.accrualSpeed)
    for id in contracts.keys { contracts[id]?.account.count(to: now, speed: settings.accrualSpeed) }
  }

  // MARK: Questions

  /// The contract if it exists and is not destroyed.
  func alive(_ id: Int) -> Contract? {
    contracts[id].flatMap { $0.isAlive ? $0 : nil }
  }

  /// GPUs on which a contract runs or a stranger sits.
  func occupiedSlots(except id: Int? = nil) -> Set<Slot> {
    var slots = strangers
    for contract in contracts.values where contract.holdsGPUs && contract.id != id {
      slots.formUnion(contract.offer.occupied)
    }
    return slots
  }

  func isRentable(_ offer: Offer, occupied: Set<Slot>) -> Bool {
    !offer.slots.isEmpty && !silentMachines.contains(offer.machine.id) && occupied.isDisjoint(with: offer.occupied)
  }
}

extension Status {
  var details: [(name: String, value: JSONValue)] {
    [
      ("actual_status", .text(actual?.rawValue)), ("intended_status", .string(intended.rawValue)),
      ("cur_state", .string(current.rawValue)), ("next_state", .string(next.rawValue)),
    ]
  }
}
