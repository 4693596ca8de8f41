import Domain

/// The provider: its truth, which nothing changes but what was asked for or fated, and the weather that its answers pass
/// through. What no answer may ever lead to is noticed here at the moment when it happens.
///
/// `@unchecked Sendable`: there is one thread.
final class Vast: @unchecked Sendable {
  /// Faults last shorter than the settling time, and lies leave a calm between them that is longer than the lags: a provider
  /// that lies for ever cannot be told from one that has nothing.
  enum Weather: String, CaseIterable {
    case calm, outage, emptyLists, halfLists, slow, badKey, limited, lostAnswers, ignoredDestroys
    /// Lists and reads alike say that there is nothing. The spend tells the truth: somebody has to.
    case emptyAccount
  }

  let thread: OneThread
  let owner: Owner
  private(set) var contracts: [MarketID: Contract] = [:]
  private(set) var offers: [Offer] = []
  private(set) var weather = Weather.calm
  /// From when on everything goes well.
  let calmFrom: Duration
  /// Whether anything ever goes wrong.
  let isKind: Bool
  var violations: [String] = []
  private(set) var history = ""
  private(set) var faults = 0
  /// JOB/ATTEMPT of every command that began.
  fileprivate(set) var launches: Set<String> = []
  /// What holds for ours, once it was acknowledged.
  private(set) var budget: Budget?
  private(set) var budgetSince = OneThread.epoch
  /// The row of a contract; nil when nobody lives who could be asked.
  var row: (Contract) -> Instance? = { _ in nil }
  private var lastNumber: Int64 = 1000

  init(thread: OneThread, owner: Owner, isKind: Bool, calmFrom: Duration) {
    self.thread = thread
    self.owner = owner
    self.isKind = isKind
    self.calmFrom = calmFrom
    for number in 1...Int64(8) {
      var offer = Offer(
        id: number, machineID: number * 10, hostID: number * 100, gpuName: "RTX 4090",
        pricePerHour: Money(microdollars: 300_000 + number * 10_000))
      offer.gpuPricePerHour = Money(
        microdollars: offer.pricePerHour.microdollars - Contract.storagePerHour.microdollars)
      offer.minimumBidPerHour = Money(microdollars: 150_000 + number * 10_000)
      // For the disk that jobs ask for.
      offer.storagePricePerGigabyteMonth = Contract.storagePerHour.dollars * 720 / 64
      offer.reliability = 0.99
      offer.gpuRAMMegabytes = 24_564
      offer.diskGigabytes = 500
      offer.isVerified = true
      offers.append(offer)
    }
    if thread.dice.isIn(500) { rentForOthers() }
    if !isKind { thread.after(thread.dice.seconds(0...20)) { self.changeWeather() } }
  }

  /// Machines of others in the same account: without a tag, and with another vastd's.
  private func rentForOthers() {
    var dice = thread.dice
    let other = InstanceTag(owner: Owner("other")!, instanceID: ID(at: thread.now, using: &dice))
    thread.dice = dice
    for label in ["somebody's", other.label("theirs")] {
      _ = rent(label: label, job: nil, offer: offers[7], bid: nil)
    }
  }

  func note(_ text: String) { history += "\(thread.time.inSeconds) \(text)\n" }

  func violate(_ text: String) {
    violations.append(text)
    note("VIOLATION \(text)")
  }

  var isBad: Bool { !isKind && thread.time < calmFrom }

  /// One fault in so many thousand calls.
  func goesWrong(_ perMille: Int) -> Bool {
    guard isBad, thread.dice.isIn(perMille) else { return false }
    faults += 1
    return true
  }

  func isUnder(_ weather: Weather) -> Bool {
    guard isBad, self.weather == weather else { return false }
    faults += 1
    return true
  }

  private func changeWeather() {
    guard isBad else {
      weather = .calm
      return
    }
    weather = weather == .calm ? thread.dice.one(of: Array(Weather.allCases.dropFirst())) : .calm
    note("weather \(weather.rawValue)")
    let span = weather == .calm ? thread.dice.seconds(40...80) : thread.dice.seconds(3...30)
    thread.after(span) { self.changeWeather() }
  }

  // MARK: What is so

  func isOurs(_ contract: Contract) -> Bool { InstanceTag(inLabel: contract.label)?.owner == owner }

  var alive: [Contract] {
    contracts.values.filter { $0.isAlive && isOurs($0) }.sorted { $0.id < $1.id }
  }

  /// Since when there is nothing of ours; nil while there is.
  var emptySince: Duration? {
    guard alive.isEmpty else { return nil }
    return contracts.values.filter { isOurs($0) }.compactMap(\.destroyedAt).max() ?? .zero
  }

  func freeOffers() -> [Offer] {
    let taken = Set(contracts.values.filter(\.isAlive).map(\.offer.machineID))
    return offers.filter { !taken.contains($0.machineID) }
  }

  func rent(label: String, job: ID<Job>?, offer: Offer, bid: Money?) -> Contract {
    lastNumber += 1
    let now = thread.time
    let boot = thread.dice.seconds(1...12)
    let contract = Contract(
      id: MarketID(lastNumber), label: label, job: job, offer: offer, isBid: bid != nil,
      pricePerHour: bid.map { $0 + Contract.storagePerHour } ?? offer.pricePerHour, createdAt: now, bootsAt: now + boot,
      fate: drawFate(), listedFrom: now + (isBad ? thread.dice.seconds(0...6) : .zero))
    if let job {
      for other in alive where other.job == job { violate("double rent: \(contract.id) beside \(other.id) for \(job)") }
      for other in contracts.values where other.label == label { violate("rented twice: \(label), as \(other.id)") }
    }
    contracts[contract.id] = contract
    if isOurs(contract) { checkBudget() }
    note("rented \(contract.id) \(label) \(contract.fate)")
    return contract
  }

