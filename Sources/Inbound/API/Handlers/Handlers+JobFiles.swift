import Domain
import FleetService
import Glibc
import HTTPServer
import Logging
import Telemetry

extension Handlers {
  /// The job's output from a byte on: what there is, or with `follow` as it grows until the job has no more.
  func getJobLogs(_ call: Call) throws(APIError) -> Response {
    let id = try id(call, Job.self)
    var query = try QueryReader(call.head)
    let offset = try query.integer("offset", 0...Int.max) ?? 0
    let follows = try query.flag("follow") ?? false
    try query.finish()
    let log = try asking { () throws(FleetError) in try fleet.log(of: id) }
    guard Int64(offset) <= log.size else {
      throw .queryParameter(name: "offset", detail: "is beyond the log's \(log.size) bytes")
    }
    if follows, call.head.method == .get, !log.isComplete { return follow(id, from: Int64(offset), call) }
    let body: Response.Body =
      log.size == Int64(offset)
      ? .bytes([])
      : .file(descriptor: try open(log.path), offset: Int64(offset), length: log.size - Int64(offset))
    return call.log(body, isComplete: log.isComplete)
  }

  private func follow(_ id: ID<Job>, from offset: Int64, _ call: Call) -> Response {
    let stream = ResponseStream(bound: Limits.followedLogBytes)
    let task = Task { [fleet, logger] in
      do throws(FleetError) {
        try await fleet.followLog(of: id, from: offset) { bytes in
          do throws(StreamClosed) {
            try await stream.write(bytes)
            return true
          } catch {
            return false
          }
        }
        stream.finish()
      } catch {
        // Broken off and not ended: the reader asks again from the byte where it stopped.
        stream.cut()
        logger.warning(
          "following a log failed",
          metadata: [
            LogKey.requestID: "\(call.context.requestID)", LogKey.jobID: "\(id)", LogKey.error: "\(error)",
          ])
      }
    }
    stream.onClose { task.cancel() }
    return call.log(.stream(stream), isComplete: false)
  }

  func getJobResults(_ call: Call) throws(APIError) -> Response {
    try refuseQuery(call)
    let id = try id(call, Job.self)
    let file = try asking { () throws(FleetError) in try fleet.results(of: id) }
    return try archive(file.path, sizeBytes: file.sizeBytes, sha256: file.sha256, name: id.rawValue, call)
  }

  /// A tar.gz of ours, which its hash names for caches.
  func archive(
    _ path: String, sizeBytes: Int64, sha256: String, name: String, _ call: Call
  ) throws(APIError) -> Response {
    let headers: [(name: String, value: String)] = [
      ("ETag", "\"\(sha256)\""), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"),
      ("X-Request-Id", call.context.requestID),
    ]
    if call.head.headerValues("if-none-match").contains(where: { $0.contains("\"\(sha256)\"") }) {
      return Response(status: 304, headers: headers, context: call.context)
    }
    return Response(
      status: 200, contentType: "application/gzip",
      headers: headers + [("Content-Disposition", "attachment; filename=\"\(name).tar.gz\"")],
      body: .file(descriptor: try open(path), offset: 0, length: sizeBytes), context: call.context)
  }

  /// The response closes it.
  private func open(_ path: String) throws(APIError) -> Int32 {
    let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .fileMissing(path: path) }
    return descriptor
  }
}

extension Call {
  /// Bytes that a stranger's machine wrote: text, whatever a browser may think.
  fileprivate func log(_ body: Response.Body, isComplete: Bool) -> Response {
    Response(
      status: 200,
      headers: [
        ("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "no-store"), ("X-Request-Id", context.requestID),
        ("X-Log-Complete", isComplete ? "true" : "false"),
      ],
      body: body, context: context)
  }
}
