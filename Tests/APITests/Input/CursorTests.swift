import Domain
import Testing

@testable import API

@Suite struct CursorTests {
  private let codec = CursorCodec(secret: Array(repeating: 7, count: 32))
  private let position = PagePosition(
    createdAt: Timestamp(microseconds: 1_800_000_000_123_456), id: "job_01kajv0c3m7q2x9d4f8w6r5tnh")

  @Test func `a cursor leads back to where the page ended`() throws {
    let text = codec.encode(position, scope: "jobs")
    #expect(try codec.decode(text, scope: "jobs") == position)
    #expect(text.utf8.allSatisfy { $0.isASCIILetterOrDigit || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") })
    let early = PagePosition(createdAt: Timestamp(microseconds: -5), id: "ins_x")
    #expect(try codec.decode(codec.encode(early, scope: ""), scope: "") == early)
  }

  @Test func `a cursor changed in any character is refused`() {
    let text = Array(codec.encode(position, scope: "jobs").utf8)
    for place in text.indices {
      var changed = text
      changed[place] = changed[place] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
      #expect(throws: APIError.self) {
        try codec.decode(String(decoding: changed, as: UTF8.self), scope: "jobs")
      }
    }
  }

  @Test func `a cursor of other filters or of another installation is refused`() {
    let text = codec.encode(position, scope: "jobs\nstate=running")
    #expect(throws: APIError.queryParameter(name: "cursor", detail: "belongs to a list with other filters")) {
      try codec.decode(text, scope: "jobs\nstate=failed")
    }
    #expect(throws: APIError.self) {
      try CursorCodec(secret: Array(repeating: 8, count: 32)).decode(text, scope: "jobs\nstate=running")
    }
  }

  @Test(arguments: ["", "A", "AAAA", "====", "ä", "' OR 1=1 --", String(repeating: "A", count: 10_000)])
  func `what is no cursor is refused`(text: String) {
    #expect(throws: APIError.self) { try codec.decode(text, scope: "jobs") }
  }

  @Test func `base64url gives back every length of bytes, and one text only for each`() {
    for count in 0..<70 {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ count) }
      #expect(Base64URL.decode(Base64URL.encode(bytes)) == bytes)
    }
    #expect(Base64URL.encode([0xFB, 0xFF]) == "-_8")
    #expect(Base64URL.decode("-_9") == nil, "bits left over that are not zero")
    #expect(Base64URL.decode("-_8=") == nil)
  }
}
