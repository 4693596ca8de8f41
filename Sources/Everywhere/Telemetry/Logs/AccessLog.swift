import Logging

/// One line per request, written without swift-log's dictionaries: this is the only log line on the hot path.
package final class AccessLog: Sendable {
  private let logs: Logs
  private let logsSuccess: Bool

  /// When the level is above `info`, requests that we answered with 5xx are still logged, as warnings.
  package init(logs: Logs) {
    self.logs = logs
    logsSuccess = logs.level <= .info
  }

  /// `path` without its query, which may hold what is no one's business; `principal` is the name of the token, not the token.
  /// `bytes` is the size of the body that was sent.
  package func record(
    requestID: String, traceID: String? = nil, method: String, route: String, path: String, status: Int,
    durationNs: Int64, bytes: Int, principal: String?
  ) {
    let isFault = status >= 500
    guard logsSuccess || isFault else { return }
    logs.write(isFault ? .warning : .info, "request", logger: "http") { line in
      line.field(LogKey.requestID, requestID)
      if let traceID { line.field(LogKey.traceID, traceID) }
      line.field(LogKey.method, method)
      line.field(LogKey.route, route)
      line.field(LogKey.path, path)
      line.field(LogKey.status, status)
      line.field(LogKey.durationMs, millisecondsOf: durationNs)
      line.field(LogKey.bytes, bytes)
      if let principal { line.field(LogKey.principal, principal) }
    }
  }
}
