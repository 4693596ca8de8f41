import Domain
import Locking
import MarketplaceLayers
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(1)))
struct RateLimitedTests {
  let clock = ManualClock()

  /// The least time between two calls that the table and its margin come to.
  private static let createInterval = Duration.milliseconds(4600)
  private static let searchInterval = Duration.milliseconds(2100)

  private func limited(
    _ inner: ScriptedMarketplace, pacing: Double = 1, maximumWait: Duration = .seconds(60)
  ) -> RateLimited {
    RateLimited(inner, limiter: RateLimiter(pacing: pacing, clock: clock), maximumWait: maximumWait)
  }

  @Test func `a first call does not wait, a second waits for the interval`() async {
    let inner = ScriptedMarketplace()
    let layer = limited(inner)
    #expect(await layer.attempt(.create) == nil)
    let second = Task { await layer.attempt(.create) }
    await clock.sleepers(1)
    #expect(clock.untilNextDeadline == Self.createInterval)
    #expect(inner.count(.create) == 1)
    clock.advance(by: Self.createInterval)
    #expect(await second.value == nil)
    #expect(inner.count(.create) == 2)
  }

  @Test func `endpoints do not wait for each other`() async {
    let inner = ScriptedMarketplace()
    let layer = limited(inner)
    for operation in MarketplaceOperation.allCases { #expect(await layer.attempt(operation) == nil) }
    #expect(clock.sleeperCount == 0)
  }

  @Test func `a pause between two calls that is long enough costs no wait`() async {
    let layer = limited(ScriptedMarketplace())
    #expect(await layer.attempt(.create) == nil)
    clock.advance(by: Self.createInterval)
    #expect(await layer.attempt(.create) == nil)
    #expect(clock.sleeperCount == 0)
  }

  @Test func `pacing scales the intervals, and nothing is no pacing`() async {
    let half = limited(ScriptedMarketplace(), pacing: 0.5)
    _ = await half.attempt(.create)
    let second = Task { await half.attempt(.create) }
    await clock.sleepers(1)
    #expect(clock.untilNextDeadline == Self.createInterval / 2)
    clock.advance(by: Self.createInterval / 2)
    _ = await second.value

    let none = limited(ScriptedMarketplace(), pacing: 0)
    for _ in 0..<50 { #expect(await none.attempt(.create) == nil) }
    #expect(clock.sleeperCount == 0)
  }

  @Test func `callers get their turns in the order of their coming, one interval apart`() async throws {
    let order = Locked<[Int]>([])
    let limiter = RateLimiter(clock: clock)
    try await limiter.turn(.searchOffers, maximumWait: .zero)
    // An immediate task runs up to its first wait before the next is made: the first as head, the others in line.
    let tasks = (0..<10).map { number in
      Task.immediate {
        try await limiter.turn(.searchOffers, maximumWait: .seconds(60))
        order.withLock { $0.append(number) }
      }
    }
    for task in tasks {
      await clock.sleepers(1)
      #expect(clock.untilNextDeadline == Self.searchInterval)
      clock.advance(by: Self.searchInterval)
      try await task.value
    }
    #expect(order.withLock { $0 } == Array(0..<10))
  }

  @Test func `a call that would wait too long is told at once how long`() async {
    let inner = ScriptedMarketplace()
    let layer = limited(inner, maximumWait: .seconds(4))
    _ = await layer.attempt(.create)
    #expect(await layer.attempt(.create) == .rateLimited(retryAfter: Self.createInterval))
    #expect(inner.count(.create) == 1)
    #expect(clock.sleeperCount == 0)
  }

  @Test func `those in line count for how long a newcomer would wait`() async {
    let limiter = RateLimiter(clock: clock)
    let layer = RateLimited(ScriptedMarketplace(), limiter: limiter, maximumWait: .seconds(5))
    _ = await layer.attempt(.searchOffers)
    let tasks = (0..<2).map { _ in Task.immediate { await layer.attempt(.searchOffers) } }
    await clock.sleepers(1)
    #expect(await layer.attempt(.searchOffers) == .rateLimited(retryAfter: Self.searchInterval * 3))
    for task in tasks {
      await clock.sleepers(1)
      clock.advance(by: Self.searchInterval)
      #expect(await task.value == nil)
    }
  }

  @Test func `with no wait allowed only a free endpoint is called`() async {
    let layer = limited(ScriptedMarketplace(), maximumWait: .zero)
    #expect(await layer.attempt(.destroy) == nil)
    #expect(await layer.attempt(.destroy)?.code == "rate_limited")
  }

  @Test func `a further page waits where a new call would be refused`() async throws {
    let limiter = RateLimiter(clock: clock)
    try await limiter.turn(.listInstances, maximumWait: .zero)
    let page = Task { try await limiter.furtherTurn(.listInstances) }
    await clock.sleepers(1)
    clock.advance(by: .seconds(2))
    try await page.value
  }

  // MARK: Too soon

  @Test func `an endpoint that asks for a pause gets it`() async {
    let inner = ScriptedMarketplace(failing: .rateLimited(retryAfter: .seconds(20)), times: 1)
    let layer = limited(inner)
    #expect(await layer.attempt(.listInstances) == .rateLimited(retryAfter: .seconds(20)))
    let next = Task { await layer.attempt(.listInstances) }
    await clock.sleepers(1)
    #expect(clock.untilNextDeadline == .seconds(20))
    clock.advance(by: .seconds(20))
    #expect(await next.value == nil)
  }

  @Test func `a create that came too soon rests for twelve seconds, and longer each time`() async {
    let inner = ScriptedMarketplace(failing: .rateLimited(retryAfter: nil), times: 4)
    let layer = limited(inner)
    var holds: [Duration] = []
    #expect(await layer.attempt(.create) != nil)
    for _ in 0..<4 {
      let next = Task { await layer.attempt(.create) }
      await clock.sleepers(1)
      let hold = clock.untilNextDeadline ?? .zero
      holds.append(hold)
      clock.advance(by: hold)
      _ = await next.value
    }
    #expect(holds == [.seconds(12), .seconds(24), .seconds(48), .seconds(60)])
    // The last one succeeded, and all is forgotten.
    let next = Task { await layer.attempt(.create) }
    await clock.sleepers(1)
    #expect(clock.untilNextDeadline == Self.createInterval)
    next.cancel()
    #expect(await next.value == .cancelled)
  }

  @Test func `a pause that comes while others wait is kept by them too`() async {
    let gate = Signal()
    let inner = ScriptedMarketplace { _, call throws(MarketplaceError) in
      if call == 1 {
        await gate.wait(after: 0)
        throw .rateLimited(retryAfter: .seconds(30))
      }
    }
    let layer = limited(inner)
    let first = Task.immediate { await layer.attempt(.searchOffers) }
    let second = Task.immediate { await layer.attempt(.searchOffers) }
    await clock.sleepers(1)
    gate.raise()
    #expect(await first.value == .rateLimited(retryAfter: .seconds(30)))
    clock.advance(by: Self.searchInterval)
    await clock.sleepers(1)
    #expect(inner.count(.searchOffers) == 1)
    clock.advance(by: .seconds(30) - Self.searchInterval)
    #expect(await second.value == nil)
  }

  @Test func `who waits beyond its limit because of a pause is told so`() async {
    let gate = Signal()
    let inner = ScriptedMarketplace { _, call throws(MarketplaceError) in
      if call == 1 {
        await gate.wait(after: 0)
        throw .rateLimited(retryAfter: .seconds(300))
      }
    }
    let layer = limited(inner)
    let first = Task.immediate { await layer.attempt(.searchOffers) }
    let second = Task.immediate { await layer.attempt(.searchOffers) }
    await clock.sleepers(1)
    gate.raise()
    _ = await first.value
    clock.advance(by: Self.searchInterval)
    #expect(await second.value == .rateLimited(retryAfter: .seconds(300) - Self.searchInterval))
  }

  @Test func `no pause holds an endpoint for more than an hour`() async {
    let inner = ScriptedMarketplace(failing: .rateLimited(retryAfter: .seconds(1_000_000)), times: 1)
    let layer = limited(inner)
    _ = await layer.attempt(.destroy)
    #expect(await layer.attempt(.destroy) == .rateLimited(retryAfter: .seconds(3600)))
    clock.advance(by: .seconds(3600))
    #expect(await layer.attempt(.destroy) == nil)
  }

  @Test func `a used-up quota is not asked about until it ends`() async {
    let inner = ScriptedMarketplace(failing: .quotaExceeded(retryAfter: .seconds(19_200)), times: 1)
    let layer = limited(inner)
    _ = await layer.attempt(.searchOffers)
    clock.advance(by: .seconds(200))
    #expect(await layer.attempt(.searchOffers) == .quotaExceeded(retryAfter: .seconds(19_000)))
    #expect(inner.count(.searchOffers) == 1)
    clock.advance(by: .seconds(19_000))
    #expect(await layer.attempt(.searchOffers) == nil)
  }

  @Test func `a used-up quota that does not say how long ends a minute after midnight`() async {
    // It is 08:00:00 UTC by the tests' limiter.
    let inner = ScriptedMarketplace { operation, call throws(MarketplaceError) in
      if operation == .searchOffers, call == 1 { throw .quotaExceeded(retryAfter: nil) }
    }
    let layer = limited(inner)
    _ = await layer.attempt(.searchOffers)
    #expect(await layer.attempt(.searchOffers) == .quotaExceeded(retryAfter: .seconds(16 * 3600 + 60)))
    #expect(await layer.attempt(.listInstances) == nil, "only searches have one")
    clock.advance(by: .seconds(16 * 3600 + 59))
    #expect(await layer.attempt(.searchOffers) == .quotaExceeded(retryAfter: .seconds(1)))
    #expect(inner.count(.searchOffers) == 1)
    clock.advance(by: .seconds(1))
    #expect(await layer.attempt(.searchOffers) == nil)
  }

  @Test func `a quota that is still used up after midnight is looked at now and then, not tomorrow`() async {
    let inner = ScriptedMarketplace(failing: .quotaExceeded(retryAfter: nil), times: 2)
    let layer = limited(inner)
    _ = await layer.attempt(.searchOffers)
    clock.advance(by: .seconds(16 * 3600 + 60))
    _ = await layer.attempt(.searchOffers)
    #expect(await layer.attempt(.searchOffers) == .quotaExceeded(retryAfter: .seconds(900)))
    #expect(inner.count(.searchOffers) == 2)
  }

  @Test func `no quota lasts longer than a day`() async {
    let inner = ScriptedMarketplace(failing: .quotaExceeded(retryAfter: .seconds(1_000_000)), times: 1)
    let layer = limited(inner)
    _ = await layer.attempt(.searchOffers)
    #expect(await layer.attempt(.searchOffers) == .quotaExceeded(retryAfter: .seconds(86_400)))
  }

  // MARK: Turning away

  @Test func `with reject a caller is told at once when to come, while a loop in the same lane waits`() async {
    let limiter = RateLimiter(clock: clock)
    let mode = Locked(RateLimitMode.reject)
    let inner = ScriptedMarketplace()
    let callers = RateLimited(inner, limiter: limiter) { mode.withLock { $0 } }
    let loops = RateLimited(inner, limiter: limiter)
    #expect(await callers.attempt(.searchOffers) == nil)
    #expect(await callers.attempt(.searchOffers) == .rateLimited(retryAfter: .milliseconds(2100)))
    let loop = Task.immediate { await loops.attempt(.searchOffers) }
    await clock.sleepers(1)
    #expect(await callers.attempt(.searchOffers) == .rateLimited(retryAfter: .milliseconds(4200)), "behind the loop")
    mode.withLock { $0 = .queue }
    let caller = Task.immediate { await callers.attempt(.searchOffers) }
    clock.advance(by: .milliseconds(2100))
    #expect(await loop.value == nil)
    await clock.sleepers(1)
    clock.advance(by: .milliseconds(2100))
    #expect(await caller.value == nil, "the mode is asked at each call")
    #expect(inner.count(.searchOffers) == 3)
  }

  // MARK: Giving up

  @Test func `cancelling takes a caller out of the line and the others keep their places`() async {
    let limiter = RateLimiter(clock: clock)
    let layer = RateLimited(ScriptedMarketplace(), limiter: limiter)
    _ = await layer.attempt(.searchOffers)
    let tasks = (0..<3).map { _ in Task.immediate { await layer.attempt(.searchOffers) } }
    await clock.sleepers(1)
    tasks[1].cancel()
    #expect(await tasks[1].value == .cancelled)
    for number in [0, 2] {
      await clock.sleepers(1)
      clock.advance(by: Self.searchInterval)
      #expect(await tasks[number].value == nil)
    }
    #expect(clock.sleeperCount == 0)
  }

  @Test func `cancelling the one whose turn is next lets the next one come`() async {
    let inner = ScriptedMarketplace()
    let layer = limited(inner)
    _ = await layer.attempt(.searchOffers)
    let tasks = (0..<2).map { _ in Task.immediate { await layer.attempt(.searchOffers) } }
    await clock.sleepers(1)
    tasks[0].cancel()
    #expect(await tasks[0].value == .cancelled)
    await clock.sleepers(1)
    clock.advance(by: Self.searchInterval)
    #expect(await tasks[1].value == nil)
    #expect(inner.count(.searchOffers) == 2)
  }

  @Test func `the time of waiting is told`() async {
    let waits = Locked<[Duration]>([])
    let limiter = RateLimiter(clock: clock) { wait in waits.withLock { $0.append(wait) } }
    let layer = RateLimited(ScriptedMarketplace(), limiter: limiter)
    _ = await layer.attempt(.searchOffers)
    let second = Task { await layer.attempt(.searchOffers) }
    await clock.sleepers(1)
    clock.advance(by: Self.searchInterval)
    _ = await second.value
    #expect(waits.withLock { $0 } == [.zero, Self.searchInterval])
  }

  @Test func `a storm of callers, half of them cancelled, leaves the line empty and the order of time kept`() async {
    let inner = ScriptedMarketplace()
    let layer = limited(inner, pacing: 0)
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<500 {
        group.addTask {
          let task = Task { await layer.attempt(.searchOffers) }
          if number.isMultiple(of: 2) { task.cancel() }
          let error = await task.value
          #expect(error == nil || error == .cancelled)
        }
      }
    }
    #expect(await layer.attempt(.searchOffers) == nil)
    #expect(inner.count(.searchOffers) >= 251)
  }
}
