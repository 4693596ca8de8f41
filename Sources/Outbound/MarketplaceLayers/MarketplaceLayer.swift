package import Domain

/// A marketplace around a marketplace that does the same with every call: measure, pace, repeat. A layer says it once, in
/// `around`, and does not spell out a dozen methods that all look alike; that is what earns the protocol its place.
///
/// They are put together as `ServingStale(Caching(Retrying(CircuitBreaking(RateLimited(Measured(VastMarketplace))))))`:
/// measuring innermost, so that what is counted is what Vast saw, and waiting for a turn does not look like a slow Vast;
/// pacing around it, so that every repetition waits for its turn like any other call;
/// the circuit around that, so that what it refuses waits for no turn, and repeating ends when it opens;
/// the cache around them, so that a hit costs none of that, and what serves older answers outermost, for those who only
/// look. What must not be stale goes to the layer below the cache.
package protocol MarketplaceLayer: Marketplace {
  var inner: any Marketplace { get }

  /// Makes the call, perhaps later, again, or not at all. `create` may be made once at most.
  func around<Answer: Sendable>(
    _ operation: MarketplaceOperation, _ call: @Sendable () async throws(MarketplaceError) -> Answer
  ) async throws(MarketplaceError) -> Answer
}

extension MarketplaceLayer {
  package func searchOffers(_ query: OfferQuery) async throws(MarketplaceError) -> OfferListing {
    try await around(.searchOffers) { () async throws(MarketplaceError) in try await inner.searchOffers(query) }
  }

  package func gpuNames() async throws(MarketplaceError) -> [String] {
    try await around(.gpuNames) { () async throws(MarketplaceError) in try await inner.gpuNames() }
  }

  package func create(_ order: RentalOrder) async throws(MarketplaceError) -> MarketID {
    try await around(.create) { () async throws(MarketplaceError) in try await inner.create(order) }
  }

  package func listInstances() async throws(MarketplaceError) -> [MarketInstance] {
    try await around(.listInstances) { () async throws(MarketplaceError) in try await inner.listInstances() }
  }

  package func readInstance(_ id: MarketID) async throws(MarketplaceError) -> MarketInstance? {
    try await around(.readInstance) { () async throws(MarketplaceError) in try await inner.readInstance(id) }
  }

  package func start(_ id: MarketID) async throws(MarketplaceError) {
    try await around(.start) { () async throws(MarketplaceError) in try await inner.start(id) }
  }

  package func stop(_ id: MarketID) async throws(MarketplaceError) {
    try await around(.stop) { () async throws(MarketplaceError) in try await inner.stop(id) }
  }

  package func destroy(_ id: MarketID) async throws(MarketplaceError) {
    try await around(.destroy) { () async throws(MarketplaceError) in try await inner.destroy(id) }
  }

  package func registerKey(_ publicKey: String) async throws(MarketplaceError) {
    try await around(.registerKey) { () async throws(MarketplaceError) in try await inner.registerKey(publicKey) }
  }

  package func attachKey(_ publicKey: String, to id: MarketID) async throws(MarketplaceError) {
    try await around(.attachKey) { () async throws(MarketplaceError) in try await inner.attachKey(publicKey, to: id) }
  }

  package func registerWebhook(url: String) async throws(MarketplaceError) -> MarketWebhook {
    try await around(.registerWebhook) { () async throws(MarketplaceError) in try await inner.registerWebhook(url: url)
    }
  }

  package func account() async throws(MarketplaceError) -> MarketAccount {
    try await around(.account) { () async throws(MarketplaceError) in try await inner.account() }
  }

  package func spend() async throws(MarketplaceError) -> MarketSpend {
    try await around(.spend) { () async throws(MarketplaceError) in try await inner.spend() }
  }

  package func charges(from start: Timestamp, to end: Timestamp) async throws(MarketplaceError) -> [MarketCharge] {
    try await around(.charges) { () async throws(MarketplaceError) in try await inner.charges(from: start, to: end) }
  }

  package func priceIncreases() async throws(MarketplaceError) -> [PriceIncrease] {
    try await around(.priceIncreases) { () async throws(MarketplaceError) in try await inner.priceIncreases() }
  }

  package func answerPriceIncrease(_ id: PriceIncreaseID, accept: Bool) async throws(MarketplaceError) {
    try await around(.answerPriceIncrease) { () async throws(MarketplaceError) in
      try await inner.answerPriceIncrease(id, accept: accept)
    }
  }
}