  /// Whether all of ours together may cost more by the hour than the budget allows. No budget knows of what no row claims, and
  /// what was written down before it held is on its way.
  func checkBudget() {
    guard let budget, budget.action != .alert, let bound = budget.burnRate else { return }
    let counted = alive.filter { row($0).map { !$0.state.isFinal } ?? false }
    guard let newest = counted.last.flatMap(row), newest.createdAt >= budgetSince else { return }
    let rate = counted.reduce(Money.zero) { $0 + $1.rateAhead(at: thread.time) }
    guard rate > bound else { return }
    violate("all of \(counted.map(\.id)) may cost $\(rate.decimal) an hour, the bound is $\(bound.decimal)")
  }

  private func drawFate() -> Contract.Fate {
    guard isBad else { return .well }
    switch Int.random(in: 0..<100, using: &thread.dice) {
    case 0..<4: return .neverBoots
    case 4..<8: return .bootFails
    case 8..<11: return .deaf
    case 11..<18: return .ends(after: thread.dice.seconds(1...30))
    case 18..<24: return .silent(after: thread.dice.seconds(0...20), lasting: thread.dice.seconds(5...120))
    default: return .well
    }
  }

  /// What has ended boots once more, with the disk that it had and a fate of its own. Nothing else changes.
  func start(_ contract: Contract) {
    if !isOurs(contract) { violate("a stranger was harmed: a start of \(contract.id), \(contract.label)") }
    guard let end = contract.end, contract.isAlive, thread.time >= end else { return }
    contract.machine.endAll(at: end)
    let boot = thread.time + thread.dice.seconds(1...12)
    contracts[contract.id]?.start(bootsAt: boot, fate: drawFate())
    note("started \(contract.id)")
    checkBudget()
  }

  /// False when there was nothing to destroy.
  func destroy(_ id: MarketID, by whom: String) -> Bool {
    guard let contract = contracts[id], contract.isAlive else { return false }
    if !isOurs(contract) { violate("a stranger was harmed: \(whom) destroyed \(id), \(contract.label)") }
    contracts[id]?.destroyedAt = thread.time
    contracts[id]?.listedUntil = thread.time + (isBad ? thread.dice.seconds(0...8) : .zero)
    note("destroyed \(id) by \(whom)")
    return true
  }

  func shown(_ id: MarketID) -> MarketInstance? {
    guard let contract = contracts[id] else { return nil }
    if let until = contract.listedUntil, thread.time >= until { return nil }
    return contract.shown(at: thread.time)
  }

  func spend() -> MarketSpend {
    let alive = contracts.values.filter(\.isAlive)
    return MarketSpend(
      gpuPerHour: alive.filter { $0.isUp(at: thread.time) }.reduce(.zero) { $0 + $1.gpuPerHour },
      storagePerHour: alive.reduce(.zero) { sum, _ in sum + Contract.storagePerHour }, asOf: thread.now)
  }

  /// To the thousandth of a dollar, as the real one has it. Before its last start a machine is charged for its disk alone.
  func charges(of days: [Timestamp]) -> [MarketCharge] {
    let epoch = thread.now - thread.time
    return days.filter { $0 < thread.now }.flatMap { day in
      let span = (day - epoch)..<min(day.nextMidnight - epoch, thread.time)
      return contracts.values.sorted { $0.id < $1.id }.compactMap { $0.charge(for: day, span) }
    }
  }

  func list() -> [MarketInstance] {
    let now = thread.time
    for id in contracts.keys.sorted() where goesWrong(3) {
      contracts[id]?.hiddenUntil = now + thread.dice.seconds(1...8)
    }
    return contracts.values.sorted { $0.id < $1.id }
      .filter { $0.listedFrom <= now && $0.hiddenUntil <= now && $0.listedUntil ?? .seconds(1 << 40) > now }
      .map { $0.shown(at: now) }
  }

  /// A budget was acknowledged.
  func hold(_ budget: Budget) {
    self.budget = budget
    budgetSince = thread.now
    note("budget \(budget)")
  }

  /// An answer that showed these came to somebody who lives.
  func heard(_ shown: [MarketID], trueAt: Duration) {
    for id in shown { contracts[id]?.looks.shown.append(.init(trueAt: trueAt, heardAt: thread.time)) }
  }

  func heardGone(_ id: MarketID, trueAt: Duration) {
    contracts[id]?.looks.gone.append(.init(trueAt: trueAt, heardAt: thread.time))
  }

  func noted(_ id: MarketID, at moment: Timestamp) { contracts[id]?.looks.note(moment - OneThread.epoch) }

  /// A machine whose lease has run out destroys itself, with the key of its own.
  func watchLease(of id: MarketID) {
    guard let until = contracts[id]?.machine.leaseUntil else { return }
    thread.after(max(.zero, until - thread.time)) { [self] in
      guard let contract = contracts[id], contract.isUp(at: thread.time), let until = contract.machine.leaseUntil,
        until <= thread.time
      else { return }
      _ = destroy(id, by: "lease")
    }
  }
}

extension Vast {
  /// A command began on a machine. Once in an attempt, wherever.
  func launched(_ job: String, attempt: Int, on id: MarketID) {
    note("launched \(job) attempt \(attempt) on \(id)")
    guard launches.insert("\(job)/\(attempt)").inserted else {
      return violate("command twice: \(job) attempt \(attempt), now on \(id)")
    }
  }
}
