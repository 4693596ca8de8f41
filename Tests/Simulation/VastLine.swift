import Domain

/// One life's way to the provider. Requests that left arrive whether or not their sender still lives; answers reach nobody
/// who died.
struct VastLine: Marketplace {
  let vast: Vast
  let life: Holder

  /// How long the client waits for an answer.
  private static let timeout = Duration.seconds(10)

  /// What becomes of one exchange.
  private enum Course {
    case arrives(after: Duration, answered: Duration)
    /// Surely not sent, or turned away.
    case refused(MarketplaceError)
    /// The answer is lost, and so is the request or not; it may also arrive after its sender has given up.
    case lost(arrives: Duration?)
  }

  private func course(of operation: MarketplaceOperation) -> Course {
    let thread = vast.thread
    if operation == .spend, vast.isUnder(.emptyAccount) { return .arrives(after: .milliseconds(50), answered: .zero) }
    if vast.isUnder(.outage) {
      return thread.dice.isIn(500) ? .refused(.unavailable(detail: "simulated outage")) : .lost(arrives: nil)
    }
    if vast.isUnder(.limited), thread.dice.isIn(600) {
      return .refused(.rateLimited(retryAfter: thread.dice.seconds(1...4)))
    }
    if vast.isUnder(.badKey) {
      // To a destroy a bad key looks like a machine that is not there.
      return .refused(operation == .destroy ? .notFound : .unauthorized(detail: "simulated bad key"))
    }
    if vast.isUnder(.lostAnswers), thread.dice.isIn(700) { return .lost(arrives: thread.dice.seconds(0.1...3)) }
    if vast.goesWrong(15) { return .lost(arrives: nil) }
    if vast.goesWrong(15) { return .lost(arrives: thread.dice.seconds(0.1...14)) }
    if vast.goesWrong(10) { return .refused(.unavailable(detail: "simulated 503")) }
    let slow = vast.isUnder(.slow) ? thread.dice.seconds(0...8) : .zero
    return .arrives(after: thread.dice.seconds(0.01...0.3) + slow, answered: thread.dice.seconds(0.01...0.3))
  }

  private func exchange<Answer: Sendable>(
    _ operation: MarketplaceOperation,
    _ effect: @escaping @Sendable () -> Result<Answer, MarketplaceError>
  ) async throws(MarketplaceError) -> Answer {
    let thread = vast.thread
    let lost: MarketplaceError =
      operation.isRepeatable ? .unavailable(detail: "simulated loss") : .unknownOutcome(detail: "simulated loss")
    let answer = await Reply<Result<Answer, MarketplaceError>>.wait(isAlive: { life.isAlive }) { reply in
      switch course(of: operation) {
      case .arrives(let after, let answered):
        thread.after(after) {
          let outcome = effect()
          thread.after(answered) { reply.give(outcome) }
        }
      case .refused(let error):
        thread.after(.milliseconds(50)) { reply.give(.failure(error)) }
      case .lost(let arrives):
        if let arrives { thread.after(arrives) { _ = effect() } }
        thread.after(Self.timeout) { reply.give(.failure(lost)) }
      }
    }
    guard let answer else { throw .cancelled }
    return try answer.get()
  }

  func searchOffers(_ query: OfferQuery) async throws(MarketplaceError) -> OfferListing {
    try await exchange(.searchOffers) {
      .success(OfferListing(offers: vast.freeOffers().filter { query.admits($0) }, asOf: vast.thread.now))
    }
  }

  func gpuNames() async throws(MarketplaceError) -> [String] {
    try await exchange(.gpuNames) { .success(["RTX 4090"]) }
  }

  func create(_ order: RentalOrder) async throws(MarketplaceError) -> MarketID {
    // Asked when the request leaves: whoever reads the database at this moment must find the order.
    let row = life.row(of: order.label)
    if row?.state != .creating { vast.violate("sent without a row that says so: \(order.label)") }
    let job = row?.jobID
    return try await exchange(.create) { () -> Result<MarketID, MarketplaceError> in
      guard let offer = vast.freeOffers().first(where: { $0.id == order.offerID }), !vast.goesWrong(30) else {
        return .failure(.offerTaken(offerID: order.offerID))
      }
      let contract = vast.rent(label: order.label, job: job, offer: offer, bid: order.bidPerHour)
      if vast.goesWrong(20) { return .failure(.createdUnusable(id: contract.id, reason: "simulated")) }
      return .success(contract.id)
    }
  }

