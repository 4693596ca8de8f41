package import Domain
package import Telemetry

/// Keeps offers, GPU names and the account for a while, and asks once for all who ask at the same time.
///
/// Everything else passes: a list of instances that was asked for before a caller came proves nothing to that caller, so
/// lists are not even shared while under way. Who is about to rent asks `fresh`. What is older than its time is kept for
/// `ServingStale` and never an answer of this layer.
package struct Caching: Marketplace {
  /// The marketplace below, whose every answer is new.
  package let fresh: any Marketplace
  /// How long offers are fresh.
  let timeToLive: Duration
  private let offers: SharedAnswers<OfferQuery, OfferListing>
  private let names: SharedAnswers<MarketplaceOperation, [String]>
  private let accounts: SharedAnswers<MarketplaceOperation, MarketAccount>

  /// Different searches kept. 64 offers have some 25 KB, so all of them 6 MB.
  private static let searches = 256
  /// Models come and go within months.
  private static let namesTimeToLive = Duration.seconds(3600)
  /// Credit moves by cents in a minute.
  private static let accountTimeToLive = Duration.seconds(60)

  /// `timeToLive` is for offers; zero keeps none, and only calls under way are shared.
  package init(
    _ inner: any Marketplace, timeToLive: Duration = .seconds(30), metrics: Metrics,
    clock: any Clock<Duration> = ContinuousClock()
  ) {
    fresh = inner
    self.timeToLive = timeToLive
    let timeline = Timeline(clock)
    let counters = CacheCounters(metrics)
    offers = SharedAnswers(
      timeToLive: timeToLive, keeping: timeToLive == .zero ? .zero : ServingStale.longestAge, capacity: Self.searches,
      timeline: timeline, count: counters.count)
    names = SharedAnswers(
      timeToLive: Self.namesTimeToLive, capacity: 1, timeline: timeline, count: counters.count)
    accounts = SharedAnswers(
      timeToLive: Self.accountTimeToLive, keeping: ServingStale.longestAge, capacity: 1, timeline: timeline,
      count: counters.count)
  }

  /// The answer that `searchOffers` would give without asking anybody; nil when there is none.
  package func cachedOffers(_ query: OfferQuery) -> OfferListing? { offers.peek(query) }

  /// What was answered not longer ago than `age`, marked as such.
  func staleOffers(_ query: OfferQuery, within age: Duration) -> OfferListing? {
    guard var listing = offers.stale(query, within: age) else { return nil }
    listing.isDegraded = true
    return listing
  }

  func staleAccount(within age: Duration) -> MarketAccount? {
    guard var account = accounts.stale(.account, within: age) else { return nil }
    account.isDegraded = true
    return account
  }

  /// Asks in the background, once for all who want it.
  func refreshOffers(_ query: OfferQuery) {
    offers.refresh(query) { [fresh] () async throws(MarketplaceError) in try await fresh.searchOffers(query) }
  }

  package func searchOffers(_ query: OfferQuery) async throws(MarketplaceError) -> OfferListing {
    try await offers.answer(query) { [fresh] () async throws(MarketplaceError) in try await fresh.searchOffers(query) }
  }

  package func gpuNames() async throws(MarketplaceError) -> [String] {
    try await names.answer(.gpuNames) { [fresh] () async throws(MarketplaceError) in try await fresh.gpuNames() }
  }

  package func account() async throws(MarketplaceError) -> MarketAccount {
    try await accounts.answer(.account) { [fresh] () async throws(MarketplaceError) in try await fresh.account() }
  }

  /// An offer that was rented, or that turned out to be taken, leaves the kept listings.
  package func create(_ order: RentalOrder) async throws(MarketplaceError) -> MarketID {
    do {
      let id = try await fresh.create(order)
      forget(offerID: order.offerID)
      return id
    } catch {
      switch error {
      case .offerTaken, .createdUnusable, .unknownOutcome: forget(offerID: order.offerID)
      default: break
      }
      throw error
    }
  }

  private func forget(offerID: Int64) {
    offers.update { listing in listing.offers.removeAll { $0.id == offerID } }
  }

  package func listInstances() async throws(MarketplaceError) -> [MarketInstance] { try await fresh.listInstances() }

  package func readInstance(_ id: MarketID) async throws(MarketplaceError) -> MarketInstance? {
    try await fresh.readInstance(id)
  }

  package func start(_ id: MarketID) async throws(MarketplaceError) { try await fresh.start(id) }

  package func stop(_ id: MarketID) async throws(MarketplaceError) { try await fresh.stop(id) }

  package func destroy(_ id: MarketID) async throws(MarketplaceError) { try await fresh.destroy(id) }

  package func spend() async throws(MarketplaceError) -> MarketSpend { try await fresh.spend() }

  package func charges(from start: Timestamp, to end: Timestamp) async throws(MarketplaceError) -> [MarketCharge] {
    try await fresh.charges(from: start, to: end)
  }

  package func priceIncreases() async throws(MarketplaceError) -> [PriceIncrease] { try await fresh.priceIncreases() }

  package func answerPriceIncrease(_ id: PriceIncreaseID, accept: Bool) async throws(MarketplaceError) {
    try await fresh.answerPriceIncrease(id, accept: accept)
  }

  package func registerKey(_ publicKey: String) async throws(MarketplaceError) {
    try await fresh.registerKey(publicKey)
  }

  package func registerWebhook(url: String) async throws(MarketplaceError) -> MarketWebhook {
    try await fresh.registerWebhook(url: url)
  }

  package func attachKey(_ publicKey: String, to id: MarketID) async throws(MarketplaceError) {
    try await fresh.attachKey(publicKey, to: id)
  }
}

/// The series, looked up once: a hit is on the fast path of requests.
private struct CacheCounters: Sendable {
  private let hits: Counter
  private let misses: Counter
  private let joined: Counter
  private let stale: Counter

  init(_ metrics: Metrics) {
    hits = metrics.vastCacheRequests.counter("hit")
    misses = metrics.vastCacheRequests.counter("miss")
    joined = metrics.vastCacheRequests.counter("joined")
    stale = metrics.vastCacheRequests.counter("stale")
  }

  func count(_ path: CachePath) {
    switch path {
    case .hit: hits.increment()
    case .miss: misses.increment()
    case .joined: joined.increment()
    case .stale: stale.increment()
    }
  }
}
