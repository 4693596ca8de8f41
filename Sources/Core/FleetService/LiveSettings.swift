package import Domain
import Locking
package import Logging
package import Store

/// The settings that apply now: the configured ones, and over them what was changed by callers, which is kept in the store and
/// so outlives a restart.
package final class LiveSettings: Sendable {
  private let configured: ServiceSettings
  private let store: Store
  private let logger: Logger
  private let overrides = Locked(SettingOverrides())
  /// Held while the store is read, so that of two changes the later one is what is remembered. No answer waits for it.
  private let loading = Locked(())

  package init(configured: ServiceSettings, store: Store, logger: Logger) throws(StoreError) {
    self.configured = configured
    self.store = store
    self.logger = logger
    try load()
  }

  package var current: ServiceSettings {
    let overrides = overrides.withLock { $0 }
    return ServiceSettings(
      rateLimitMode: overrides.rateLimitMode ?? configured.rateLimitMode,
      isFallback: overrides.isFallback ?? configured.isFallback,
      pollInterval: overrides.pollInterval ?? configured.pollInterval)
  }

  /// What of it does not come from the configuration.
  package var changed: SettingOverrides { overrides.withLock { $0 } }

  /// Durable first, then in force.
  func apply(_ changes: SettingChanges) async throws(StoreError) {
    try await store.write { (tx) throws(StoreError) in
      try tx.change(.rateLimitMode, changes.rateLimitMode) { $0.rawValue }
      try tx.change(.fallback, changes.isFallback) { String($0) }
      try tx.change(.pollInterval, changes.pollInterval) { String($0.microseconds) }
    }
    try load()
  }

  private func load() throws(StoreError) {
    try loading.withLock { _ throws(StoreError) in
      let texts = try store.read { (r) throws(StoreError) in
        (
          mode: try r.setting(StoredSetting.rateLimitMode.rawValue),
          fallback: try r.setting(StoredSetting.fallback.rawValue),
          interval: try r.setting(StoredSetting.pollInterval.rawValue)
        )
      }
      var loaded = SettingOverrides()
      loaded.rateLimitMode = value(.rateLimitMode, texts.mode) { RateLimitMode(rawValue: $0) }
      loaded.isFallback = value(.fallback, texts.fallback) { Bool($0) }
      loaded.pollInterval = value(.pollInterval, texts.interval) { text in
        Int64(text).map { Duration.microseconds($0) }
          .flatMap { ServiceSettings.pollIntervalSeconds.contains($0.inSeconds) ? $0 : nil }
      }
      overrides.withLock { [loaded] in $0 = loaded }
    }
  }

  /// What another version wrote and this one cannot read is as if it were not there.
  private func value<Value>(_ setting: StoredSetting, _ text: String?, _ parse: (String) -> Value?) -> Value? {
    guard let text else { return nil }
    if let value = parse(text) { return value }
    logger.warning(
      "a stored setting cannot be read, the configured one applies", metadata: ["path": "\(setting.rawValue)"])
    return nil
  }
}

/// Names in the store. Never renamed.
private enum StoredSetting: String {
  case rateLimitMode = "api.rate_limit_mode"
  case fallback = "api.fallback"
  /// In microseconds.
  case pollInterval = "api.poll_interval"
}

extension StoreTransaction {
  fileprivate func change<Value>(
    _ setting: StoredSetting, _ change: SettingChange<Value>, _ text: (Value) -> String
  ) throws(StoreError) {
    switch change {
    case .keep: break
    case .giveBack: try removeSetting(setting.rawValue)
    case .set(let value): try setSetting(setting.rawValue, text(value))
    }
  }
}
