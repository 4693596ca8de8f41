import Domain
import Locking
import MarketplaceLayers
import Telemetry
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(1)))
struct CachingTests {
  let clock = ManualClock()
  let metrics = Metrics(version: "0", commit: "0")

  private func caching(_ inner: ScriptedMarketplace, timeToLive: Duration = .seconds(30)) -> Caching {
    Caching(inner, timeToLive: timeToLive, metrics: metrics, clock: clock)
  }

  private func looked(_ result: String) -> Int { metrics.vastCacheRequests.counter(result).value }

  private func query(_ number: Int) -> OfferQuery {
    var query = OfferQuery()
    query.gpuCount = number
    return query
  }

  @Test func `a search is answered from the cache until it is too old`() async throws {
    let inner = ScriptedMarketplace()
    let layer = caching(inner)
    let first = try await layer.searchOffers(OfferQuery())
    clock.advance(by: .seconds(29))
    #expect(try await layer.searchOffers(OfferQuery()) == first)
    #expect(inner.count(.searchOffers) == 1)
    clock.advance(by: .seconds(1))
    #expect(try await layer.searchOffers(OfferQuery()) != first)
    #expect(inner.count(.searchOffers) == 2)
    #expect(looked("hit") == 1)
    #expect(looked("miss") == 2)
  }

  @Test func `looking without asking finds what is fresh and nothing else`() async throws {
    let inner = ScriptedMarketplace()
    let layer = caching(inner)
    #expect(layer.cachedOffers(OfferQuery()) == nil)
    let listing = try await layer.searchOffers(OfferQuery())
    #expect(layer.cachedOffers(OfferQuery()) == listing)
    #expect(layer.cachedOffers(query(2)) == nil)
    clock.advance(by: .seconds(30))
    #expect(layer.cachedOffers(OfferQuery()) == nil)
    #expect(inner.count(.searchOffers) == 1)
  }

  @Test func `different searches have different answers`() async throws {
    let inner = ScriptedMarketplace()
    let layer = caching(inner)
    _ = try await layer.searchOffers(query(1))
    _ = try await layer.searchOffers(query(2))
    #expect(inner.count(.searchOffers) == 2)
  }

