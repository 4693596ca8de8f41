import Domain
import JSON

enum SettingsJSON {
  static func render(_ current: ServiceSettings, changed: SettingOverrides) -> [UInt8] {
    var writer = JSONWriter(capacity: 256)
    writer.object { writer in
      writer.member("rate_limit_mode", current.rateLimitMode.rawValue)
      writer.member("fallback", current.isFallback)
      writer.member("poll_interval_s", current.pollInterval.inSeconds)
      writer.object("sources") { writer in
        writer.member("rate_limit_mode", source(changed.rateLimitMode))
        writer.member("fallback", source(changed.isFallback))
        writer.member("poll_interval_s", source(changed.pollInterval))
      }
    }
    return writer.bytes
  }

  private static func source<Value>(_ change: Value?) -> String { change == nil ? "configuration" : "api" }
}
