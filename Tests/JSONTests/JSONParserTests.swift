import JSON
import Testing

@Suite struct JSONParserTests {
  private func parse(_ text: String, _ limits: JSONLimits = .init()) throws(JSONError) -> JSONValue {
    try JSONValue.parse(Array(text.utf8), limits: limits)
  }

  @Test func `a text of every kind keeps its values and the order of its members`() throws {
    let value = try parse(
      " { \"b\" : [ 1 , -2.5 , true , false , null ] , \"a\" : { } , \"\" : \"x\" , \"e\":[] }\r\n\t")
    #expect(
      value
        == .object(
          JSONObject([
            .init(name: "b", value: .array([.integer(1), .number(-2.5), .bool(true), .bool(false), .null])),
            .init(name: "a", value: .object(JSONObject())), .init(name: "", value: .string("x")),
            .init(name: "e", value: .array([])),
          ])))
  }

  @Test(arguments: [
    ("0", JSONValue.integer(0)), ("-0", .integer(0)), ("9223372036854775807", .integer(.max)),
    ("-9223372036854775808", .integer(.min)), ("9223372036854775808", .number(9_223_372_036_854_775_808)),
    ("-9223372036854775809", .number(-9_223_372_036_854_775_808)),
    ("999999999999999999", .integer(999_999_999_999_999_999)),
    ("1000000000000000000", .integer(1_000_000_000_000_000_000)), ("1.0", .number(1)), ("-0.0", .number(-0.0)),
    ("1e2", .number(100)), ("1E+2", .number(100)), ("1e-2", .number(0.01)), ("1e-999", .number(0)),
    ("0.1", .number(0.1)), ("0.42137", .number(0.42137)), ("123456789.123456789", .number(123456789.123456789)),
    ("9007199254740993.5", .number(9007199254740993.5)), ("1.7976931348623157e308", .number(.greatestFiniteMagnitude)),
    ("5e-324", .number(.leastNonzeroMagnitude)), ("0.000000000000001", .number(1e-15)),
    ("0.0000000000000001", .number(1e-16)),
  ])
  func `a number keeps its value, and its kind when 64 bits can hold it`(text: String, expected: JSONValue) throws {
    #expect(try parse(text) == expected)
  }

  @Test(arguments: ["1e400", "-1e400", "1e999999999999", String(repeating: "9", count: 400)])
  func `a number out of range is refused, not made infinite`(text: String) {
    #expect(throws: JSONError.malformed(expected: "a number within range", offset: 0)) { try parse(text) }
  }

  @Test(arguments: [
    "", " ", "NaN", "Infinity", "-Infinity", "-", "+1", "01", "-01", "1.", ".5", "1.e5", "1e", "1e+", "0x10", "1_000",
    "tru", "True", "nul", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "{", "}", "{\"a\"", "{\"a\":", "{\"a\":1",
    "{\"a\":1,", "{\"a\":1,}", "{\"a\" 1}", "{a:1}", "{1:1}", "{,}", "\"", "\"a", "\"\\\"", "\"\\x\"", "\"\\u12\"",
    "\"\\u12g4\"", "\"\\u+123\"", "\"\t\"", "\"\u{0}\"", "\u{0}", "1\u{0}", "\u{FEFF}1", "1 2", "null,", "{}{}",
    "'a'", "// c\n1", "1//", "/**/1", "\u{A0}1", "[1\u{B}]", "\"\\u00٣0\"",
  ])
  func `what is not JSON is refused`(text: String) {
    #expect(throws: JSONError.self) { try parse(text) }
  }

  @Test func `the error says what was expected and at which byte`() {
    #expect(throws: JSONError.malformed(expected: "':'", offset: 6)) { try parse(#"{"é" 1}"#) }
    #expect(throws: JSONError.malformed(expected: "the end", offset: 3)) { try parse("{} x") }
    #expect(throws: JSONError.malformed(expected: "no control character", offset: 2)) { try parse("\"a\n\"") }
    #expect(throws: JSONError.malformed(expected: "the end of a string", offset: 2)) { try parse("\"a") }
  }

  @Test func `escapes and pairs of surrogates become the characters they stand for`() throws {
    #expect(
      try parse(#""\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\ud83d\ude00\u0000é😀""#)
        == .string("\"\\/\u{8}\u{C}\n\r\tAé€😀\u{0}é😀"))
  }

  @Test(arguments: [
    #""\ud800""#, #""\udc00""#, #""\ud800x""#, #""\ud800\n""#, #""\ud800\ud800""#, #""\ud800\u0041""#,
    #""\ude00\ud83d""#,
  ])
  func `half a pair of surrogates is refused`(text: String) {
    #expect(throws: JSONError.malformed(expected: "a whole surrogate pair", offset: 3)) { try parse(text) }
  }

  @Test(
    arguments: [
      [0x80], [0xC3], [0xC3, 0x28], [0xC0, 0xAF], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF0, 0x9F, 0x98],
      [0xF4, 0x90, 0x80, 0x80], [0xFE], [0xFF],
    ] as [[UInt8]])
  func `bytes that are no UTF-8 are refused inside a string and outside`(bytes: [UInt8]) {
    let quote = UInt8(ascii: "\"")
    #expect(throws: JSONError.invalidUTF8(offset: 1)) { try JSONValue.parse([quote] + bytes + [quote]) }
    #expect(throws: JSONError.invalidUTF8(offset: 1)) {
      try JSONValue.parse([quote, UInt8(ascii: "\\"), UInt8(ascii: "n")] + bytes + [quote])
    }
    #expect(throws: JSONError.self) { try JSONValue.parse(bytes) }
  }

  @Test func `nesting is cut at the limit, however deep a stranger's text goes`() throws {
    let deepest = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
    #expect(throws: Never.self) { try parse(deepest) }
    #expect(throws: JSONError.tooDeep(limit: 64, offset: 64)) { try parse("[" + deepest + "]") }
    #expect(throws: JSONError.tooDeep(limit: 64, offset: 64)) { try parse(String(repeating: "[", count: 100_000)) }
    #expect(throws: JSONError.tooDeep(limit: 64, offset: 320)) {
      try parse(String(repeating: "{\"a\":", count: 100_000))
    }
  }

  @Test func `siblings do not count as depth`() throws {
    let limits = JSONLimits(depth: 2)
    #expect(throws: Never.self) { try parse("[[],[],{},[[]]]", .init(depth: 3)) }
    #expect(throws: Never.self) { try parse("[[],{},[],{}]", limits) }
    #expect(throws: JSONError.tooDeep(limit: 2, offset: 5)) { try parse("[[],[[]]]", limits) }
  }

  @Test func `a text above the limit of bytes is refused before it is looked at`() throws {
    #expect(throws: JSONError.tooLarge(limit: 4)) { try parse("xxxxx", .init(bytes: 4)) }
    #expect(try parse("true", .init(bytes: 4)) == .bool(true))
  }

  @Test func `a string of ten megabytes and a number of ten million digits do no harm`() throws {
    let long = [UInt8](repeating: UInt8(ascii: "7"), count: 10 << 20)
    let quote = [UInt8(ascii: "\"")]
    guard case .string(let text) = try JSONValue.parse(quote + long + quote) else { return #expect(Bool(false)) }
    #expect(text.utf8.count == 10 << 20)
    #expect(throws: JSONError.malformed(expected: "a number within range", offset: 0)) { try JSONValue.parse(long) }
    guard case .number(let fraction) = try JSONValue.parse(Array("0.".utf8) + long) else { return #expect(Bool(false)) }
    #expect(fraction == 0.7777777777777778)
  }

  @Test func `the last of two equal names wins, or is an error where that is asked for`() throws {
    guard case .object(let object) = try parse(#"{"a":1,"b":2,"a":3}"#) else { return #expect(Bool(false)) }
    #expect(object["a"] == .integer(3))
    #expect(object["c"] == nil)
    #expect(throws: JSONError.duplicateName("a", offset: 13)) {
      try parse(#"{"a":1,"b":2,"\u0061":3}"#, .init(refusesDuplicateNames: true))
    }
    // The same name in different objects is no duplicate.
    #expect(throws: Never.self) { try parse(#"{"a":{"a":1},"b":{"a":1}}"#, .init(refusesDuplicateNames: true)) }
  }

  @Test(arguments: [2, 15, 16, 17, 18, 40, 100_000])
  func `a duplicate is found among few and among very many names`(count: Int) {
    let members = (0..<count - 1).map { "\"name\($0)\":0" }.joined(separator: ",")
    let limits = JSONLimits(refusesDuplicateNames: true)
    #expect(throws: Never.self) { try parse("{\(members)}", limits) }
    for repeated in [0, (count - 2) / 2, count - 2] {
      #expect(throws: JSONError.duplicateName("name\(repeated)", offset: members.utf8.count + 2)) {
        try parse("{\(members),\"name\(repeated)\":0}", limits)
      }
    }
  }

  @Test func `bytes that do not lie in one piece are read as well`() throws {
    let pieces = [Array("[1,".utf8), Array("\"a".utf8), Array("b\"]".utf8)].joined()
    #expect(try JSONValue.parse(AnyCollection(Array(pieces))) == .array([.integer(1), .string("ab")]))
  }
}
