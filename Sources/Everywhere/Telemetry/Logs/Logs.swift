import CSystem
package import Logging

/// The log of the process: one place that knows format, level, secrets and destination. `vastd` makes one and hands out
/// loggers; what libraries log through swift-log comes here too after `bootstrap()`.
package final class Logs: Sendable {
  package let level: Logger.Level
  package let format: LogFormat
  package let redactor: Redactor
  private let sink: LogSink
  private let now: @Sendable () -> Int64

  /// `descriptor` is stdout unless a test says otherwise. `now` gives nanoseconds since 1970.
  package init(
    level: Logger.Level, format: LogFormat, redactor: Redactor = Redactor(), descriptor: Int32 = 1,
    capacity: Int = 4 << 20, now: @escaping @Sendable () -> Int64 = { csystem_realtime_ns() }
  ) {
    self.level = level
    self.format = format
    self.redactor = redactor
    self.now = now
    sink = LogSink(descriptor: descriptor, capacity: capacity) { count in
      var line = LogLine(format: format, rules: redactor.current)
      line.begin(nanoseconds: now(), level: .warning, message: "log lines dropped", logger: "log")
      line.field(LogKey.count, count)
      line.end()
      return line.bytes
    }
  }

  package func logger(_ label: String) -> Logger {
    Logger(label: label) { LineLogHandler(label: $0, logs: self) }
  }

  /// Makes this the log of every `Logger(label:)` in the process. Once per process.
  package func bootstrap() {
    LoggingSystem.bootstrap { LineLogHandler(label: $0, logs: self) }
  }

  /// For the end of the process. False when the reader did not take everything in time.
  @discardableResult
  package func flush(timeoutMilliseconds: Int = 1_000) -> Bool {
    sink.flush(timeoutMilliseconds: timeoutMilliseconds)
  }

  package var droppedLines: Int { sink.droppedLines }

  func write(_ level: Logger.Level, _ message: String, logger: String, _ fields: (inout LogLine) -> Void) {
    var line = LogLine(format: format, rules: redactor.current)
    line.begin(nanoseconds: now(), level: level, message: message, logger: logger)
    fields(&line)
    line.end()
    sink.append(line.bytes)
  }

  /// Tries to write a JSON line the cheap way, on the stack; false, and nothing is written, when that is not possible.
  func writePlain(_ fill: (_ line: inout PlainLine, _ nanoseconds: Int64) -> Void) -> Bool {
    let rules = redactor.current
    let time = now()
    // Up to 1,024 bytes are on the stack; a line of a usual request has 300.
    return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 1_024) { buffer in
      var line = PlainLine(buffer: buffer, rules: rules)
      fill(&line, time)
      guard let bytes = line.bytes else { return false }
      sink.append(bytes)
      return true
    }
  }
}
