import Locking

/// A clock as two plain functions: how far it is, and waiting. An `any Clock` gives moments that cannot be compared.
struct Timeline: Sendable {
  /// Since the timeline was made.
  let elapsed: @Sendable () -> Duration
  let sleep: @Sendable (Duration) async throws -> Void

  init(_ clock: some Clock<Duration>) {
    let start = clock.now
    elapsed = { start.duration(to: clock.now) }
    sleep = { try await clock.pause(for: $0) }
  }
}
