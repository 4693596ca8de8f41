package import Domain
package import Logging
package import Store

/// Records when the provider stops and begins to answer: `provider.degraded` when the circuit has opened, `provider.recovered`
/// when it has closed. What was told last is in the store, so that the two alternate across restarts.
package struct ProviderWatcher: Reconciler {
  package let name = "provider"

  /// What the events are about.
  package static let subject = "vastai"
  /// The setting that holds since when it is told to be degraded, in microseconds; absent while all is well.
  private static let degradedSince = "provider_degraded_since"

  private let store: Store
  private let status: @Sendable () -> ProviderStatus
  private let counted: @Sendable (FleetEvent) -> Void
  private let now: @Sendable () -> Timestamp
  private let logger: Logger

  /// - Parameter counted: told each event that was recorded.
  package init(
    store: Store, status: @escaping @Sendable () -> ProviderStatus,
    counted: @escaping @Sendable (FleetEvent) -> Void = { _ in }, now: @escaping @Sendable () -> Timestamp,
    logger: Logger
  ) {
    self.store = store
    self.status = status
    self.counted = counted
    self.now = now
    self.logger = logger
  }

  package func activate() async -> Outcome {
    var outcome = Outcome()
    outcome.examined = 1
    do throws(StoreError) {
      guard let event = try await record(status()) else { return outcome }
      outcome.changed = 1
      counted(event)
      let code = event.data["code"]?.text ?? ""
      logger.warning("provider changed", metadata: ["state": "\(event.type)", "code": "\(code)"])
    } catch {
      logger.error("the provider's state cannot be recorded", metadata: ["error": "\(error)"])
      outcome.failures = 1
    }
    return outcome
  }

  private func record(_ status: ProviderStatus) async throws(StoreError) -> FleetEvent? {
    let since = try store.read { (r) throws(StoreError) in try r.setting(Self.degradedSince) }
      .flatMap { Int64($0) }.map { Timestamp(microseconds: $0) }
    let now = now()
    switch (status.circuit, since) {
    case (.open, nil), (.halfOpen, nil):
      let event = FleetEvent(
        type: "provider.degraded", subject: Self.subject, at: now,
        data: status.error.map { ["code": .text($0.code)] } ?? [:])
      try await store.write { (tx) throws(StoreError) in
        try tx.append(event)
        try tx.setSetting(Self.degradedSince, String(now.microseconds))
      }
      return event
    // After a restart the circuit is closed because nobody has asked yet; a success is the sign that it answers.
    case (.closed, let since?) where status.lastSuccessAt != nil:
      let seconds = Int64(max(0, (now - since).inSeconds))
      let event = FleetEvent(
        type: "provider.recovered", subject: Self.subject, at: now, data: ["degraded_for_s": .integer(seconds)])
      try await store.write { (tx) throws(StoreError) in
        try tx.append(event)
        try tx.removeSetting(Self.degradedSince)
      }
      return event
    case (.closed, _), (.open, _), (.halfOpen, _):
      return nil
    }
  }
}
