package import Domain

/// One budget of calls for the whole process: a lane for each endpoint, in which callers take turns in the order of their
/// coming, as far apart as Vast wants them.
package final class RateLimiter: Sendable {
  private let lanes: [MarketplaceOperation: RateLane]

  /// - Parameters:
  ///   - pacing: scales the intervals: 1 is what Vast asks for, 0 is no pacing and only for a simulator.
  ///   - now: the time of day, by which a daily quota ends.
  ///   - waited: told how long each call has waited for its turn.
  package init(
    pacing: Double = 1, clock: any Clock<Duration> = ContinuousClock(), now: @escaping @Sendable () -> Timestamp,
    waited: @escaping @Sendable (Duration) -> Void = { _ in }
  ) {
    let timeline = Timeline(clock)
    let pacing = max(0, pacing)
    lanes = Dictionary(
      uniqueKeysWithValues: MarketplaceOperation.allCases.map { operation in
        (
          operation,
          RateLane(
            interval: operation.minimumInterval.scaled(pacing, margin: .milliseconds(100)),
            penalty: operation.penalty.scaled(pacing, margin: .zero), timeline: timeline, now: now,
            waited: waited)
        )
      })
  }

  /// Returns when the call may be made. `rateLimited` at once when that would take longer than `maximumWait`,
  /// `quotaExceeded` while the day's quota is used up, `cancelled`.
  package func turn(_ operation: MarketplaceOperation, maximumWait: Duration) async throws(MarketplaceError) {
    try await lane(operation).turn(maximumWait: maximumWait)
  }

  /// For a further request of an operation under way, such as the next page of a list: waits however long it takes, since
  /// giving up now would waste the pages before it.
  package func furtherTurn(_ operation: MarketplaceOperation) async throws(MarketplaceError) {
    try await lane(operation).turn(maximumWait: .seconds(3600))
  }

  /// Learns from how a call ended; nil is a success.
  func note(_ failure: MarketplaceError?, of operation: MarketplaceOperation) {
    lane(operation).note(failure)
  }

  private func lane(_ operation: MarketplaceOperation) -> RateLane {
    guard let lane = lanes[operation] else { preconditionFailure("every operation has a lane") }
    return lane
  }
}

extension Duration {
  /// Two calls that leave here a whole interval apart can arrive there closer; `margin` makes up for that.
  fileprivate func scaled(_ pacing: Double, margin: Duration) -> Duration { (self + margin) * pacing }
}
