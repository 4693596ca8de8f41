import JSON
import Testing

@Suite struct JSONWriterTests {
  private func written(_ body: (inout JSONWriter) -> Void) -> String {
    var writer = JSONWriter()
    body(&writer)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  @Test func `members and elements stand in the order of the calls with commas between`() {
    let text = written { writer in
      writer.object { writer in
        writer.member("a", 1)
        writer.object("o") { $0.member("b", true) }
        writer.array("empty") { _ in }
        writer.array("list") { writer in
          writer.element(1)
          writer.element("x")
          writer.object { $0.null("n") }
          writer.array { $0.element(2) }
          writer.element(raw: Array("{\"raw\":1}".utf8))
        }
        writer.member("raw", raw: "[]".utf8)
        writer.member("none", Optional<String>.none)
        writer.member("no number", Optional<Int>.none)
        writer.member(dynamic: "k\"", .array([.null, .bool(false)]))
        writer.member("last", "z")
      }
    }
    #expect(
      text
        == #"{"a":1,"o":{"b":true},"empty":[],"list":[1,"x",{"n":null},[2],{"raw":1}],"raw":[],"none":null,"no number":null,"k\"":[null,false],"last":"z"}"#
    )
  }

  @Test(arguments: [
    (Int64(0), "0"), (7, "7"), (10, "10"), (99, "99"), (100, "100"), (-1, "-1"), (1_234_567_890, "1234567890"),
    (.max, "9223372036854775807"), (.min, "-9223372036854775808"),
  ])
  func `integers are written digit for digit`(value: Int64, expected: String) {
    #expect(written { $0.element(value) } == expected)
    #expect(written { $0.element(.integer(value)) } == expected)
    #expect(written { writer in writer.object { $0.member("n", value) } } == "{\"n\":\(expected)}")
  }

  @Test func `the widest integers and the narrowest come out right`() {
    #expect(written { $0.element(UInt64.max) } == "18446744073709551615")
    #expect(written { $0.element(Int8.min) } == "-128")
    #expect(written { writer in writer.object { $0.member("n", Optional(UInt16.max)) } } == "{\"n\":65535}")
  }

  @Test(arguments: [
    (0.0, "0"), (-0.0, "0"), (1.0, "1"), (-2.5, "-2.5"), (0.1, "0.1"), (1e15, "1000000000000000"), (1e16, "1e+16"),
    (1e300, "1e+300"), (.leastNonzeroMagnitude, "5e-324"), (.infinity, "null"), (-.infinity, "null"), (.nan, "null"),
  ])
  func `numbers are as short as reads back the same, and null when JSON has no word for them`(
    value: Double, expected: String
  ) {
    #expect(written { writer in writer.object { $0.member("n", value) } } == "{\"n\":\(expected)}")
  }

  @Test(arguments: [
    (Int64(0), "0"), (1, "0.000001"), (-1, "-0.000001"), (420_000, "0.42"), (1_000_000, "1"), (-1_500_000, "-1.5"),
    (123_456_789_012_345, "123456789.012345"), (.max, "9223372036854.775807"), (.min, "-9223372036854.775808"),
  ])
  func `money is written digit for digit from micro-dollars`(value: Int64, expected: String) {
    #expect(written { writer in writer.object { $0.member("usd", microdollars: value) } } == "{\"usd\":\(expected)}")
  }

  @Test(arguments: [
    (Int64(0), "1970-01-01T00:00:00.000Z"), (1_784_538_300_123_999, "2026-07-20T09:05:00.123Z"),
    (951_782_400_000_000, "2000-02-29T00:00:00.000Z"), (4_107_542_400_000_000, "2100-03-01T00:00:00.000Z"),
    (-1, "1969-12-31T23:59:59.999Z"), (-62_135_596_800_000_000, "0001-01-01T00:00:00.000Z"),
    (253_402_300_799_999_999, "9999-12-31T23:59:59.999Z"),
  ])
  func `a time is RFC 3339 in UTC, cut to the millisecond`(microseconds: Int64, expected: String) {
    #expect(
      written { writer in writer.object { $0.member("at", timeMicroseconds: microseconds) } }
        == "{\"at\":\"\(expected)\"}")
    var bytes: [UInt8] = []
    RFC3339.append(microseconds: microseconds, to: &bytes)
    #expect(bytes.count == RFC3339.length)
  }

  @Test func `money and times that are not known are null`() {
    let text = written { writer in
      writer.object { writer in
        writer.member("usd", microdollars: nil)
        writer.member("at", timeMicroseconds: nil)
      }
    }
    #expect(text == #"{"usd":null,"at":null}"#)
  }

  @Test func `text is escaped where JSON asks for it, and nowhere else`() {
    #expect(
      written { $0.element("a\"b\\c/\n\r\t\u{0}\u{1F}\u{7F}é😀\u{2028}") }
        == "\"a\\\"b\\\\c/\\n\\r\\t\\u0000\\u001f\\u007fé😀\u{2028}\"")
    #expect(written { $0.element("") } == "\"\"")
  }
}
