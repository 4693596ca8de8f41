import CSystem
import Glibc
import JSON
import Logging
import Telemetry
import Testing

/// A log that writes into a pipe which the test reads. No program that another test starts inherits the pipe: it would hold it
/// open, and the test, which reads to the end on one of the few threads of the pool, would wait for it.
struct CapturedLog {
  let logs: Logs
  private let readEnd: Int32
  private let writeEnd: Int32

  /// 2026-07-20T09:05:00.123Z
  static let time: Int64 = 1_784_538_300_123_000_000

  init(level: Logger.Level = .trace, format: LogFormat = .json, time: Int64 = time) {
    var ends: [Int32] = [0, 0]
    precondition(csystem_pipe(&ends) == 0)
    (readEnd, writeEnd) = (ends[0], ends[1])
    logs = Logs(level: level, format: format, descriptor: writeEnd, now: { time })
  }

  /// Everything written so far, at most the pipe's 64 KiB. Ends the log.
  func text() -> String {
    #expect(logs.flush(timeoutMilliseconds: 10_000))
    close(writeEnd)
    defer { close(readEnd) }
    return readToEnd(readEnd)
  }

  func lines() throws -> [JSONObject] {
    try text().split(separator: "\n").map { line in
      guard case .object(let object) = try JSONValue.parse(Array(line.utf8)) else { throw NotAnObject(line: line) }
      return object
    }
  }
}

struct NotAnObject: Error {
  let line: Substring
}

func readToEnd(_ descriptor: Int32) -> String {
  var content: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 64 << 10)
  while true {
    let count = read(descriptor, &chunk, chunk.count)
    guard count > 0 else { return String(decoding: content, as: UTF8.self) }
    content.append(contentsOf: chunk[..<count])
  }
}

/// What a shell command prints on both outputs, and its exit status.
func shell(_ command: String) -> (output: String, status: Int32) {
  guard let stream = popen("(\(command)) 2>&1", "r") else { return ("popen failed", -1) }
  var content: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 4 << 10)
  while true {
    let count = fread(&chunk, 1, chunk.count, stream)
    guard count > 0 else { break }
    content.append(contentsOf: chunk[..<count])
  }
  let status = pclose(stream)
  return (String(decoding: content, as: UTF8.self), (status >> 8) & 0xFF)
}
