import JSON
import Logging
import Telemetry
import Testing

@Suite struct LogLineTests {
  @Test func `a line is one JSON object with time, level, message and logger first, then the metadata by name`() {
    let log = CapturedLog()
    log.logs.logger("vastd.jobs").info(
      "job started", metadata: [LogKey.jobID: "job_1", LogKey.attempt: .stringConvertible(2)])
    #expect(
      log.text()
        == #"{"ts":"2026-07-20T09:05:00.123Z","level":"info","msg":"job started","logger":"vastd.jobs","attempt":2,"job_id":"job_1"}"#
        + "\n")
  }

  @Test func `text for people has the same content`() {
    let log = CapturedLog(format: .text)
    log.logs.logger("jobs").warning("slow start", metadata: ["job_id": "job_1", "error": "no banner", "note": ""])
    #expect(
      log.text() == #"2026-07-20T09:05:00.123Z WARNING jobs: slow start error="no banner" job_id=job_1 note="""# + "\n")
  }

  @Test(arguments: [
    (0, "1970-01-01T00:00:00.000Z"), (951_782_400, "2000-02-29T00:00:00.000Z"),
    (1_709_251_199, "2024-02-29T23:59:59.000Z"), (4_107_542_400, "2100-03-01T00:00:00.000Z"),
    (1_767_225_599, "2025-12-31T23:59:59.000Z"),
  ])
  func `dates are right on leap days and at the ends of years`(seconds: Int64, expected: String) throws {
    let log = CapturedLog(time: seconds * 1_000_000_000)
    log.logs.logger("t").info("m")
    #expect(try log.lines().first?["ts"] == .string(expected))
  }

  @Test func `what a stranger sends cannot end the line, move the cursor or turn the writing around`() throws {
    let hostile = "a\r\n{\"level\":\"error\"}\u{1B}]0;x\u{7}\u{0}\u{7F}\u{9B}31m\u{202E}\u{2028}é\\\""
    let log = CapturedLog()
    log.logs.logger("t").info("m", metadata: ["label": .string(hostile), "list": [.string(hostile)]])
    let text = log.text()
    #expect(text.filter { $0 == "\n" }.count == 1)
    #expect(text.unicodeScalars.allSatisfy { ($0.value >= 0x20 && !(0x7F...0x9F).contains($0.value)) || $0 == "\n" })
    #expect(!text.unicodeScalars.contains("\u{202E}") && !text.unicodeScalars.contains("\u{2028}"))
    guard case .object(let line) = try JSONValue.parse(Array(text.utf8)) else { throw NotAnObject(line: text[...]) }
    #expect(line["label"] == .string(hostile))
    #expect(line["list"] == .array([.string(hostile)]))
    #expect(line["level"] == .string("info"))
  }

  @Test func `in text, too, a value stays inside its quotes`() {
    let log = CapturedLog(format: .text)
    log.logs.logger("t").info("m", metadata: ["label": "x\" level=error\nnext"])
    #expect(log.text().hasSuffix(#"t: m label="x\" level=error\nnext""# + "\n"))
  }

  @Test func `metadata may not pass for the line's own members`() throws {
    let log = CapturedLog()
    log.logs.logger("t").info("m", metadata: ["level": "error", "ts": "0"])
    let line = try #require(try log.lines().first)
    #expect(line.members.map(\.name) == ["ts", "level", "msg", "logger", "meta_level", "meta_ts"])
  }

  @Test func `the call's metadata wins over the logger's, and nested values keep their shape`() throws {
    let log = CapturedLog()
    var logger = log.logs.logger("t")
    logger[metadataKey: "job_id"] = "old"
    logger[metadataKey: "request_id"] = "r1"
    logger.info("m", metadata: ["job_id": "new", "offers": [["id": "1", "ok": .stringConvertible(true)], "x"]])
    let line = try #require(try log.lines().first)
    #expect(line["job_id"] == .string("new"))
    #expect(line["request_id"] == .string("r1"))
    #expect(
      line["offers"]
        == .array([
          .object(JSONObject([.init(name: "id", value: .string("1")), .init(name: "ok", value: .bool(true))])),
          .string("x"),
        ]))
  }

  @Test func `a value of many megabytes is cut between characters and says by how much`() throws {
    let log = CapturedLog()
    log.logs.logger("t").info("m", metadata: ["output": .string(String(repeating: "é", count: 1 << 20))])
    let line = try #require(try log.lines().first)
    guard case .string(let output) = line["output"] else { return #expect(Bool(false), "no string") }
    #expect(output.hasSuffix("é… 2080768 more bytes"))
    #expect(output.utf8.count < 17_000)
  }

  @Test func `a number that JSON cannot hold is written as a word`() throws {
    let log = CapturedLog()
    log.logs.logger("t").info(
      "m", metadata: ["a": .stringConvertible(Double.nan), "b": .stringConvertible(1.5), "c": .stringConvertible(-3)])
    let line = try #require(try log.lines().first)
    #expect(line["a"] == .string("nan"))
    #expect(line["b"] == .number(1.5))
    #expect(line["c"] == .integer(-3))
  }

  @Test func `lines below the level are not written`() throws {
    let log = CapturedLog(level: .warning)
    log.logs.logger("t").info("quiet")
    log.logs.logger("t").error("loud")
    #expect(try log.lines().map { $0["msg"] } == [.string("loud")])
  }

  @Test func `a request is one line, without its query and with its duration in milliseconds`() {
    let log = CapturedLog()
    AccessLog(logs: log.logs).record(
      requestID: "req-1", method: "GET", route: "/v1/jobs/{id}", path: "/v1/jobs/job_1", status: 200,
      durationNs: 1_234_567, bytes: 512, principal: "bootstrap")
    #expect(
      log.text()
        == #"{"ts":"2026-07-20T09:05:00.123Z","level":"info","msg":"request","logger":"http","request_id":"req-1","method":"GET","route":"/v1/jobs/{id}","path":"/v1/jobs/job_1","status":200,"duration_ms":1.234,"bytes":512,"principal":"bootstrap"}"#
        + "\n")
  }

  @Test(arguments: [
    "/plain", "/\"quoted\"", "/é", "/\u{1B}[31m", "/whsec_abc", "/" + String(repeating: "x", count: 2_000),
  ])
  func `a request's line has the same members whether its path is plain, strange or long`(path: String) throws {
    let log = CapturedLog()
    AccessLog(logs: log.logs).record(
      requestID: "req-1", traceID: "0af7651916cd43dd8448eb211c80319c", method: "PUT", route: "/{x}", path: path,
      status: 503, durationNs: 999, bytes: 0, principal: nil)
    let line = try #require(try log.lines().first)
    let shown = path == "/whsec_abc" ? "/[redacted]" : path
    let expected: [(String, JSONValue)] = [
      ("ts", .string("2026-07-20T09:05:00.123Z")), ("level", .string("warning")), ("msg", .string("request")),
      ("logger", .string("http")), ("request_id", .string("req-1")),
      ("trace_id", .string("0af7651916cd43dd8448eb211c80319c")), ("method", .string("PUT")), ("route", .string("/{x}")),
      ("path", .string(shown)), ("status", .integer(503)), ("duration_ms", .number(0.0)), ("bytes", .integer(0)),
    ]
    #expect(line.members == expected.map { .init(name: $0.0, value: $0.1) })
  }

  @Test func `above level info only our own faults appear in the access log`() throws {
    let log = CapturedLog(level: .error)
    let access = AccessLog(logs: log.logs)
    for status in [200, 404, 500] {
      access.record(
        requestID: "r", method: "GET", route: "/", path: "/", status: status, durationNs: 0, bytes: 0, principal: nil)
    }
    #expect(try log.lines().map { $0["status"] } == [.integer(500)])
  }
}
