/// Waits until the condition holds, looking every few milliseconds of real time; for sockets, threads and processes, which no
/// manual clock moves. Gives up after `deadline`; the expectation that follows then fails by itself.
package func eventually(within deadline: Duration = .seconds(10), _ condition: @Sendable () async -> Bool) async {
  let end = ContinuousClock.now + deadline
  while ContinuousClock.now < end {
    if await condition() { return }
    do { try await Task.sleep(for: .milliseconds(2)) } catch { return }
  }
}
