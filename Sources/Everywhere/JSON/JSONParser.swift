/// A recursive descent over the bytes; recursion is bounded by `JSONLimits.depth`.
struct JSONParser {
  let bytes: [UInt8]
  let limits: JSONLimits
  private var offset = 0
  private var depth = 0

  init(bytes: [UInt8], limits: JSONLimits) {
    self.bytes = bytes
    self.limits = limits
  }

  mutating func parseText() throws(JSONError) -> JSONValue {
    guard bytes.count <= limits.bytes else { throw .tooLarge(limit: limits.bytes) }
    skipWhitespace()
    let value = try parseValue()
    skipWhitespace()
    guard offset == bytes.count else { throw .malformed(expected: "the end", offset: offset) }
    return value
  }

  private mutating func parseValue() throws(JSONError) -> JSONValue {
    guard offset < bytes.count else { throw .malformed(expected: "a value", offset: offset) }
    switch bytes[offset] {
    case UInt8(ascii: "{"): return try parseObject()
    case UInt8(ascii: "["): return try parseArray()
    case UInt8(ascii: "\""): return .string(try parseString())
    case UInt8(ascii: "t"): return try parseWord("true", as: .bool(true))
    case UInt8(ascii: "f"): return try parseWord("false", as: .bool(false))
    case UInt8(ascii: "n"): return try parseWord("null", as: .null)
    default: return try parseNumber()
    }
  }

  private mutating func parseObject() throws(JSONError) -> JSONValue {
    try enter()
    var members: [JSONObject.Member] = []
    var names: Set<String> = []
    skipWhitespace()
    if take("}") {
      depth -= 1
      return .object(JSONObject())
    }
    repeat {
      skipWhitespace()
      guard offset < bytes.count, bytes[offset] == UInt8(ascii: "\"") else {
        throw .malformed(expected: "a member name", offset: offset)
      }
      let nameOffset = offset
      let name = try parseString()
      if limits.refusesDuplicateNames, !names.insert(name).inserted {
        throw .duplicateName(name, offset: nameOffset)
      }
      skipWhitespace()
      try expect(":")
      skipWhitespace()
      members.append(.init(name: name, value: try parseValue()))
      skipWhitespace()
    } while take(",")
    try expect("}")
    depth -= 1
    return .object(JSONObject(members))
  }

  private mutating func parseArray() throws(JSONError) -> JSONValue {
    try enter()
    var items: [JSONValue] = []
    skipWhitespace()
    if take("]") {
      depth -= 1
      return .array([])
    }
    repeat {
      skipWhitespace()
      items.append(try parseValue())
      skipWhitespace()
    } while take(",")
    try expect("]")
    depth -= 1
    return .array(items)
  }

  /// Steps over the opening bracket.
  private mutating func enter() throws(JSONError) {
    depth += 1
    guard depth <= limits.depth else { throw .tooDeep(limit: limits.depth, offset: offset) }
    offset += 1
  }

  private mutating func parseString() throws(JSONError) -> String {
    offset += 1
    let start = offset
    while offset < bytes.count, bytes[offset] != UInt8(ascii: "\""), bytes[offset] != UInt8(ascii: "\\") {
      guard bytes[offset] >= 0x20 else { throw .malformed(expected: "no control character", offset: offset) }
      offset += 1
    }
    if offset < bytes.count, bytes[offset] == UInt8(ascii: "\"") {
      defer { offset += 1 }
      return try text(bytes[start..<offset], at: start)
    }
    return try parseEscapedString(start: start)
  }

  private mutating func parseEscapedString(start: Int) throws(JSONError) -> String {
    var content = Array(bytes[start..<offset])
    while offset < bytes.count {
      let byte = bytes[offset]
      offset += 1
      switch byte {
      case UInt8(ascii: "\""):
        return try text(content[...], at: start)
      case UInt8(ascii: "\\"):
        try appendEscape(to: &content)
      case 0..<0x20:
        throw .malformed(expected: "no control character", offset: offset - 1)
      default:
        content.append(byte)
      }
    }
    throw .malformed(expected: "the end of a string", offset: offset)
  }

