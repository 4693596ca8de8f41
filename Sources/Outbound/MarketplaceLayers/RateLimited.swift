package import Domain

/// Makes every call wait for its turn, and its endpoint rest when Vast says "too soon".
package struct RateLimited: MarketplaceLayer {
  package let inner: any Marketplace
  private let limiter: RateLimiter
  private let maximumWait: Duration

  /// A call that would wait longer than `maximumWait` fails at once and says how long; zero lets nothing wait. A minute: some
  /// thirteen creates, and longer than any caller over HTTP stays.
  package init(_ inner: any Marketplace, limiter: RateLimiter, maximumWait: Duration = .seconds(60)) {
    self.inner = inner
    self.limiter = limiter
    self.maximumWait = maximumWait
  }

  package func around<Answer: Sendable>(
    _ operation: MarketplaceOperation, _ call: @Sendable () async throws(MarketplaceError) -> Answer
  ) async throws(MarketplaceError) -> Answer {
    try await limiter.turn(operation, maximumWait: maximumWait)
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
