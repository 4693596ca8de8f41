package import Domain
import Locking

/// Makes a call again that failed for a passing reason and that does no more when done twice. `create` goes through untouched.
///
/// Waits grow from half a second, doubling, up to 30 s, each drawn evenly from nothing up to that (full jitter), so that many
/// callers that failed together do not come back together. A pause that Vast asks for is kept besides.
package struct Retrying: MarketplaceLayer {
  package let inner: any Marketplace
  private let retries: Int
  private let waitsOutRateLimits: @Sendable () -> Bool
  private let timeline: Timeline
  private let random: @Sendable (ClosedRange<Double>) -> Double
  private let budget = RetryBudget()

  /// Shorter waits would meet the same overload again; most blips of a gateway are over by then.
  private static let firstWait = 0.5
  /// Nobody gains from a call that comes back after minutes; the next activation asks again.
  private static let longestWait = 30.0
  /// A longer `Retry-After` is for the caller to know and not for us to sleep through.
  private static let longestPause = Duration.seconds(60)

  /// `retries` is how often a call is made again at most. Where `waitsOutRateLimits` says no, a caller learns of a limit at
  /// once.
  package init(
    _ inner: any Marketplace, retries: Int = 3, waitsOutRateLimits: @escaping @Sendable () -> Bool = { true },
    clock: any Clock<Duration> = ContinuousClock(),
    random: @escaping @Sendable (ClosedRange<Double>) -> Double = { Double.random(in: $0) }
  ) {
    self.inner = inner
    self.retries = retries
    self.waitsOutRateLimits = waitsOutRateLimits
    timeline = Timeline(clock)
    self.random = random
  }

  package func around<Answer: Sendable>(
    _ operation: MarketplaceOperation, _ call: @Sendable () async throws(MarketplaceError) -> Answer
  ) async throws(MarketplaceError) -> Answer {
    guard operation.isRepeatable else { return try await call() }
    budget.deposit()
    var attempt = 0
    var earlier: MarketplaceError?
    while true {
      let failure: MarketplaceError
      do throws(MarketplaceError) { return try await call() } catch { failure = error }
      // A repetition that finds no turn hides why it was one.
      if case .rateLimited = failure, let earlier, !waitsOutRateLimits() { throw earlier }
      earlier = failure
      guard attempt < retries, let wait = wait(after: failure, attempt: attempt), budget.withdraw() else {
        throw failure
      }
      attempt += 1
      do { try await timeline.sleep(wait) } catch { throw .cancelled }
    }
  }

  /// Nil when the call should not be made again.
  private func wait(after failure: MarketplaceError, attempt: Int) -> Duration? {
    guard failure.isTransient else { return nil }
    // Waiting for a provider that is down is not for a call to do: others would wait behind it.
    if case .circuitOpen = failure { return nil }
    var limit = Self.firstWait
    for _ in 0..<attempt where limit < Self.longestWait { limit *= 2 }
    let jitter = Duration.seconds(random(0...min(limit, Self.longestWait)))
    guard case .rateLimited(let pause) = failure else { return jitter }
    guard waitsOutRateLimits(), (pause ?? .zero) <= Self.longestPause else { return nil }
    return (pause ?? .zero) + jitter
  }
}

/// Bounds what repeating adds to a provider that is down: one call in five, after a first handful.
///
/// Each call pays in a fifth and each repetition takes one out. Over a long outage the calls grow by a fifth and not fourfold.
private final class RetryBudget: Sendable {
  private static let share = 0.2
  /// Enough that a short blip is met with full force, in calls.
  private static let most = 10.0

  private let balance = Locked(most)

  func deposit() { balance.withLock { $0 = min(Self.most, $0 + Self.share) } }

  func withdraw() -> Bool {
    balance.withLock { balance in
      guard balance >= 1 else { return false }
      balance -= 1
      return true
    }
  }
}
