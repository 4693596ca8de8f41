import CSystem
import Glibc
import JSON
import Locking
import Logging
import Telemetry
import Testing

@Suite struct LogSinkTests {
  @Test func `lines arrive whole and in order from each of many threads`() async throws {
    let log = CapturedLog()
    await withTaskGroup { group in
      for writer in 0..<4 {
        group.addTask {
          let logger = log.logs.logger("w\(writer)")
          for number in 0..<100 { logger.info("m", metadata: ["n": .stringConvertible(number)]) }
        }
      }
    }
    let lines = try log.lines()
    #expect(lines.count == 400)
    for writer in 0..<4 {
      let numbers = lines.filter { $0["logger"] == .string("w\(writer)") }.map { $0["n"] }
      #expect(numbers == (0..<100).map { .integer(Int64($0)) })
    }
  }

  @Test func `a reader that stopped costs lines, never time, and the loss is told`() throws {
    var ends: [Int32] = [0, 0]
    try #require(csystem_pipe(&ends) == 0)
    let (readEnd, writeEnd) = (ends[0], ends[1])
    let logs = Logs(level: .info, format: .json, descriptor: writeEnd, capacity: 64 << 10)
    let logger = logs.logger("t")
    // Nobody reads: the pipe takes 64 KiB, the buffer as much, the batch in the writer's hands as much again.
    let started = ContinuousClock.now
    for _ in 0..<10_000 { logger.info("m", metadata: ["filler": "0123456789012345678901234567890123456789"]) }
    #expect(ContinuousClock.now - started < .seconds(5))
    #expect(logs.droppedLines > 5_000)
    #expect(!logs.flush(timeoutMilliseconds: 50))

    // The reader wakes up and gets what was kept, and the count.
    let dropped = logs.droppedLines
    let reader = Reader(readEnd)
    #expect(logs.flush(timeoutMilliseconds: 10_000))
    close(writeEnd)
    let text = reader.wait()
    close(readEnd)
    let lines = text.split(separator: "\n")
    let counts = lines.filter { $0.contains("log lines dropped") }.compactMap { line in
      line.split(separator: "\"count\":").last?.dropLast().description
    }.compactMap { Int($0) }
    #expect(counts.reduce(0, +) == dropped)
    #expect(lines.count - counts.count + dropped == 10_000)
    #expect(lines.allSatisfy { $0.hasPrefix("{") && $0.hasSuffix("}") })
  }

  @Test func `a destination that is gone does not hang the program`() throws {
    signal(SIGPIPE, SIG_IGN)
    var ends: [Int32] = [0, 0]
    try #require(csystem_pipe(&ends) == 0)
    close(ends[0])
    let logs = Logs(level: .info, format: .json, descriptor: ends[1])
    logs.logger("t").info("m")
    #expect(logs.flush(timeoutMilliseconds: 10_000))
    close(ends[1])
  }

  @Test func `a flush with nothing to write returns at once`() {
    let log = CapturedLog()
    #expect(log.logs.flush(timeoutMilliseconds: 0))
    #expect(log.text() == "")
  }
}

/// Reads a descriptor to its end on a thread of its own: the pool that tests run in has a thread per core, and this test holds
/// one of them.
private final class Reader: Sendable {
  private let text = Locked<String?>(nil)

  init(_ descriptor: Int32) {
    startThread(name: "reader") { [text] in
      let all = readToEnd(descriptor)
      text.withLock { $0 = all }
    }
  }

  /// What was read, empty when the other end is still open after ten seconds.
  func wait() -> String {
    for _ in 0..<10_000 {
      if let all = text.withLock({ $0 }) { return all }
      usleep(1_000)
    }
    return ""
  }
}
