/// What can be changed while the service runs.
package struct ServiceSettings: Sendable, Hashable {
  package var rateLimitMode: RateLimitMode
  /// Whether older answers stand in for a provider that fails, and writes that need it are held.
  package var isFallback: Bool
  /// Between two lists of all instances while nothing changes.
  package var pollInterval: Duration

  /// Vast allows one list a second for an account; an hour without a look would be no watch at all.
  package static let pollIntervalSeconds = 0.1...3600.0

  package init(rateLimitMode: RateLimitMode, isFallback: Bool, pollInterval: Duration) {
    self.rateLimitMode = rateLimitMode
    self.isFallback = isFallback
    self.pollInterval = pollInterval
  }
}

/// What of the settings was changed by a caller; nil where the configuration applies.
package struct SettingOverrides: Sendable, Hashable {
  package var rateLimitMode: RateLimitMode?
  package var isFallback: Bool?
  package var pollInterval: Duration?

  package init() {}
}

/// What a caller wants of one setting.
package enum SettingChange<Value: Sendable & Hashable>: Sendable, Hashable {
  case keep
  /// The configured value applies again.
  case giveBack
  case set(Value)
}

package struct SettingChanges: Sendable, Hashable {
  package var rateLimitMode = SettingChange<RateLimitMode>.keep
  package var isFallback = SettingChange<Bool>.keep
  package var pollInterval = SettingChange<Duration>.keep

  package init() {}
}
