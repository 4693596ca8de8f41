import JSON

/// A line whose values all may stand as they are, written straight into memory that the caller has at hand. Nearly every
/// request makes such a line, and it costs a fourth of what `LogLine` takes, which must be ready for anything.
struct PlainLine {
  private let buffer: UnsafeMutableBufferPointer<UInt8>
  private let rules: RedactionRules
  private var count = 0
  private var isWhole = true

  init(buffer: UnsafeMutableBufferPointer<UInt8>, rules: RedactionRules) {
    self.buffer = buffer
    self.rules = rules
  }

  /// The line; nil when a value must be escaped or hidden, or did not fit: then `LogLine` writes it.
  var bytes: UnsafeBufferPointer<UInt8>? {
    isWhole ? UnsafeBufferPointer(rebasing: buffer[..<count]) : nil
  }

  mutating func append(_ text: StaticString) {
    append(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  mutating func append(value: String) {
    var value = value
    value.withUTF8 { utf8 in
      if rules.isPlain(utf8) { append(utf8) } else { isWhole = false }
    }
  }

  mutating func append(_ value: Int) {
    guard value >= 0, let room = room(20) else { return isWhole = false }
    count += DigitWriter(buffer: room).write(UInt64(value), at: 0)
  }

  /// Milliseconds with three decimals.
  mutating func append(millisecondsOf nanoseconds: Int64) {
    let microseconds = Int(max(0, nanoseconds)) / 1_000
    append(microseconds / 1_000)
    guard let room = room(4) else { return isWhole = false }
    room[0] = UInt8(ascii: ".")
    DigitWriter(buffer: room).write(microseconds % 1_000, width: 3, at: 1)
    count += 4
  }

  mutating func append(timeNanoseconds: Int64) {
    guard let room = room(RFC3339.length) else { return isWhole = false }
    RFC3339.write(microseconds: timeNanoseconds / 1_000, to: room)
    count += RFC3339.length
  }

  private mutating func append(_ utf8: UnsafeBufferPointer<UInt8>) {
    guard let start = utf8.baseAddress else { return }
    guard let room = room(utf8.count) else { return isWhole = false }
    room.baseAddress?.update(from: start, count: utf8.count)
    count += utf8.count
  }

  private func room(_ bytes: Int) -> UnsafeMutableBufferPointer<UInt8>? {
    guard count + bytes <= buffer.count else { return nil }
    return UnsafeMutableBufferPointer(rebasing: buffer[count...])
  }
}
