import Domain
import Locking
import MarketplaceLayers
import Telemetry
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(1)))
struct ServingStaleTests {
  let clock = ManualClock()
  let metrics = Metrics(version: "0", commit: "0")
  let isFallback = Locked(true)
  /// What searches and accounts fail with; nil: they work.
  let failure = Locked<MarketplaceError?>(nil)
  let inner: ScriptedMarketplace
  let cache: Caching
  let layer: ServingStale

  init() {
    let (failure, isFallback) = (failure, isFallback)
    inner = ScriptedMarketplace { _, _ throws(MarketplaceError) in
      if let failure = failure.withLock({ $0 }) { throw failure }
    }
    cache = Caching(inner, metrics: metrics, clock: clock)
    layer = ServingStale(cache) { isFallback.withLock { $0 } }
  }

  private func fail(_ error: MarketplaceError?) { failure.withLock { $0 = error } }
  private func looked(_ result: String) -> Int { metrics.vastCacheRequests.counter(result).value }

  @Test func `offers shortly past their time are served at once, marked, and fetched anew once`() async throws {
    let first = try await layer.searchOffers(OfferQuery())
    clock.advance(by: .seconds(30))
    let gate = Signal()
    let slow = ScriptedMarketplace { _, call throws(MarketplaceError) in if call > 1 { await gate.wait(after: 0) } }
    let slowCache = Caching(slow, metrics: metrics, clock: clock)
    let slowLayer = ServingStale(slowCache) { false }
    _ = try await slowLayer.searchOffers(OfferQuery())
    clock.advance(by: .seconds(60))
    for _ in 0..<20 {
      let listing = try #require(slowLayer.peekOffers(OfferQuery()))
      #expect(listing.isDegraded)
      #expect(listing.asOf == Timestamp(microseconds: 1))
    }
    #expect(try await slowLayer.searchOffers(OfferQuery()).isDegraded, "who asks waits as little as who peeks")
    await eventually { slow.count(.searchOffers) == 2 }
    gate.raise()
    await eventually { slowCache.cachedOffers(OfferQuery()) != nil }
    #expect(slow.count(.searchOffers) == 2)
    #expect(slowLayer.peekOffers(OfferQuery()) == OfferListing(offers: first.offers, asOf: Timestamp(microseconds: 2)))
  }

  @Test func `what is fresh is not marked, and what is past the window is asked for`() async throws {
    let first = try await layer.searchOffers(OfferQuery())
    clock.advance(by: .milliseconds(29_999))
    #expect(layer.peekOffers(OfferQuery()) == first)
    #expect(inner.count(.searchOffers) == 1)
    clock.advance(by: .milliseconds(30_002))
    #expect(layer.peekOffers(OfferQuery()) == nil)
    let second = try await layer.searchOffers(OfferQuery())
    #expect(!second.isDegraded && second.asOf != first.asOf)
    #expect(inner.count(.searchOffers) == 2)
  }

  @Test func `a search that fails in the background is tried again by the next who looks`() async throws {
    _ = try await layer.searchOffers(OfferQuery())
    clock.advance(by: .seconds(31))
    fail(.unavailable(detail: "x"))
    #expect(layer.peekOffers(OfferQuery())?.isDegraded == true)
    await eventually { inner.count(.searchOffers) == 2 }
    await eventually {
      _ = layer.peekOffers(OfferQuery())
      return inner.count(.searchOffers) >= 3
    }
    #expect(inner.count(.searchOffers) >= 3)
  }

