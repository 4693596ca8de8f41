import Domain
import Locking
import MarketplaceLayers
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(1)))
struct RetryingTests {
  let clock = ManualClock()

  /// Waits as long as it may each time: the upper end of the jitter.
  private func retrying(
    _ inner: ScriptedMarketplace, retries: Int = 3, waitsOutRateLimits: Bool = true
  ) -> Retrying {
    Retrying(inner, retries: retries, waitsOutRateLimits: { waitsOutRateLimits }, clock: clock) { $0.upperBound }
  }

  /// Runs the call to its end, moving the clock over each wait; gives back the waits.
  private func run(_ layer: Retrying, _ operation: MarketplaceOperation) async -> ([Duration], MarketplaceError?) {
    let isDone = Locked(false)
    let waits = Locked<[Duration]>([])
    let task = Task {
      let error = await layer.attempt(operation)
      isDone.withLock { $0 = true }
      return error
    }
    await eventually {
      if let wait = clock.untilNextDeadline {
        waits.withLock { $0.append(wait) }
        clock.advance(by: wait)
      }
      return isDone.withLock { $0 }
    }
    return (waits.withLock { $0 }, await task.value)
  }

  @Test func `a call that fails for a passing reason is made again, with growing waits`() async {
    let inner = ScriptedMarketplace(failing: .unavailable(detail: "x"), times: 3)
    let (waits, error) = await run(retrying(inner), .searchOffers)
    #expect(error == nil)
    #expect(inner.count(.searchOffers) == 4)
    #expect(waits == [.milliseconds(500), .seconds(1), .seconds(2)])
  }

  @Test func `the last failure comes out when nothing helps`() async {
    let inner = ScriptedMarketplace(failing: .unavailable(detail: "x"))
    let (_, error) = await run(retrying(inner), .account)
    #expect(error == .unavailable(detail: "x"))
    #expect(inner.count(.account) == 4)
  }

  @Test func `no wait is longer than half a minute`() async {
    let inner = ScriptedMarketplace(failing: .unavailable(detail: "x"))
    let (waits, _) = await run(retrying(inner, retries: 9), .account)
    #expect(waits.count == 9)
    #expect(waits.max() == .seconds(30))
  }

  @Test func `waits are drawn from nothing up to the limit`() async {
    let ranges = Locked<[ClosedRange<Double>]>([])
    let inner = ScriptedMarketplace(failing: .unavailable(detail: "x"))
    let layer = Retrying(inner, retries: 2, clock: clock) { range in
      ranges.withLock { $0.append(range) }
      return 0
    }
    _ = await run(layer, .account)
    #expect(ranges.withLock { $0 } == [0...0.5, 0...1])
  }

  @Test(arguments: MarketplaceError.all) func `a rental is made once, whatever it comes to`(error: MarketplaceError)
    async
  {
    let inner = ScriptedMarketplace(failing: error)
    #expect(await retrying(inner).attempt(.create) == error)
    #expect(inner.count(.create) == 1)
  }

  @Test(arguments: MarketplaceError.all)
  func `a price increase is answered once, so that what comes of it is known or known to be unknown`(
    error: MarketplaceError
  ) async {
    let inner = ScriptedMarketplace(failing: error)
    #expect(await retrying(inner).attempt(.answerPriceIncrease) == error)
    #expect(inner.count(.answerPriceIncrease) == 1)
  }

  @Test(arguments: MarketplaceError.all.filter { !$0.isTransient })
  func `a failure that will not pass is told at once`(error: MarketplaceError) async {
    for operation in MarketplaceOperation.allCases {
      let inner = ScriptedMarketplace(failing: error)
      #expect(await retrying(inner).attempt(operation) == error)
      #expect(inner.count(operation) == 1)
    }
  }

  @Test func `nobody waits for a provider that is left alone`() async {
    let inner = ScriptedMarketplace(failing: .circuitOpen(retryAfter: .seconds(1)))
    #expect(await retrying(inner).attempt(.account) == .circuitOpen(retryAfter: .seconds(1)))
    #expect(inner.count(.account) == 1)
  }