  private mutating func appendEscape(to content: inout [UInt8]) throws(JSONError) {
    guard offset < bytes.count else { throw .malformed(expected: "an escape", offset: offset) }
    let byte = bytes[offset]
    offset += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(byte)
    case UInt8(ascii: "b"): content.append(0x08)
    case UInt8(ascii: "f"): content.append(0x0C)
    case UInt8(ascii: "n"): content.append(0x0A)
    case UInt8(ascii: "r"): content.append(0x0D)
    case UInt8(ascii: "t"): content.append(0x09)
    case UInt8(ascii: "u"): content.append(contentsOf: String(try parseUnicodeEscape()).utf8)
    default: throw .malformed(expected: "an escape", offset: offset - 1)
    }
  }

  private mutating func parseUnicodeEscape() throws(JSONError) -> Character {
    let start = offset
    let first = try parseHex4()
    if let scalar = Unicode.Scalar(first) { return Character(scalar) }
    // A high surrogate must be followed by an escaped low one (RFC 8259 §7).
    guard (0xD800..<0xDC00).contains(first), take("\\"), take("u") else {
      throw .malformed(expected: "a whole surrogate pair", offset: start)
    }
    let second = try parseHex4()
    guard (0xDC00..<0xE000).contains(second),
      let scalar = Unicode.Scalar(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
    else { throw .malformed(expected: "a whole surrogate pair", offset: start) }
    return Character(scalar)
  }

  private mutating func parseHex4() throws(JSONError) -> UInt32 {
    guard offset + 4 <= bytes.count else { throw .malformed(expected: "four hex digits", offset: offset) }
    var value: UInt32 = 0
    for byte in bytes[offset..<offset + 4] {
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
        throw .malformed(expected: "four hex digits", offset: offset)
      }
      value = value << 4 | UInt32(digit)
    }
    offset += 4
    return value
  }

  private mutating func parseNumber() throws(JSONError) -> JSONValue {
    let start = offset
    _ = take("-")
    let digits = takeDigits()
    guard digits > 0, digits == 1 || bytes[offset - digits] != UInt8(ascii: "0") else {
      throw .malformed(expected: "a value", offset: start)
    }
    var isInteger = true
    if take(".") {
      isInteger = false
      guard takeDigits() > 0 else { throw .malformed(expected: "a digit", offset: offset) }
    }
    if take("e") || take("E") {
      isInteger = false
      if !take("-") { _ = take("+") }
      guard takeDigits() > 0 else { throw .malformed(expected: "a digit", offset: offset) }
    }
    let literal = String(decoding: bytes[start..<offset], as: UTF8.self)
    if isInteger, let value = Int64(literal) { return .integer(value) }
    guard let value = Double(literal), value.isFinite else {
      throw .malformed(expected: "a number within range", offset: start)
    }
    return .number(value)
  }

  private mutating func parseWord(_ word: StaticString, as value: JSONValue) throws(JSONError) -> JSONValue {
    let length = word.utf8CodeUnitCount
    let matches =
      offset + length <= bytes.count
      && (0..<length).allSatisfy { bytes[offset + $0] == word.utf8Start[$0] }
    guard matches else { throw .malformed(expected: "a value", offset: offset) }
    offset += length
    return value
  }

  private func text(_ slice: ArraySlice<UInt8>, at start: Int) throws(JSONError) -> String {
    guard let text = String(validating: slice, as: UTF8.self) else { throw .invalidUTF8(offset: start) }
    return text
  }

  private mutating func takeDigits() -> Int {
    let start = offset
    while offset < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[offset]) { offset += 1 }
    return offset - start
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard offset < bytes.count, bytes[offset] == UInt8(ascii: character) else { return false }
    offset += 1
    return true
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(JSONError) {
    guard take(character) else { throw .malformed(expected: "'\(character)'", offset: offset) }
  }

  private mutating func skipWhitespace() {
    while offset < bytes.count, [0x20, 0x0A, 0x0D, 0x09].contains(bytes[offset]) { offset += 1 }
  }
}
