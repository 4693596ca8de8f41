extension Clock where Duration == Swift.Duration {
  /// Sleeps for a span; throws when the task is cancelled.
  ///
  /// By definition the same as `sleep(for:)`, which nothing here may call, nor `Task.sleep(for:)`: both are inlined from the
  /// standard library, and in release builds of Swift 6.2 and 6.3 one that is cancelled can free its task's memory in the
  /// wrong order, which ends the process (swiftlang/swift#86204). Most of our sleeps end by being cancelled.
  package func pause(for span: Duration) async throws {
    try await sleep(until: now.advanced(by: span), tolerance: nil)
  }
}
