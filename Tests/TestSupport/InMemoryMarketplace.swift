package import Domain
import Locking

/// A marketplace in memory whose answers a test can spoil. Keeps its own truth, however its answers lie.
package final class InMemoryMarketplace: Marketplace {
  package struct State: Sendable {
    package var offers: [Offer] = []
    package var instances: [MarketID: MarketInstance] = [:]
    package var nextID: Int64 = 1000
    /// Thrown by the next calls of a kind, first first; the call does nothing then.
    package var failures: [Call: [MarketplaceError]] = [:]
    /// Days whose charges cannot be had, however often they are asked for.
    package var chargeFailures: [Timestamp: MarketplaceError] = [:]
    /// The next creates happen and then answer this.
    package var lostAnswers: [MarketplaceError] = []
    /// Runs within the next search, after its answer was made and before it is given.
    package var duringSearch: (@Sendable () async -> Void)?
    /// Runs before the next looks at the spend are answered.
    package var beforeSpend: (@Sendable () async -> Void)?
    /// Runs before the next answers to price increases are heard.
    package var beforePriceAnswer: (@Sendable () async -> Void)?
    /// The next stops happen and then answer this.
    package var lostStops: [MarketplaceError] = []
    /// Labels that lists do not show yet.
    package var hidden: Set<MarketID> = []
    package var calls: [Call] = []
    package var attachedKeys: [MarketID: [String]] = [:]
    /// Searches answer as from a list that is older than the rentals.
    package var showsRented = false
    package var everCreated: [MarketID: String] = [:]
    /// Instances whose GPUs somebody else has: a start of theirs waits until they are taken out and started again.
    package var occupied: Set<MarketID> = []
    package var nickname: String? = "tester"
    package var email: String? = "tester@example.com"
    /// What was charged, in any order.
    package var charges: [MarketCharge] = []
    /// Those that wait for an answer; an answer takes one out.
    package var priceIncreases: [PriceIncrease] = []
    /// Whether an increase was accepted, by its number.
    package var priceAnswers: [PriceIncreaseID: Bool] = [:]
  }

  package enum Call: String, Sendable, Hashable {
    case search, names, create, list, read, start, stop, destroy, registerKey, registerWebhook, attachKey, account
    case spend, charges, priceIncreases, answerPriceIncrease
  }

  private let state = Locked(State())
  private let now: @Sendable () -> Timestamp

  package init(offers: [Offer], now: @escaping @Sendable () -> Timestamp) {
    state.withLock { $0.offers = offers }
    self.now = now
  }

  package func change<R>(_ body: (inout State) -> R) -> R { state.withLock { body(&$0) } }
  package var snapshot: State { state.withLock { $0 } }
  package func count(_ call: Call) -> Int { snapshot.calls.filter { $0 == call }.count }

  /// Changes one instance as the provider would show it.
  package func set(_ id: MarketID, _ body: (inout MarketInstance) -> Void) {
    state.withLock { state in
      guard var instance = state.instances[id] else { return }
      body(&instance)
      state.instances[id] = instance
    }
  }

  package func boot(_ id: MarketID) {
    set(id) { instance in
      instance.actualStatus = "running"
      instance.intendedStatus = "running"
      instance.directAddress = SSHAddress(host: "192.0.2.1", port: 22)
    }
  }

  private func begin(_ call: Call) throws(MarketplaceError) {
    let failure = state.withLock { state -> MarketplaceError? in
      state.calls.append(call)
      guard var failures = state.failures[call], !failures.isEmpty else { return nil }
      let failure = failures.removeFirst()
      state.failures[call] = failures
      return failure
    }
    if let failure { throw failure }
  }

  package func searchOffers(_ query: OfferQuery) async throws(MarketplaceError) -> OfferListing {
    try begin(.search)
    let now = now()
    let (listing, meanwhile) = state.withLock { state in
      let taken = Set(state.instances.values.compactMap(\.machineID))
      let offers = state.offers.filter { query.admits($0) && (state.showsRented || !taken.contains($0.machineID)) }
      defer { state.duringSearch = nil }
      return (OfferListing(offers: offers, asOf: now), state.duringSearch)
    }
    await meanwhile?()
    return listing
  }

  package func gpuNames() async throws(MarketplaceError) -> [String] {
    try begin(.names)
    return Array(Set(snapshot.offers.map(\.gpuName))).sorted()
  }

  package func create(_ order: RentalOrder) async throws(MarketplaceError) -> MarketID {
    try begin(.create)
    let (id, lost) = try state.withLock { state throws(MarketplaceError) -> (MarketID, MarketplaceError?) in
      guard let offer = state.offers.first(where: { $0.id == order.offerID }),
        !state.instances.values.contains(where: { $0.machineID == offer.machineID })
      else { throw .offerTaken(offerID: order.offerID) }
      state.nextID += 1
      let id = MarketID(state.nextID)
      var instance = MarketInstance(id: id)
      instance.label = order.label
      instance.intendedStatus = "running"
      instance.machineID = offer.machineID
      instance.gpuName = offer.gpuName
      instance.gpuCount = offer.gpuCount
      instance.runningPricePerHour = offer.pricePerHour
      instance.storagePricePerHour = Money(microdollars: 10_000)
      state.instances[id] = instance
      state.everCreated[id] = order.label
      return (id, state.lostAnswers.isEmpty ? nil : state.lostAnswers.removeFirst())
    }
    if let lost { throw lost }
    return id
  }

  package func listInstances() async throws(MarketplaceError) -> [MarketInstance] {
    try begin(.list)
    let state = snapshot
    return state.instances.values.filter { !state.hidden.contains($0.id) }
  }

  package func readInstance(_ id: MarketID) async throws(MarketplaceError) -> MarketInstance? {
    try begin(.read)
    return snapshot.instances[id]
  }

  /// What was stopped loads again, and runs after a `boot`.
  package func start(_ id: MarketID) async throws(MarketplaceError) {
    try begin(.start)
    try state.withLock { state throws(MarketplaceError) in
      guard var instance = state.instances[id] else { throw .notFound }
      defer { state.instances[id] = instance }
      let isStopped = instance.intendedStatus != "running" || instance.actualStatus == "exited"
      instance.intendedStatus = "running"
      guard isStopped else { return }
      guard !state.occupied.contains(id) else { throw .startQueued(detail: "the GPUs are taken") }
      instance.actualStatus = "loading"
      instance.directAddress = nil
    }
  }

  /// Its container ends at once, and a start of it that waited is off.
  package func stop(_ id: MarketID) async throws(MarketplaceError) {
    try begin(.stop)
    let lost = try state.withLock { state throws(MarketplaceError) -> MarketplaceError? in
      guard var instance = state.instances[id] else { throw .notFound }
      instance.intendedStatus = "stopped"
      instance.actualStatus = "exited"
      state.instances[id] = instance
      return state.lostStops.isEmpty ? nil : state.lostStops.removeFirst()
    }
    if let lost { throw lost }
  }

  package func destroy(_ id: MarketID) async throws(MarketplaceError) {
    try begin(.destroy)
    let existed = state.withLock { $0.instances.removeValue(forKey: id) != nil }
    if !existed { throw .notFound }
  }

  package func registerKey(_ publicKey: String) async throws(MarketplaceError) { try begin(.registerKey) }

  package func attachKey(_ publicKey: String, to id: MarketID) async throws(MarketplaceError) {
    try begin(.attachKey)
    state.withLock { $0.attachedKeys[id, default: []].append(publicKey) }
  }

  /// What the instances that exist cost, listed or not.
  package func registerWebhook(url: String) async throws(MarketplaceError) -> MarketWebhook {
    try begin(.registerWebhook)
    return MarketWebhook(url: url, secret: "0123456789abcdef0123456789abcdef")
  }

  package func spend() async throws(MarketplaceError) -> MarketSpend {
    try begin(.spend)
    await snapshot.beforeSpend?()
    let alive = snapshot.instances.values
    return MarketSpend(
      gpuPerHour: alive.filter { $0.actualStatus == "running" }
        .reduce(.zero) { sum, one in
          let storage = one.storagePricePerHour?.microdollars ?? 0
          return sum + Money(microdollars: (one.runningPricePerHour?.microdollars ?? storage) - storage)
        },
      storagePerHour: alive.reduce(.zero) { $0 + ($1.storagePricePerHour ?? .zero) }, asOf: now())
  }

  package func charges(from start: Timestamp, to end: Timestamp) async throws(MarketplaceError) -> [MarketCharge] {
    try begin(.charges)
    if let failure = snapshot.chargeFailures[start] { throw failure }
    let charges = snapshot.charges
    return try MarketCharge.days(from: start, to: end).flatMap { day in charges.filter { $0.dayStart == day } }
  }

  package func priceIncreases() async throws(MarketplaceError) -> [PriceIncrease] {
    try begin(.priceIncreases)
    return snapshot.priceIncreases
  }

  /// The instance's price stays: when the new one begins is for the test to say.
  package func answerPriceIncrease(_ id: PriceIncreaseID, accept: Bool) async throws(MarketplaceError) {
    try begin(.answerPriceIncrease)
    await snapshot.beforePriceAnswer?()
    try state.withLock { state throws(MarketplaceError) in
      guard let index = state.priceIncreases.firstIndex(where: { $0.id == id }) else { throw .notFound }
      state.priceIncreases.remove(at: index)
      state.priceAnswers[id] = accept
    }
  }

  package func account() async throws(MarketplaceError) -> MarketAccount {
    try begin(.account)
    let state = snapshot
    return MarketAccount(
      nickname: state.nickname, email: state.email, credit: Money(microdollars: 25_000_000), balance: .zero,
      asOf: now())
  }
}

extension Offer {
  /// An offer that fits an empty query.
  package static func make(
    id: Int64 = 1, machine: Int64? = nil, gpu: String = "RTX 4090", dollars: Double = 0.4, reliability: Double = 0.99
  ) -> Offer {
    var offer = Offer(
      id: id, machineID: machine ?? id * 10, hostID: id * 100, gpuName: gpu,
      pricePerHour: Money(dollars: dollars) ?? .zero)
    offer.reliability = reliability
    offer.gpuRAMMegabytes = 24_564
    offer.diskGigabytes = 500
    offer.cudaVersion = 12.4
    offer.storagePricePerGigabyteMonth = 0.15
    offer.isVerified = true
    return offer
  }
}
