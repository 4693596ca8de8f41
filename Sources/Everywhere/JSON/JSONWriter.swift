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

  private mutating func name(_ name: StaticString) {
    separate()
    bytes.append(UInt8(ascii: "\""))
    bytes.append(contentsOf: UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
    bytes.append(UInt8(ascii: "\""))
    bytes.append(UInt8(ascii: ":"))
  }

  private mutating func append(_ value: String) {
    appendQuoted(value)
    needsComma = true
  }

  private mutating func append(_ value: Bool) {
    bytes.append(contentsOf: (value ? "true" : "false").utf8)
    needsComma = true
  }

  private mutating func append(_ value: some BinaryInteger) {
    bytes.append(contentsOf: String(value).utf8)
    needsComma = true
  }

  private mutating func append(_ value: Double) {
    guard value.isFinite else { return appendNull() }
    if value == value.rounded(), abs(value) < 1e15 {
      bytes.append(contentsOf: String(Int64(value)).utf8)
    } else {
      bytes.append(contentsOf: value.description.utf8)
    }
    needsComma = true
  }

  private mutating func appendNull() {
    bytes.append(contentsOf: "null".utf8)
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
    bytes.append(UInt8(ascii: "\""))
    var text = text
    text.withUTF8 { utf8 in
      var start = 0
      for index in 0..<utf8.count {
        let byte = utf8[index]
        guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x7F else { continue }
        bytes.append(contentsOf: utf8[start..<index])
        appendEscape(byte)
        start = index + 1
      }
      bytes.append(contentsOf: utf8[start..<utf8.count])
    }
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
      let digits = Array("0123456789abcdef".utf8)
      bytes.append(contentsOf: "u00".utf8)
      bytes.append(digits[Int(byte >> 4)])
      bytes.append(digits[Int(byte & 15)])
    }
  }
}
