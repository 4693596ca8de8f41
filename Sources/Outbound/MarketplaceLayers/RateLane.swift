import Domain
import Locking

/// The turns of one endpoint.
///
/// At most one caller is the head: it sleeps until the endpoint is free, takes the turn and makes the next in line the head. A
/// hold that comes while it sleeps moves the time on, and it sleeps again. Whoever is cancelled leaves the line at once.
final class RateLane: Sendable {
  private struct State {
    /// When the next call may be made.
    var freeAt = Duration.zero
    /// Until when the day's quota is used up.
    var quotaEndsAt: Duration?
    /// When a used-up quota was last thought to be over.
    var quotaEndedAt: Duration?
    /// How often in a row Vast said "too soon".
    var strikes = 0
    var hasHead = false
    var line: [(id: UInt64, continuation: CheckedContinuation<Bool, Never>)] = []
    var lastID: UInt64 = 0
  }

  private let interval: Duration
  private let penalty: Duration
  private let timeline: Timeline
  private let now: @Sendable () -> Timestamp
  private let waited: @Sendable (Duration) -> Void
  private let state = Locked(State())

  /// Callers in line, so that a held endpoint cannot gather them without end. Beyond a few hundred each waits many minutes.
  private static let longestLine = 512
  /// A hold without a number doubles up to this.
  private static let longestPenalty = Duration.seconds(60)
  /// However long a `Retry-After` is: an hour from now somebody may look again.
  private static let longestHold = Duration.seconds(3600)
  /// A quota is one of a day: whatever is said, tomorrow somebody may look again.
  private static let longestQuota = Duration.seconds(86_400)
  /// A used-up quota that does not say how long ends at 00:00 UTC; by so much our clock and Vast's may differ.
  private static let midnightMargin = Duration.seconds(60)
  /// When it is used up again so shortly after its end, the clocks differ by more, and a whole day more would be too long:
  /// looking now and then costs little.
  private static let quotaPause = Duration.seconds(900)

  init(
    interval: Duration, penalty: Duration, timeline: Timeline, now: @escaping @Sendable () -> Timestamp,
    waited: @escaping @Sendable (Duration) -> Void
  ) {
    self.interval = interval
    self.penalty = penalty
    self.timeline = timeline
    self.now = now
    self.waited = waited
  }

  func turn(maximumWait: Duration) async throws(MarketplaceError) {
    let arrival = timeline.elapsed()
    try await becomeHead(at: arrival, maximumWait: maximumWait)
    defer { passOn() }
    while true {
      if Task.isCancelled { throw .cancelled }
      let now = timeline.elapsed()
      let wait = try state.withLock { state throws(MarketplaceError) in
        try Self.checkQuota(&state, now)
        if state.freeAt > now { return state.freeAt - now }
        state.freeAt = now + interval
        return .zero
      }
      if wait == .zero { return waited(now - arrival) }
      if now + wait > arrival + maximumWait { throw .rateLimited(retryAfter: wait) }
      do { try await timeline.sleep(wait) } catch { throw .cancelled }
    }
  }

  /// Learns from how a call ended.
  func note(_ failure: MarketplaceError?) {
    let now = timeline.elapsed()
    state.withLock { state in
      switch failure {
      case .rateLimited(let pause):
        state.strikes += 1
        // Doubled for each time in a row: 64 times is beyond any limit below.
        let doubled = penalty * (1 << min(state.strikes - 1, 6))
        let hold = pause.map { min($0, Self.longestHold) } ?? min(doubled, Self.longestPenalty)
        state.freeAt = max(state.freeAt, now + hold)
      case .quotaExceeded(let pause):
        state.quotaEndsAt = now + min(pause ?? untilReset(state, now), Self.longestQuota)
      case nil:
        state.strikes = 0
      case .some:
        break
      }
    }
  }

  private func untilReset(_ state: State, _ now: Duration) -> Duration {
    if let end = state.quotaEndedAt, now - end < Self.quotaPause { return Self.quotaPause }
    let time = self.now()
    return time.nextMidnight - time + Self.midnightMargin
  }

  // MARK: The line

  private func becomeHead(at now: Duration, maximumWait: Duration) async throws(MarketplaceError) {
    let id = try state.withLock { state throws(MarketplaceError) -> UInt64? in
      try Self.checkQuota(&state, now)
      let ahead = state.line.count + (state.hasHead ? 1 : 0)
      let wait = max(.zero, state.freeAt - now) + interval * ahead
      guard wait <= maximumWait, state.line.count < Self.longestLine else { throw .rateLimited(retryAfter: wait) }
      if !state.hasHead {
        state.hasHead = true
        return nil
      }
      state.lastID += 1
      return state.lastID
    }
    if let id, await !queue(id) { throw .cancelled }
  }

  /// Waits in line; false when cancelled there.
  private func queue(_ id: UInt64) async -> Bool {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isHead = state.withLock { state in
          // The head may have left since we looked.
          if !state.hasHead {
            state.hasHead = true
            return true
          }
          state.line.append((id, continuation))
          return false
        }
        if isHead { return continuation.resume(returning: true) }
        // A cancellation before we stood in line found nobody to take out.
        if Task.isCancelled { leave(id) }
      }
    } onCancel: {
      leave(id)
    }
  }

  private func leave(_ id: UInt64) {
    let continuation = state.withLock { state in
      state.line.firstIndex { $0.id == id }.map { state.line.remove(at: $0).continuation }
    }
    continuation?.resume(returning: false)
  }

  private func passOn() {
    let next = state.withLock { state in
      if state.line.isEmpty {
        state.hasHead = false
        return nil as CheckedContinuation<Bool, Never>?
      }
      return state.line.removeFirst().continuation
    }
    next?.resume(returning: true)
  }

  private static func checkQuota(_ state: inout State, _ now: Duration) throws(MarketplaceError) {
    guard let end = state.quotaEndsAt else { return }
    if end > now { throw .quotaExceeded(retryAfter: end - now) }
    state.quotaEndsAt = nil
    state.quotaEndedAt = end
  }
}