  @Test(arguments: MarketplaceError.all)
  func `in fallback an outage is answered with what is kept, anything else is told`(
    error: MarketplaceError
  ) async throws {
    let kept = try await layer.searchOffers(OfferQuery())
    let account = try await layer.account()
    clock.advance(by: .seconds(600))
    fail(error)
    switch error {
    case .unavailable, .circuitOpen, .unknownOutcome, .malformedAnswer:
      let listing = try await layer.searchOffers(OfferQuery())
      #expect(listing.isDegraded && listing.asOf == kept.asOf && listing.offers == kept.offers)
      let old = try await layer.account()
      #expect(old.isDegraded && old.asOf == account.asOf)
      #expect(looked("stale") == 2)
    case .quotaExceeded:
      #expect(try await layer.searchOffers(OfferQuery()).isDegraded)
    case .unauthorized, .insufficientCredit, .offerTaken, .createdUnusable, .startQueued, .notFound, .rateLimited,
      .refused, .cancelled:
      #expect(await layer.attempt(.searchOffers) == error)
      #expect(await layer.attempt(.account) == error)
    }
    fail(nil)
    #expect(try await layer.searchOffers(OfferQuery()).isDegraded == false, "a new answer as soon as there is one")
  }

  @Test func `without fallback a failure is told, but a used-up quota is answered with what is kept`() async throws {
    isFallback.withLock { $0 = false }
    _ = try await layer.searchOffers(OfferQuery())
    clock.advance(by: .seconds(600))
    fail(.unavailable(detail: "x"))
    #expect(await layer.attempt(.searchOffers) == .unavailable(detail: "x"))
    isFallback.withLock { $0 = true }
    #expect(await layer.attempt(.searchOffers) == nil, "asked at each call")
    isFallback.withLock { $0 = false }
    fail(.quotaExceeded(retryAfter: .seconds(9)))
    #expect(try await layer.searchOffers(OfferQuery()).isDegraded)
    var other = OfferQuery()
    other.gpuCount = 8
    #expect(await failure(of: other) == .quotaExceeded(retryAfter: .seconds(9)), "nothing kept")
  }

  @Test func `nothing older than an hour is served`() async throws {
    _ = try await layer.searchOffers(OfferQuery())
    _ = try await layer.account()
    fail(.unavailable(detail: "x"))
    clock.advance(by: .seconds(3600))
    #expect(await layer.attempt(.searchOffers) == nil)
    #expect(await layer.attempt(.account) == nil)
    clock.advance(by: .milliseconds(1))
    #expect(await layer.attempt(.searchOffers) == .unavailable(detail: "x"))
    #expect(await layer.attempt(.account) == .unavailable(detail: "x"))
  }

  @Test func `who is about to rent never gets what is past its time`() async throws {
    _ = try await layer.searchOffers(OfferQuery())
    clock.advance(by: .seconds(30))
    #expect(cache.cachedOffers(OfferQuery()) == nil)
    #expect(try await cache.searchOffers(OfferQuery()).asOf == Timestamp(microseconds: 2))
    clock.advance(by: .seconds(30))
    fail(.unavailable(detail: "x"))
    #expect(await cache.attempt(.searchOffers) == .unavailable(detail: "x"))
    #expect(await cache.fresh.attempt(.searchOffers) == .unavailable(detail: "x"))
  }

  @Test(arguments: [
    MarketplaceOperation.listInstances, .readInstance, .start, .stop, .destroy, .create, .registerKey, .registerWebhook,
    .attachKey, .charges, .priceIncreases, .answerPriceIncrease,
  ])
  func `what proves something or changes something is never answered from what is kept`(
    operation: MarketplaceOperation
  ) async {
    #expect(await layer.attempt(operation) == nil)
    fail(.unavailable(detail: "x"))
    #expect(await layer.attempt(operation) == .unavailable(detail: "x"))
    #expect(inner.count(operation) == 2)
  }

  @Test func `with the cache off there is nothing to fall back on`() async {
    let bare = ServingStale(Caching(inner, timeToLive: .zero, metrics: metrics, clock: clock)) { true }
    #expect(await bare.attempt(.searchOffers) == nil)
    fail(.unavailable(detail: "x"))
    #expect(await bare.attempt(.searchOffers) == .unavailable(detail: "x"))
    #expect(bare.peekOffers(OfferQuery()) == nil)
  }

  private func failure(of query: OfferQuery) async -> MarketplaceError? {
    do throws(MarketplaceError) {
      _ = try await layer.searchOffers(query)
      return nil
    } catch {
      return error
    }
  }
}