  @Test func `sixty-four who ask at once share one call`() async {
    let gate = Signal()
    let inner = ScriptedMarketplace { _, _ in await gate.wait(after: 0) }
    let layer = caching(inner)
    let tasks = (0..<64).map { _ in Task.immediate { await layer.attempt(.searchOffers) } }
    await eventually { looked("joined") == 63 }
    gate.raise()
    for task in tasks { #expect(await task.value == nil) }
    #expect(inner.count(.searchOffers) == 1)
    #expect(looked("miss") == 1)
  }

  @Test func `an error goes to all who waited and is not kept`() async {
    let gate = Signal()
    let inner = ScriptedMarketplace { _, call throws(MarketplaceError) in
      await gate.wait(after: 0)
      if call == 1 { throw .unavailable(detail: "x") }
    }
    let layer = caching(inner)
    let tasks = (0..<8).map { _ in Task.immediate { await layer.attempt(.searchOffers) } }
    await eventually { looked("joined") == 7 }
    gate.raise()
    for task in tasks { #expect(await task.value == .unavailable(detail: "x")) }
    #expect(layer.cachedOffers(OfferQuery()) == nil)
    #expect(await layer.attempt(.searchOffers) == nil)
    #expect(inner.count(.searchOffers) == 2)
  }

  @Test func `who came first may leave without harm to the others`() async {
    let gate = Signal()
    let inner = ScriptedMarketplace { _, _ throws(MarketplaceError) in
      await gate.wait(after: 0)
      if Task.isCancelled { throw .cancelled }
    }
    let layer = caching(inner)
    let first = Task.immediate { await layer.attempt(.searchOffers) }
    let second = Task.immediate { await layer.attempt(.searchOffers) }
    await eventually { looked("joined") == 1 }
    first.cancel()
    #expect(await first.value == .cancelled, "at once, with the call still under way")
    gate.raise()
    #expect(await second.value == nil)
    #expect(inner.count(.searchOffers) == 1)
  }

  @Test func `when everyone has left, the call is cancelled and the next one asks anew`() async {
    let wasCancelled = Locked(false)
    let gate = Signal()
    let inner = ScriptedMarketplace { _, call throws(MarketplaceError) in
      if call > 1 { return }
      await gate.wait(after: 0)
      wasCancelled.withLock { $0 = Task.isCancelled }
      throw .cancelled
    }
    let layer = caching(inner)
    let task = Task.immediate { await layer.attempt(.searchOffers) }
    await eventually { inner.count(.searchOffers) == 1 }
    task.cancel()
    #expect(await task.value == .cancelled)
    await eventually { wasCancelled.withLock { $0 } }
    #expect(wasCancelled.withLock { $0 })
    #expect(await layer.attempt(.searchOffers) == nil)
    #expect(inner.count(.searchOffers) == 2)
  }

  @Test func `a storm of searches, half of them cancelled, answers everyone`() async {
    let layer = caching(ScriptedMarketplace(), timeToLive: .zero)
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<500 {
        group.addTask {
          let task = Task { await layer.attempt(.searchOffers) }
          if number.isMultiple(of: 2) { task.cancel() }
          let error = await task.value
          #expect(error == nil || error == .cancelled)
          #expect(number.isMultiple(of: 2) || error == nil)
        }
      }
    }
  }

  @Test func `the least recently used search is dropped when there are too many`() async throws {
    let inner = ScriptedMarketplace()
    let layer = caching(inner)
    for number in 0..<256 { _ = try await layer.searchOffers(query(number)) }
    #expect(layer.cachedOffers(query(0)) != nil, "used just now")
    _ = try await layer.searchOffers(query(1000))
    #expect(layer.cachedOffers(query(0)) != nil)
    #expect(layer.cachedOffers(query(1)) == nil)
    #expect(layer.cachedOffers(query(1000)) != nil)
    #expect((0..<256).filter { layer.cachedOffers(query($0)) != nil }.count == 255)
  }

  @Test func `with no time to live nothing is kept`() async {
    let inner = ScriptedMarketplace()
    let layer = caching(inner, timeToLive: .zero)
    for _ in 0..<3 { #expect(await layer.attempt(.searchOffers) == nil) }
    #expect(inner.count(.searchOffers) == 3)
    #expect(layer.cachedOffers(OfferQuery()) == nil)
  }

  @Test func `what must be fresh is not answered from the cache`() async throws {
    let inner = ScriptedMarketplace()
    let layer = caching(inner)
    let cached = try await layer.searchOffers(OfferQuery())
    #expect(try await layer.fresh.searchOffers(OfferQuery()) != cached)
    #expect(inner.count(.searchOffers) == 2)
  }

  @Test func `names are kept for an hour and the account for a minute`() async {
    let inner = ScriptedMarketplace()
    let layer = caching(inner)
    for _ in 0..<2 {
      #expect(await layer.attempt(.gpuNames) == nil)
      #expect(await layer.attempt(.account) == nil)
    }
    clock.advance(by: .seconds(60))
    #expect(await layer.attempt(.gpuNames) == nil)
    #expect(await layer.attempt(.account) == nil)
    #expect(inner.count(.gpuNames) == 1)
    #expect(inner.count(.account) == 2)
    clock.advance(by: .seconds(3540))
    #expect(await layer.attempt(.gpuNames) == nil)
    #expect(inner.count(.gpuNames) == 2)
  }

  @Test(arguments: [
    MarketplaceOperation.listInstances, .readInstance, .start, .stop, .destroy, .create, .registerKey, .registerWebhook,
    .attachKey, .charges, .priceIncreases, .answerPriceIncrease,
  ])
  func `what must be true now is asked every time`(operation: MarketplaceOperation) async {
    let inner = ScriptedMarketplace()
    let layer = caching(inner)
    for _ in 0..<3 { #expect(await layer.attempt(operation) == nil) }
    #expect(inner.count(operation) == 3)
  }

  @Test func `a list under way is not shared with who comes later`() async {
    let gate = Signal()
    let inner = ScriptedMarketplace { _, _ in await gate.wait(after: 0) }
    let layer = caching(inner)
    let tasks = (0..<5).map { _ in Task.immediate { await layer.attempt(.listInstances) } }
    await eventually { inner.count(.listInstances) == 5 }
    gate.raise()
    for task in tasks { #expect(await task.value == nil) }
    #expect(inner.count(.listInstances) == 5)
  }

  @Test(
    arguments: [
      nil, .offerTaken(offerID: 1), .createdUnusable(id: MarketID(9), reason: "r"), .unknownOutcome(detail: "d"),
    ] as [MarketplaceError?])
  func `an offer that is gone leaves the kept listings`(outcome: MarketplaceError?) async throws {
    let inner = ScriptedMarketplace { operation, _ throws(MarketplaceError) in
      if operation == .create, let outcome { throw outcome }
    }
    let layer = caching(inner)
    _ = try await layer.searchOffers(OfferQuery())
    #expect(await layer.attempt(.create) == outcome)
    #expect(layer.cachedOffers(OfferQuery())?.offers.map(\.id) == [2])
  }

  @Test func `an offer that was not rented for want of money stays`() async throws {
    let inner = ScriptedMarketplace { operation, _ throws(MarketplaceError) in
      if operation == .create { throw .insufficientCredit(detail: "d") }
    }
    let layer = caching(inner)
    _ = try await layer.searchOffers(OfferQuery())
    _ = await layer.attempt(.create)
    #expect(layer.cachedOffers(OfferQuery())?.offers.map(\.id) == [1, 2])
  }
}
