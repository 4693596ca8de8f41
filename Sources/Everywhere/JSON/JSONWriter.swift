/// Writes JSON text straight into bytes: no tree, no reflection, members in the order of the calls.
///
///     var writer = JSONWriter()
///     writer.object { writer in
///       writer.member("id", "job_1")
///       writer.array("items") { writer in writer.element(1) }
///     }
///     writer.bytes
package struct JSONWriter: Sendable {
  package private(set) var bytes: [UInt8]
  /// Whether the next member or element needs a comma before it.
  private var needsComma = false

  package init(capacity: Int = 512) {
    bytes = []
    bytes.reserveCapacity(capacity)
  }

  // MARK: Containers

  /// An object as the root or as the next array element.
  package mutating func object(_ body: (inout JSONWriter) -> Void) {
    separate()
    open(UInt8(ascii: "{"), body, UInt8(ascii: "}"))
  }

  package mutating func object(_ name: StaticString, _ body: (inout JSONWriter) -> Void) {
    self.name(name)
    open(UInt8(ascii: "{"), body, UInt8(ascii: "}"))
  }

  /// An array as the root or as the next array element.
  package mutating func array(_ body: (inout JSONWriter) -> Void) {
    separate()
    open(UInt8(ascii: "["), body, UInt8(ascii: "]"))
  }

  package mutating func array(_ name: StaticString, _ body: (inout JSONWriter) -> Void) {
    self.name(name)
    open(UInt8(ascii: "["), body, UInt8(ascii: "]"))
  }

  private mutating func open(_ first: UInt8, _ body: (inout JSONWriter) -> Void, _ last: UInt8) {
    bytes.append(first)
    needsComma = false
    body(&self)
    bytes.append(last)
    needsComma = true
  }

  // MARK: Members

  package mutating func member(_ name: StaticString, _ value: String) {
    self.name(name)
    append(value)
  }

  package mutating func member(_ name: StaticString, _ value: String?) {
    self.name(name)
    if let value { append(value) } else { appendNull() }
  }

  package mutating func member(_ name: StaticString, _ value: Bool) {
    self.name(name)
    append(value)
  }

  // The two usual widths have members of their own: across modules the generic one is not specialized.

  package mutating func member(_ name: StaticString, _ value: Int) {
    self.name(name)
    append(Int64(value))
  }

  package mutating func member(_ name: StaticString, _ value: Int?) {
    self.name(name)
    if let value { append(Int64(value)) } else { appendNull() }
  }

  package mutating func member(_ name: StaticString, _ value: Int64) {
    self.name(name)
    append(value)
  }

  package mutating func member(_ name: StaticString, _ value: Int64?) {
    self.name(name)
    if let value { append(value) } else { appendNull() }
  }

  package mutating func member(_ name: StaticString, _ value: some BinaryInteger) {
    self.name(name)
    append(value)
  }

  package mutating func member(_ name: StaticString, _ value: (some BinaryInteger)?) {
    self.name(name)
    if let value { append(value) } else { appendNull() }
  }

  /// A number that is not finite becomes null: JSON has no word for it.
  package mutating func member(_ name: StaticString, _ value: Double?) {
    self.name(name)
    if let value { append(value) } else { appendNull() }
  }

  /// A time as RFC 3339 in UTC with milliseconds, from microseconds since 1970; nil becomes null.
  package mutating func member(_ name: StaticString, timeMicroseconds: Int64?) {
    self.name(name)
    guard let timeMicroseconds else { return appendNull() }
    bytes.append(UInt8(ascii: "\""))
    RFC3339.append(microseconds: timeMicroseconds, to: &bytes)
    bytes.append(UInt8(ascii: "\""))
    needsComma = true
  }

  /// Money as a number of dollars, digit for digit from its micro-dollars, with no float between; nil becomes null.
  package mutating func member(_ name: StaticString, microdollars: Int64?) {
    self.name(name)
    guard let microdollars else { return appendNull() }
    append(microdollars: microdollars)
  }

  package mutating func member(_ name: StaticString, _ value: JSONValue) {
    self.name(name)
    append(value)
  }

  /// Bytes that are JSON already.
  package mutating func member(_ name: StaticString, raw json: some Collection<UInt8>) {
    self.name(name)
    bytes.append(contentsOf: json)
    needsComma = true
  }

  package mutating func null(_ name: StaticString) {
    self.name(name)
    appendNull()
  }

  /// A member whose name is known at run time only, escaped as needed.
  package mutating func member(dynamic name: String, _ value: JSONValue) {
    separate()
    appendQuoted(name)
    bytes.append(UInt8(ascii: ":"))
    append(value)
  }

  /// The same with a value that is JSON already.
  package mutating func member(dynamic name: String, raw json: some Collection<UInt8>) {
    separate()
    appendQuoted(name)
    bytes.append(UInt8(ascii: ":"))
    bytes.append(contentsOf: json)
    needsComma = true
  }

  // MARK: Elements

  package mutating func element(_ value: String) {
    separate()
    append(value)
  }

  package mutating func element(_ value: some BinaryInteger) {
    separate()
    append(value)
  }

  package mutating func element(_ value: JSONValue) {
    separate()
    append(value)
  }

  package mutating func element(raw json: some Collection<UInt8>) {
    separate()
    bytes.append(contentsOf: json)
    needsComma = true
  }

  // MARK: Text

  private mutating func separate() {
    if needsComma { bytes.append(UInt8(ascii: ",")) }
  }

  /// `,"name":` in one piece.
  private mutating func name(_ name: StaticString) {
    let length = name.utf8CodeUnitCount
    let comma = needsComma
    appendInPlace(capacity: length + 4) { buffer in
      var end = 0
      if comma {
        buffer[0] = UInt8(ascii: ",")
        end = 1
      }
      buffer[end] = UInt8(ascii: "\"")
      buffer.baseAddress?.advanced(by: end + 1).update(from: name.utf8Start, count: length)
      buffer[end + 1 + length] = UInt8(ascii: "\"")
      buffer[end + 2 + length] = UInt8(ascii: ":")
      return end + 3 + length
    }
  }

  private mutating func append(_ value: String) {
    appendQuoted(value)
    needsComma = true
  }

  private mutating func append(_ value: Bool) {
    appendWord(value ? "true" : "false")
  }

  private mutating func append(_ value: some BinaryInteger) {
    if let value = Int64(exactly: value) { append(value) } else { bytes.append(contentsOf: String(value).utf8) }
    needsComma = true
  }

  private mutating func append(_ value: Int64) {
    appendInPlace(capacity: 20) { buffer in
      if value < 0 { buffer[0] = UInt8(ascii: "-") }
      let sign = value < 0 ? 1 : 0
      return sign + DigitWriter(buffer: buffer).write(value.magnitude, at: sign)
    }
    needsComma = true
  }

  private mutating func append(microdollars value: Int64) {
    let (whole, rest) = value.magnitude.quotientAndRemainder(dividingBy: 1_000_000)
    appendInPlace(capacity: 24) { buffer in
      if value < 0 { buffer[0] = UInt8(ascii: "-") }
      let sign = value < 0 ? 1 : 0
      let digits = DigitWriter(buffer: buffer)
      var end = sign + digits.write(whole, at: sign)
      guard rest > 0 else { return end }
      buffer[end] = UInt8(ascii: ".")
      digits.write(Int(rest), width: 6, at: end + 1)
      end += 7
      while buffer[end - 1] == UInt8(ascii: "0") { end -= 1 }
      return end
    }
    needsComma = true
  }

  /// The shortest digits that read back as the same number.
  private mutating func append(_ value: Double) {
    guard value.isFinite else { return appendNull() }
    if let whole = Int64(exactly: value), whole.magnitude < 1 << 53 {
      append(whole)
    } else {
      bytes.append(contentsOf: value.description.utf8)
      needsComma = true
    }
  }

  private mutating func appendNull() {
    appendWord("null")
  }

  private mutating func appendWord(_ word: StaticString) {
    bytes.append(contentsOf: UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
    needsComma = true
  }

  private mutating func append(_ value: JSONValue) {
    switch value {
    case .null: appendNull()
    case .bool(let value): append(value)
    case .integer(let value): append(value)
    case .number(let value): append(value)
    case .string(let value): append(value)
    case .array(let items):
      open(UInt8(ascii: "["), { writer in for item in items { writer.element(item) } }, UInt8(ascii: "]"))
    case .object(let object):
      open(
        UInt8(ascii: "{"),
        { writer in for member in object.members { writer.member(dynamic: member.name, member.value) } },
        UInt8(ascii: "}"))
    }
  }

  private mutating func appendQuoted(_ text: String) {
    var text = text
    text.withUTF8 { utf8 in
      if utf8.contains(where: Self.needsEscape) {
        appendEscaped(utf8)
      } else {
        appendInPlace(capacity: utf8.count + 2) { buffer in
          buffer[0] = UInt8(ascii: "\"")
          if let start = utf8.baseAddress { buffer.baseAddress?.advanced(by: 1).update(from: start, count: utf8.count) }
          buffer[utf8.count + 1] = UInt8(ascii: "\"")
          return utf8.count + 2
        }
      }
    }
  }

  private static func needsEscape(_ byte: UInt8) -> Bool {
    byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x7F
  }

  private mutating func appendEscaped(_ utf8: UnsafeBufferPointer<UInt8>) {
    bytes.append(UInt8(ascii: "\""))
    var start = 0
    for index in 0..<utf8.count where Self.needsEscape(utf8[index]) {
      bytes.append(contentsOf: utf8[start..<index])
      appendEscape(utf8[index])
      start = index + 1
    }
    bytes.append(contentsOf: utf8[start...])
    bytes.append(UInt8(ascii: "\""))
  }

  private mutating func appendEscape(_ byte: UInt8) {
    bytes.append(UInt8(ascii: "\\"))
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(byte)
    case 0x0A: bytes.append(UInt8(ascii: "n"))
    case 0x0D: bytes.append(UInt8(ascii: "r"))
    case 0x09: bytes.append(UInt8(ascii: "t"))
    default:
      let low = byte & 15
      bytes.append(contentsOf: "u00".utf8)
      bytes.append(UInt8(ascii: "0") + byte >> 4)
      bytes.append(low < 10 ? UInt8(ascii: "0") + low : UInt8(ascii: "a") - 10 + low)
    }
  }

  /// Reserves once and lets `write` fill the room with plain stores; it gives how much it used.
  private mutating func appendInPlace(capacity: Int, _ write: (UnsafeMutableBufferPointer<UInt8>) -> Int) {
    bytes.append(addingCapacity: capacity) { span in
      span.withUnsafeMutableBufferPointer { buffer, count in count = write(buffer) }
    }
  }
}
