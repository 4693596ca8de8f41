package import Locking
package import Logging

/// Runs a reconciler: at once, whenever its signal is raised, and once in a while in case a signal was lost.
package struct ReconcilerDriver: Sendable {
  private let reconciler: any Reconciler
  private let signal: Signal
  private let period: Duration
  private let clock: any Clock<Duration>
  private let logger: Logger

  package init(
    _ reconciler: any Reconciler, signal: Signal, period: Duration, clock: any Clock<Duration>, logger: Logger
  ) {
    self.reconciler = reconciler
    self.signal = signal
    self.period = period
    self.clock = clock
    self.logger = logger
  }

  /// Until the task is cancelled.
  package func run() async {
    while !Task.isCancelled {
      let seen = signal.count
      let outcome = await reconciler.activate()
      if outcome.failures > 0 {
        logger.warning(
          "activation had failures",
          metadata: [
            "reconciler": "\(reconciler.name)", "failures": "\(outcome.failures)", "changed": "\(outcome.changed)",
          ])
      }
      await signal.wait(after: seen, upTo: period, clock: clock)
    }
  }
}
