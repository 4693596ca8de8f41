/// A recursive descent over the bytes; recursion is bounded by `JSONLimits.depth`.
///
/// Works on borrowed memory without copies: strings are made straight from it, and numbers of common size without one.
struct JSONParser {
  private let bytes: UnsafeBufferPointer<UInt8>
  private let limits: JSONLimits
  private var offset = 0
  private var depth = 0

  /// `bytes` must outlive the parser.
  init(bytes: UnsafeBufferPointer<UInt8>, limits: JSONLimits) {
    self.bytes = bytes
    self.limits = limits
  }

  mutating func parseText() throws(JSONError) -> JSONValue {
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

  // MARK: Containers

  private mutating func parseObject() throws(JSONError) -> JSONValue {
    try enter()
    skipWhitespace()
    if take(UInt8(ascii: "}")) {
      depth -= 1
      return .object(JSONObject())
    }
    var members: [JSONObject.Member] = []
    members.reserveCapacity(8)
    var names = UniqueNames()
    repeat {
      skipWhitespace()
      guard offset < bytes.count, bytes[offset] == UInt8(ascii: "\"") else {
        throw .malformed(expected: "a member name", offset: offset)
      }
      let nameOffset = offset
      let name = try parseString()
      if limits.refusesDuplicateNames, !names.insert(name, after: members) {
        throw .duplicateName(name, offset: nameOffset)
      }
      skipWhitespace()
      try expect(UInt8(ascii: ":"))
      skipWhitespace()
      members.append(.init(name: name, value: try parseValue()))
      skipWhitespace()
    } while take(UInt8(ascii: ","))
    try expect(UInt8(ascii: "}"))
    depth -= 1
    return .object(JSONObject(members))
  }

  private mutating func parseArray() throws(JSONError) -> JSONValue {
    try enter()
    skipWhitespace()
    if take(UInt8(ascii: "]")) {
      depth -= 1
      return .array([])
    }
    var items: [JSONValue] = []
    repeat {
      skipWhitespace()
      items.append(try parseValue())
      skipWhitespace()
    } while take(UInt8(ascii: ","))
    try expect(UInt8(ascii: "]"))
    depth -= 1
    return .array(items)
  }

  /// Steps over the opening bracket.
  private mutating func enter() throws(JSONError) {
    depth += 1
    guard depth <= limits.depth else { throw .tooDeep(limit: limits.depth, offset: offset) }
    offset += 1
  }

  /// The names of one object so far. A few are compared one by one; a set, which hashes each, pays only for more.
  private struct UniqueNames {
    private static let compared = 16
    private var set: Set<String> = []

    /// False when an earlier member has this name.
    mutating func insert(_ name: String, after members: [JSONObject.Member]) -> Bool {
      if members.count < Self.compared { return !members.contains { $0.name == name } }
      if set.isEmpty { set = Set(members.map(\.name)) }
      return set.insert(name).inserted
    }
  }

  // MARK: Strings

  private mutating func parseString() throws(JSONError) -> String {
    offset += 1
    let start = offset
    while offset < bytes.count {
      switch bytes[offset] {
      case UInt8(ascii: "\""):
        let text = try text(UnsafeBufferPointer(rebasing: bytes[start..<offset]), at: start)
        offset += 1
        return text
      case UInt8(ascii: "\\"): return try parseEscapedString(start: start)
      case 0..<0x20: throw .malformed(expected: "no control character", offset: offset)
      default: offset += 1
      }
    }
    throw .malformed(expected: "the end of a string", offset: offset)
  }

  /// Goes on at the first backslash; what came before is taken over as it stands, and so is each stretch between escapes.
  private mutating func parseEscapedString(start: Int) throws(JSONError) -> String {
    var content: [UInt8] = []
    var plainStart = start
    while offset < bytes.count {
      switch bytes[offset] {
      case UInt8(ascii: "\""):
        content.append(contentsOf: bytes[plainStart..<offset])
        offset += 1
        return try content.withUnsafeBufferPointer { (buffer) throws(JSONError) in try text(buffer, at: start) }
      case UInt8(ascii: "\\"):
        content.append(contentsOf: bytes[plainStart..<offset])
        offset += 1
        try appendEscape(to: &content)
        plainStart = offset
      case 0..<0x20: throw .malformed(expected: "no control character", offset: offset)
      default: offset += 1
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
    case UInt8(ascii: "u"): content.append(contentsOf: UTF8.encode(try parseUnicodeEscape())!)
    default: throw .malformed(expected: "an escape", offset: offset - 1)
    }
  }

  private mutating func parseUnicodeEscape() throws(JSONError) -> Unicode.Scalar {
    let start = offset
    let first = try parseHex4()
    if let scalar = Unicode.Scalar(first) { return scalar }
    // A high surrogate must be followed by an escaped low one (RFC 8259 §7).
    guard (0xD800..<0xDC00).contains(first), take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
      throw .malformed(expected: "a whole surrogate pair", offset: start)
    }
    let second = try parseHex4()
    guard (0xDC00..<0xE000).contains(second),
      let scalar = Unicode.Scalar(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
    else { throw .malformed(expected: "a whole surrogate pair", offset: start) }
    return scalar
  }

  private mutating func parseHex4() throws(JSONError) -> UInt32 {
    guard offset + 4 <= bytes.count else { throw .malformed(expected: "four hex digits", offset: offset) }
    var value: UInt32 = 0
    for index in offset..<offset + 4 {
      let digit: UInt8
      switch bytes[index] {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = bytes[index] - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = bytes[index] - UInt8(ascii: "a") + 10
      case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = bytes[index] - UInt8(ascii: "A") + 10
      default: throw .malformed(expected: "four hex digits", offset: offset)
      }
      value = value << 4 | UInt32(digit)
    }
    offset += 4
    return value
  }

  private func text(_ utf8: UnsafeBufferPointer<UInt8>, at start: Int) throws(JSONError) -> String {
    // Most strings are ASCII, which is valid by itself; the generic check below costs five times as much as all the rest.
    var bits: UInt8 = 0
    for byte in utf8 { bits |= byte }
    if bits < 0x80 {
      return String(unsafeUninitializedCapacity: utf8.count) { $0.update(fromContentsOf: utf8) }
    }
    guard let text = String(validating: utf8, as: UTF8.self) else { throw .invalidUTF8(offset: start) }
    return text
  }

  // MARK: Numbers and words

  private mutating func parseNumber() throws(JSONError) -> JSONValue {
    let start = offset
    let isNegative = take(UInt8(ascii: "-"))
    var digits = DigitSum()
    let whole = takeDigits(into: &digits)
    guard whole > 0, whole == 1 || bytes[offset - whole] != UInt8(ascii: "0") else {
      throw .malformed(expected: "a value", offset: start)
    }
    var decimals = 0
    if take(UInt8(ascii: ".")) {
      decimals = takeDigits(into: &digits)
      guard decimals > 0 else { throw .malformed(expected: "a digit", offset: offset) }
    }
    let hasExponent = take(UInt8(ascii: "e")) || take(UInt8(ascii: "E"))
    if hasExponent {
      if !take(UInt8(ascii: "-")) { _ = take(UInt8(ascii: "+")) }
      var ignored = DigitSum()
      guard takeDigits(into: &ignored) > 0 else { throw .malformed(expected: "a digit", offset: offset) }
    }
    if !hasExponent, let sum = digits.exact {
      if decimals == 0 { return .integer(isNegative ? -sum : sum) }
      // Both are exact as Double, so the one division rounds as the true quotient would (Clinger's fast path).
      if sum < 1 << 53, decimals <= 15 {
        let magnitude = Double(sum) / Self.powersOfTen[decimals]
        return .number(isNegative ? -magnitude : magnitude)
      }
    }
    let literal = String(decoding: UnsafeBufferPointer(rebasing: bytes[start..<offset]), as: UTF8.self)
    if !hasExponent, decimals == 0, let value = Int64(literal) { return .integer(value) }
    guard let value = Double(literal), value.isFinite else {
      throw .malformed(expected: "a number within range", offset: start)
    }
    return .number(value)
  }

  private static let powersOfTen: [Double] = [
    1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
  ]

  /// The value of the digits seen so far, kept as long as it surely fits 64 bits.
  private struct DigitSum {
    private var sum: Int64 = 0
    private var count = 0

    var exact: Int64? { count <= 18 ? sum : nil }

    mutating func append(_ digit: UInt8) {
      count += 1
      if count <= 18 { sum = sum * 10 + Int64(digit) }
    }
  }

  private mutating func takeDigits(into sum: inout DigitSum) -> Int {
    let start = offset
    while offset < bytes.count {
      let digit = bytes[offset] &- UInt8(ascii: "0")
      guard digit < 10 else { break }
      sum.append(digit)
      offset += 1
    }
    return offset - start
  }

  private mutating func parseWord(_ word: StaticString, as value: JSONValue) throws(JSONError) -> JSONValue {
    let length = word.utf8CodeUnitCount
    guard offset + length <= bytes.count else { throw .malformed(expected: "a value", offset: offset) }
    for index in 0..<length where bytes[offset + index] != word.utf8Start[index] {
      throw .malformed(expected: "a value", offset: offset)
    }
    offset += length
    return value
  }

  // MARK: Bytes

  private mutating func take(_ byte: UInt8) -> Bool {
    guard offset < bytes.count, bytes[offset] == byte else { return false }
    offset += 1
    return true
  }

  private mutating func expect(_ byte: UInt8) throws(JSONError) {
    guard take(byte) else { throw .malformed(expected: "'\(Unicode.Scalar(byte))'", offset: offset) }
  }

  private mutating func skipWhitespace() {
    while offset < bytes.count {
      switch bytes[offset] {
      case 0x20, 0x0A, 0x0D, 0x09: offset += 1
      default: return
      }
    }
  }
}
