import Domain
import Locking
import MarketplaceLayers
import Telemetry
import TestSupport
import Testing

/// All layers together, as the program puts them.
@Suite(.timeLimit(.minutes(1)))
struct StackTests {
  let clock = ManualClock()
  let metrics: Metrics
  let record: CallRecord

  init() {
    metrics = Metrics(version: "0", commit: "0")
    record = CallRecord(metrics: metrics, now: { Timestamp(seconds: 1000) })
  }

  private func stack(_ inner: ScriptedMarketplace, pacing: Double = 0) -> Caching {
    let limiter = RateLimiter(pacing: pacing, clock: clock) { [metrics] in
      metrics.vastRateLimitWait.increment(by: Int($0.microseconds) * 1000)
    }
    return Caching(
      Retrying(
        CircuitBreaking(
          RateLimited(Measured(inner, record: record), limiter: limiter), breaker: CircuitBreaker(clock: clock)),
        clock: clock, random: { $0.upperBound }),
      metrics: metrics, clock: clock)
  }

  /// Runs a call to its end, moving the clock over every wait.
  private func run(_ layer: Caching, _ operation: MarketplaceOperation) async -> MarketplaceError? {
    let isDone = Locked(false)
    let task = Task {
      let error = await layer.attempt(operation)
      isDone.withLock { $0 = true }
      return error
    }
    await eventually {
      clock.advance(by: clock.untilNextDeadline ?? .zero)
      return isDone.withLock { $0 }
    }
    return await task.value
  }

  @Test(arguments: MarketplaceError.all, [0.0, 1.0])
  func `a rental reaches Vast once, whatever it comes to`(error: MarketplaceError, pacing: Double) async {
    let inner = ScriptedMarketplace(failing: error)
    #expect(await run(stack(inner, pacing: pacing), .create) == error)
    #expect(inner.count(.create) == 1)
  }

  @Test func `a rental that works reaches Vast once`() async throws {
    let inner = ScriptedMarketplace()
    let order = RentalOrder(offerID: 1, label: "x", image: "i", diskGigabytes: 10)
    #expect(try await stack(inner).create(order) == MarketID(7))
    #expect(inner.count(.create) == 1)
  }

  @Test(arguments: MarketplaceOperation.allCases)
  func `every call passes through to its own kind`(operation: MarketplaceOperation) async {
    let inner = ScriptedMarketplace()
    #expect(await run(stack(inner), operation) == nil)
    for other in MarketplaceOperation.allCases { #expect(inner.count(other) == (other == operation ? 1 : 0)) }
  }

  @Test func `repetitions wait for their turn, and every failure is counted`() async {
    let inner = ScriptedMarketplace(failing: .unavailable(detail: "x"), times: 2)
    #expect(await run(stack(inner, pacing: 1), .searchOffers) == nil)
    #expect(inner.count(.searchOffers) == 3)
    #expect(metrics.vastErrors.counter("search_offers", "provider_unavailable").value == 2)
    // Two waits of 2.1 s for a turn, less the 0.5 s and 1 s of waiting to try again.
    #expect(metrics.vastRateLimitWait.value == 2_700_000_000)
  }

  @Test func `a limit that Vast sets is waited out once and not twice`() async {
    let inner = ScriptedMarketplace(failing: .rateLimited(retryAfter: .seconds(10)), times: 1)
    let start = clock.now
    #expect(await run(stack(inner, pacing: 1), .listInstances) == nil)
    #expect(start.duration(to: clock.now) == .milliseconds(10_500))
  }

  @Test func `sixty-four searches during an outage are one series of calls`() async {
    let inner = ScriptedMarketplace(failing: .unavailable(detail: "x"))
    let layer = stack(inner)
    let tasks = (0..<64).map { _ in Task.immediate { await layer.attempt(.searchOffers) } }
    let done = Locked(0)
    for task in tasks {
      Task {
        #expect(await task.value == .unavailable(detail: "x"))
        done.withLock { $0 += 1 }
      }
    }
    await eventually {
      clock.advance(by: clock.untilNextDeadline ?? .zero)
      return done.withLock { $0 } == 64
    }
    #expect(done.withLock { $0 } == 64)
    #expect(inner.count(.searchOffers) == 4)
  }

  @Test func `our own giving up is no error of Vast's`() async {
    let inner = ScriptedMarketplace(failing: .cancelled)
    _ = await stack(inner).attempt(.account)
    #expect(metrics.vastErrors.counter("account", "cancelled").value == 0)
  }

  @Test func `requests are counted by status, and those without an answer as errors`() {
    record.requestEnded(.listInstances, status: 200, duration: .milliseconds(120))
    record.requestEnded(.listInstances, status: 200, duration: .milliseconds(80))
    record.requestEnded(.listInstances, status: nil, duration: .seconds(30))
    #expect(metrics.vastRequests.counter("list_instances", "200").value == 2)
    #expect(metrics.vastRequests.counter("list_instances", "error").value == 1)
    #expect(record.status.latency == .milliseconds(80))
    let text = String(decoding: metrics.render(), as: UTF8.self)
    #expect(text.contains(#"vastai_request_duration_seconds_count{endpoint="list_instances"} 3"#))
  }

  // MARK: Health

  @Test(arguments: MarketplaceError.all) func `a clear no is a good answer, no answer is none`(error: MarketplaceError)
    async
  {
    _ = await Measured(ScriptedMarketplace(failing: error), record: record).attempt(.destroy)
    switch error {
    case .unauthorized, .unavailable, .unknownOutcome, .malformedAnswer:
      #expect(record.status.error?.code == error.code)
      #expect(record.status.lastSuccessAt == nil)
    case .rateLimited, .quotaExceeded, .circuitOpen, .cancelled:
      #expect(record.status == ProviderStatus())
    case .insufficientCredit, .offerTaken, .createdUnusable, .startQueued, .notFound, .refused:
      #expect(record.status == ProviderStatus(lastSuccessAt: Timestamp(seconds: 1000)))
    }
  }

  @Test func `a success ends an error`() async {
    let layer = Measured(ScriptedMarketplace(failing: .unavailable(detail: "x"), times: 1), record: record)
    _ = await layer.attempt(.searchOffers)
    #expect(record.status.error != nil)
    _ = await layer.attempt(.searchOffers)
    #expect(record.status.error == nil)
  }

  @Test func `a bad key is not made good by a call that needs none`() async {
    let layer = Measured(ScriptedMarketplace(failing: .unauthorized(detail: "x"), times: 1), record: record)
    _ = await layer.attempt(.account)
    _ = await Measured(ScriptedMarketplace(), record: record).attempt(.searchOffers)
    #expect(record.status.error?.code == "provider_unauthorized")
    _ = await layer.attempt(.account)
    #expect(record.status.error == nil)
  }
}
