import Logging
package import Domain
import Store

extension Fleet {
  /// What applies, and what of it was changed by callers.
  package func settings() -> (current: ServiceSettings, changed: SettingOverrides) {
    (liveSettings.current, liveSettings.changed)
  }

  package func changeSettings(_ changes: SettingChanges) async throws(FleetError) {
    do throws(StoreError) {
      try await liveSettings.apply(changes)
    } catch {
      throw FleetError(error)
    }
    let current = liveSettings.current
    logger.notice(
      "settings changed",
      metadata: [
        "rate_limit_mode": "\(current.rateLimitMode.rawValue)", "fallback": "\(current.isFallback)",
        "poll_interval_s": "\(current.pollInterval.inSeconds)",
      ])
    // The poller may have to look sooner than it thought.
    connections.wakeInstances()
  }
}