  func listInstances() async throws(MarketplaceError) -> [MarketInstance] {
    let (shown, trueAt) = try await exchange(.listInstances) {
      () -> Result<([MarketInstance], Duration), MarketplaceError> in
      if vast.isUnder(.emptyLists) || vast.isUnder(.emptyAccount) { return .success(([], vast.thread.time)) }
      if vast.isUnder(.halfLists) { return .failure(.malformedAnswer(detail: "simulated half list")) }
      return .success((vast.list(), vast.thread.time))
    }
    vast.heard(shown.map(\.id), trueAt: trueAt)
    return shown
  }

  func readInstance(_ id: MarketID) async throws(MarketplaceError) -> MarketInstance? {
    let (shown, isTrue, trueAt) = try await exchange(.readInstance) {
      let isTrue = !vast.isUnder(.emptyAccount)
      return .success((isTrue ? vast.shown(id) : nil, isTrue, vast.thread.time))
    }
    if shown != nil { vast.heard([id], trueAt: trueAt) } else if isTrue { vast.heardGone(id, trueAt: trueAt) }
    return shown
  }

  func start(_ id: MarketID) async throws(MarketplaceError) {
    try await exchange(.start) { () -> Result<Void, MarketplaceError> in
      guard let contract = vast.contracts[id], contract.isAlive else { return .failure(.notFound) }
      if vast.goesWrong(200) { return .failure(.startQueued(detail: "simulated")) }
      vast.start(contract)
      return .success(())
    }
  }

  /// Nobody here has a policy that stops machines, so that a stop is a fault.
  func stop(_ id: MarketID) async throws(MarketplaceError) {
    try await exchange(.stop) { () -> Result<Void, MarketplaceError> in
      vast.violate("a stop of \(id) that nobody wished for")
      return .success(())
    }
  }

  func destroy(_ id: MarketID) async throws(MarketplaceError) {
    try await exchange(.destroy) { () -> Result<Void, MarketplaceError> in
      if vast.isUnder(.ignoredDestroys) || vast.goesWrong(20) { return .success(()) }
      return vast.destroy(id, by: "vastd") ? .success(()) : .failure(.notFound)
    }
  }

  func registerKey(_ publicKey: String) async throws(MarketplaceError) {
    try await exchange(.registerKey) { .success(()) }
  }

  func attachKey(_ publicKey: String, to id: MarketID) async throws(MarketplaceError) {
    try await exchange(.attachKey) { () -> Result<Void, MarketplaceError> in
      guard let contract = vast.contracts[id], contract.isAlive else { return .failure(.notFound) }
      if !vast.isOurs(contract) { vast.violate("a stranger was harmed: a key for \(id)") }
      contract.machine.hasKey = true
      return .success(())
    }
  }

  func registerWebhook(url: String) async throws(MarketplaceError) -> MarketWebhook {
    try await exchange(.registerWebhook) {
      .success(MarketWebhook(url: url, secret: "simulated-secret-of-32-characters"))
    }
  }

  func spend() async throws(MarketplaceError) -> MarketSpend {
    try await exchange(.spend) { .success(vast.spend()) }
  }

  func charges(from start: Timestamp, to end: Timestamp) async throws(MarketplaceError) -> [MarketCharge] {
    let days = try MarketCharge.days(from: start, to: end)
    return try await exchange(.charges) {
      if vast.isUnder(.halfLists) { return .failure(.malformedAnswer(detail: "simulated half list")) }
      return .success(vast.charges(of: days))
    }
  }

  /// No host here ever wants more.
  func priceIncreases() async throws(MarketplaceError) -> [PriceIncrease] {
    try await exchange(.priceIncreases) { .success([]) }
  }

  func answerPriceIncrease(_ id: PriceIncreaseID, accept: Bool) async throws(MarketplaceError) {
    try await exchange(.answerPriceIncrease) { () -> Result<Void, MarketplaceError> in .failure(.notFound) }
  }

  func account() async throws(MarketplaceError) -> MarketAccount {
    try await exchange(.account) {
      .success(
        MarketAccount(
          nickname: "sim", email: nil, credit: Money(microdollars: 25_000_000), balance: .zero, asOf: vast.thread.now))
    }
  }
}
