package import Domain
package import Logging
package import Store

/// Tells of credit that runs out, before the provider stops everything: `account.low_credit`, once until there is enough again.
/// Between two looks at the account our own clock goes on.
package struct CreditWatcher: Reconciler {
  package let name = "credit"

  package static let subject = "account"
  /// The setting that holds since when it is told to be low, in microseconds; absent while it is not.
  private static let lowSince = "credit_low_since"
  /// How much more than the threshold ends the alarm, so that a rate that swings around it does not ring every minute.
  private static let recoveryFactor = 1.5

  private let store: Store
  private let reading: @Sendable () -> AccountReading?
  private let threshold: Duration
  private let counted: @Sendable (FleetEvent) -> Void
  private let now: @Sendable () -> Timestamp
  private let logger: Logger

  /// - Parameters:
  ///   - reading: the last look at the account.
  ///   - threshold: the time left that is worth an alarm (`VASTD_LOW_CREDIT_HOURS`); zero for none.
  ///   - counted: told each event that was recorded.
  package init(
    store: Store, reading: @escaping @Sendable () -> AccountReading?, threshold: Duration,
    counted: @escaping @Sendable (FleetEvent) -> Void = { _ in }, now: @escaping @Sendable () -> Timestamp,
    logger: Logger
  ) {
    self.store = store
    self.reading = reading
    self.threshold = threshold
    self.counted = counted
    self.now = now
    self.logger = logger
  }

  package func activate() async -> Outcome {
    var outcome = Outcome()
    guard threshold > .zero, let reading = reading() else { return outcome }
    outcome.examined = 1
    do throws(StoreError) {
      let now = now()
      let (rate, since) = try store.read { (r) throws(StoreError) in (try r.burnRate(), try r.setting(Self.lowSince)) }
      let left = reading.timeLeft(ours: rate, at: now)
      if let left, left < threshold {
        guard since == nil else { return outcome }
        let event = FleetEvent(
          type: "account.low_credit", subject: Self.subject, at: now,
          data: [
            "credit_usd": .money(reading.credit), "burn_rate_usd": .money(reading.burnRate(ours: rate, at: now)),
            "hours_left": .integer(Int64(left.inSeconds / 3600)),
          ])
        try await store.write { (tx) throws(StoreError) in
          try tx.append(event)
          try tx.setSetting(Self.lowSince, String(now.microseconds))
        }
        counted(event)
        outcome.changed = 1
        logger.warning("credit is running out", metadata: ["error": "\(Int(left.inSeconds / 3600)) hours are left"])
      } else if since != nil, left.map({ $0.inSeconds >= threshold.inSeconds * Self.recoveryFactor }) ?? true {
        try await store.write { (tx) throws(StoreError) in try tx.removeSetting(Self.lowSince) }
        outcome.changed = 1
      }
    } catch {
      logger.error("credit cannot be checked", metadata: ["error": "\(error)"])
      outcome.failures = 1
    }
    return outcome
  }
}
