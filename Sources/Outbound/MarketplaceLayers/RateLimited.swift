package import Domain

/// Makes every call wait for its turn, and its endpoint rest when Vast says "too soon". Turns are given in the order of coming,
/// whoever asks; with `reject` who would have to wait is told how long instead.
package struct RateLimited: MarketplaceLayer {
  package let inner: any Marketplace
  private let limiter: RateLimiter
  private let maximumWait: @Sendable () -> Duration

  /// Some thirteen creates, and longer than any caller over HTTP stays.
  private static let patience = Duration.seconds(60)

  /// A call that would wait longer than `maximumWait` fails at once and says how long; zero lets nothing wait.
  package init(_ inner: any Marketplace, limiter: RateLimiter, maximumWait: Duration = .seconds(60)) {
    self.inner = inner
    self.limiter = limiter
    self.maximumWait = { maximumWait }
  }

  /// For callers, who may be told to come again; `mode` is asked at each call.
  package init(_ inner: any Marketplace, limiter: RateLimiter, mode: @escaping @Sendable () -> RateLimitMode) {
    self.inner = inner
    self.limiter = limiter
    maximumWait = { mode() == .reject ? .zero : Self.patience }
  }

  package func around<Answer: Sendable>(
    _ operation: MarketplaceOperation, _ call: @Sendable () async throws(MarketplaceError) -> Answer
  ) async throws(MarketplaceError) -> Answer {
    try await limiter.turn(operation, maximumWait: maximumWait())
    do {
      let answer = try await call()
      limiter.note(nil, of: operation)
      return answer
    } catch {
      limiter.note(error, of: operation)
      throw error
    }
  }
}