  @Test(
    arguments: MarketplaceOperation.allCases.filter(\.isRepeatable),
    MarketplaceError.all.filter { $0.isTransient && $0.code != "provider_circuit_open" })
  func `what may be repeated is repeated after any passing failure`(
    operation: MarketplaceOperation, error: MarketplaceError
  ) async {
    let inner = ScriptedMarketplace(failing: error, times: 1)
    let (_, outcome) = await run(retrying(inner), operation)
    #expect(outcome == nil)
    #expect(inner.count(operation) == 2)
  }

  @Test func `a pause that is asked for is kept, and the jitter comes on top`() async {
    let inner = ScriptedMarketplace(failing: .rateLimited(retryAfter: .seconds(7)), times: 1)
    let (waits, error) = await run(retrying(inner), .listInstances)
    #expect(error == nil)
    #expect(waits == [.milliseconds(7500)])
  }

  @Test func `a pause of more than a minute is for the caller to know`() async {
    let limit = MarketplaceError.rateLimited(retryAfter: .seconds(61))
    let inner = ScriptedMarketplace(failing: limit)
    #expect(await retrying(inner).attempt(.listInstances) == limit)
    #expect(inner.count(.listInstances) == 1)
  }

  @Test func `limits are told at once where that is wanted`() async {
    for limit in [MarketplaceError.rateLimited(retryAfter: .seconds(1)), .rateLimited(retryAfter: nil)] {
      let inner = ScriptedMarketplace(failing: limit)
      #expect(await retrying(inner, waitsOutRateLimits: false).attempt(.listInstances) == limit)
      #expect(inner.count(.listInstances) == 1)
    }
  }

  @Test func `a repetition that finds no turn tells what failed before and not that it came too soon`() async {
    let inner = ScriptedMarketplace { _, call throws(MarketplaceError) in
      throw call == 1 ? .unavailable(detail: "x") : .rateLimited(retryAfter: .seconds(2))
    }
    let (_, error) = await run(retrying(inner, waitsOutRateLimits: false), .account)
    #expect(error == .unavailable(detail: "x"))
    #expect(inner.count(.account) == 2)
  }

  @Test func `cancelling ends a wait`() async {
    let inner = ScriptedMarketplace(failing: .unavailable(detail: "x"))
    let layer = retrying(inner)
    let task = Task { await layer.attempt(.destroy) }
    await clock.sleepers(1)
    task.cancel()
    #expect(await task.value == .cancelled)
    #expect(inner.count(.destroy) == 1)
  }

  @Test func `without retries a call is made once`() async {
    let inner = ScriptedMarketplace(failing: .unavailable(detail: "x"))
    #expect(await retrying(inner, retries: 0).attempt(.account) == .unavailable(detail: "x"))
    #expect(inner.count(.account) == 1)
  }

  @Test func `a long outage is not met with three more calls for each`() async {
    let inner = ScriptedMarketplace(failing: .unavailable(detail: "x"))
    let layer = Retrying(inner, retries: 3, clock: clock) { _ in 0 }
    for _ in 0..<100 { _ = await layer.attempt(.account) }
    // A hundred calls, ten repetitions at first, and one for every fifth call.
    #expect(inner.count(.account) <= 131)
    #expect(inner.count(.account) >= 125)
  }

  @Test func `after an outage the budget fills again`() async {
    let inner = ScriptedMarketplace { _, call throws(MarketplaceError) in
      if call <= 60 || call == 200 { throw .unavailable(detail: "x") }
    }
    let layer = Retrying(inner, retries: 3, clock: clock) { _ in 0 }
    while inner.count(.account) < 199 { _ = await layer.attempt(.account) }
    #expect(await layer.attempt(.account) == nil)
    #expect(inner.count(.account) == 201)
  }
}
