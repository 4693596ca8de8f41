import Locking

/// Waits until the condition holds, looking every few milliseconds of real time; for sockets, threads and processes, which no
/// manual clock moves. Gives up after `deadline`, which is far away because a busy machine can take ten seconds over
/// anything; the expectation that follows then fails by itself.
package func eventually(within deadline: Duration = .seconds(60), _ condition: @Sendable () async -> Bool) async {
  let end = ContinuousClock.now + deadline
  while ContinuousClock.now < end {
    if await condition() { return }
    do { try await ContinuousClock().pause(for: .milliseconds(2)) } catch { return }
  }
}
