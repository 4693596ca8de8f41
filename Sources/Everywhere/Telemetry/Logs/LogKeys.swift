/// The metadata keys of log lines. A message is constant; what varies stands under one of these, so that a search for a job
/// or an instance finds every line about it, whoever wrote it.
package enum LogKey {
  package static let requestID = "request_id"
  package static let traceID = "trace_id"
  package static let principal = "principal"
  package static let operation = "operation"
  package static let jobID = "job_id"
  package static let instanceID = "instance_id"
  package static let uploadID = "upload_id"
  package static let eventID = "event_id"
  /// Vast's number of an instance.
  package static let providerID = "provider_id"
  package static let offerID = "offer_id"
  package static let machineID = "machine_id"
  package static let endpoint = "endpoint"
  package static let attempt = "attempt"
  package static let phase = "phase"
  package static let state = "state"
  package static let from = "from"
  package static let to = "to"
  package static let count = "count"
  package static let bytes = "bytes"
  package static let usdPerHour = "usd_per_hour"
  package static let status = "status"
  package static let code = "code"
  /// What went wrong, for people.
  package static let error = "error"
  /// The type of a Swift error, for grouping.
  package static let errorKind = "error_kind"
  package static let durationMs = "duration_ms"
  package static let retryInMs = "retry_in_ms"
  package static let address = "address"
  package static let path = "path"
  package static let route = "route"
  package static let method = "method"
  package static let reconciler = "reconciler"
  package static let reason = "reason"
  package static let signal = "signal"
  package static let version = "version"
  package static let commit = "commit"

  /// The line's own members; metadata under one of these names is written as `meta_…`.
  static let reserved: Set<String> = ["ts", "level", "msg", "logger"]

  /// Whether a value under this key is hidden whatever it looks like. Numbers of tokens and the like are not worth the risk.
  static func isSensitive(_ key: String) -> Bool {
    let key = key.lowercased()
    return ["token", "secret", "password", "authorization", "api_key", "apikey", "private_key"].contains {
      key.hasSuffix($0)
    }
  }
}
