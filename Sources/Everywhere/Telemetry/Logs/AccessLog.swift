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
    let record = AccessRecord(
      level: isFault ? .warning : .info, requestID: requestID, traceID: traceID, method: method, route: route,
      path: path, status: status, durationNs: durationNs, bytes: bytes, principal: principal)
    if logs.format == .json, logs.writePlain(record.write) { return }
    logs.write(record.level, AccessRecord.message, logger: AccessRecord.logger, record.write)
  }
}

/// The same members in the same order, for both ways of writing.
private struct AccessRecord {
  static let message = "request"
  static let logger = "http"

  let level: Logger.Level
  let requestID: String
  let traceID: String?
  let method: String
  let route: String
  let path: String
  let status: Int
  let durationNs: Int64
  let bytes: Int
  let principal: String?

  func write(to line: inout LogLine) {
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

  func write(to line: inout PlainLine, nanoseconds: Int64) {
    line.append(#"{"ts":""#)
    line.append(timeNanoseconds: nanoseconds)
    line.append(#"","level":""#)
    line.append(value: level.rawValue)
    line.append(#"","msg":"request","logger":"http","request_id":""#)
    line.append(value: requestID)
    if let traceID {
      line.append(#"","trace_id":""#)
      line.append(value: traceID)
    }
    line.append(#"","method":""#)
    line.append(value: method)
    line.append(#"","route":""#)
    line.append(value: route)
    line.append(#"","path":""#)
    line.append(value: path)
    line.append(#"","status":"#)
    line.append(status)
    line.append(#","duration_ms":"#)
    line.append(millisecondsOf: durationNs)
    line.append(#","bytes":"#)
    line.append(bytes)
    if let principal {
      line.append(#","principal":""#)
      line.append(value: principal)
      line.append("\"")
    }
    line.append("}\n")
  }
}
