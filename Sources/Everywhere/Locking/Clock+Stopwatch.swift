extension Clock where Duration == Swift.Duration {
  /// Tells how much time has passed since it was made; for a clock whose moments cannot be named, `any Clock<Duration>`.
  package var stopwatch: @Sendable () -> Duration {
    let start = now
    return { start.duration(to: self.now) }
  }
}
