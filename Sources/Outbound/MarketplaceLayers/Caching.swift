package import Domain
package import Telemetry

/// Keeps offers, GPU names and the account for a while, and asks once for all who ask at the same time.
///
/// Everything else passes: a list of instances that was asked for before a caller came proves nothing to that caller, so
/// lists are not even shared while under way. Who is about to rent asks `fresh`.
package struct Caching: Marketplace {
  /// The marketplace below, whose every answer is new.
  package let fresh: any Marketplace
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
    let timeline = Timeline(clock)
    let counters = CacheCounters(metrics)
    offers = SharedAnswers(timeToLive: timeToLive, capacity: Self.searches, timeline: timeline, count: counters.count)
    names = SharedAnswers(
      timeToLive: Self.namesTimeToLive, capacity: 1, timeline: timeline, count: counters.count)
    accounts = SharedAnswers(
      timeToLive: Self.accountTimeToLive, capacity: 1, timeline: timeline, count: counters.count)
  }

  /// The answer that `searchOffers` would give without asking anybody; nil when there is none.
  package func cachedOffers(_ query: OfferQuery) -> OfferListing? { offers.peek(query) }

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

  package func destroy(_ id: MarketID) async throws(MarketplaceError) { try await fresh.destroy(id) }

  package func registerKey(_ publicKey: String) async throws(MarketplaceError) {
    try await fresh.registerKey(publicKey)
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

  init(_ metrics: Metrics) {
    hits = metrics.vastCacheRequests.counter("hit")
    misses = metrics.vastCacheRequests.counter("miss")
    joined = metrics.vastCacheRequests.counter("joined")
  }

  func count(_ path: CachePath) {
    switch path {
    case .hit: hits.increment()
    case .miss: misses.increment()
    case .joined: joined.increment()
    }
  }
}
