import Logging

/// swift-log's way into `Logs`: metadata of the provider, the logger and the call, the later winning, in alphabetical order.
struct LineLogHandler: LogHandler {
  let label: String
  let logs: Logs
  var metadata: Logger.Metadata = [:]
  var metadataProvider: Logger.MetadataProvider?
  var logLevel: Logger.Level

  init(label: String, logs: Logs) {
    self.label = label
    self.logs = logs
    logLevel = logs.level
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    var merged = metadata
    if let provided = metadataProvider?.get() { merged.merge(provided) { own, _ in own } }
    if let added = event.metadata { merged.merge(added) { _, new in new } }
    if let error = event.error {
      merged[LogKey.error] = .string(String(describing: error))
      merged[LogKey.errorKind] = .string(String(describing: type(of: error)))
    }
    logs.write(event.level, event.message.description, logger: label) { line in
      for (key, value) in merged.sorted(by: { $0.key < $1.key }) {
        let name = LogKey.reserved.contains(key) ? "meta_" + key : key
        if LogKey.isSensitive(key) {
          line.field(name, RedactionRules.replacement)
        } else {
          line.field(name, value)
        }
      }
    }
  }
}
