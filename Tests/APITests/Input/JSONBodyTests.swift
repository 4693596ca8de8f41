import FleetService
import HTTPServer
import Testing

@testable import API

@Suite struct JSONBodyTests {
  private func status(type: String?, encoding: String? = nil) throws -> Int? {
    var headers: [(name: String, value: String)] = []
    if let type { headers.append(("Content-Type", type)) }
    if let encoding { headers.append(("Content-Encoding", encoding)) }
    let head = try #require(RequestHead(method: .post, target: "/v1/jobs", headers: headers))
    do throws(APIError) {
      try JSONBody.checkHeaders(head)
      return nil
    } catch {
      return error.problem.status
    }
  }

  @Test(arguments: [
    "application/json", "Application/JSON", "application/json; charset=utf-8", "application/json;charset=UTF-8",
    "application/json; charset=\"utf-8\"", "application/json;",
  ])
  func `JSON in UTF-8 is taken`(type: String) throws {
    #expect(try status(type: type) == nil)
  }

  @Test(
    arguments: [
      nil, "", "text/plain", "application/x-www-form-urlencoded", "application/jsonp",
      "application/json; charset=latin1",
      "application/json, text/plain", "application/problem+json",
    ] as [String?])
  func `another type is refused before a byte of the body is read`(type: String?) throws {
    #expect(try status(type: type) == 415)
  }

  @Test func `an encoded body is refused, for a bomb is one`() throws {
    #expect(try status(type: "application/json", encoding: "gzip") == 415)
    #expect(try status(type: "application/json", encoding: "identity") == nil)
  }

  /// The attacks on parsers of the security list.
  @Test(arguments: [
    String(repeating: "[", count: 100_000), "{\"command\":" + String(repeating: "[", count: 65), "1e400x",
    "{\"a\":1e400}",
    "{\"a\":NaN}", "{\"a\":Infinity}", "{\"a\":01}", "{\"a\":+1}", "{\"a\":.5}", "{'a':1}", "{\"a\":1,}", "{\"a\":1}x",
    "{\"a\":\"\\ud800\"}", "{\"a\":\"\u{1}\"}", "{\"a\":1,\"a\":2}", "\u{FEFF}{}", "", " ", "{", "nul", "{\"a\" 1}",
  ])
  func `broken, deep and doubtful JSON is refused with the byte`(text: String) {
    let error = #expect(throws: APIError.self) { try JSONBody.object(Array(text.utf8)) }
    guard case .malformedBody(let detail) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(detail.contains("byte "))
    #expect(error?.problem.status == 400)
    #expect(error?.problem.errors == [])
  }

  @Test func `invalid UTF-8 and a NUL are refused`() {
    for bytes in [[0x7B, 0x22, 0xFF, 0x22, 0x3A, 0x31, 0x7D], [0x7B, 0x00, 0x7D], [0xC0, 0x80]] as [[UInt8]] {
      let error = #expect(throws: APIError.self) { try JSONBody.object(bytes) }
      #expect(error?.problem.status == 400)
    }
  }

  @Test func `a body of the largest size is read in little time, a larger one refused`() throws {
    let members = (0..<60_000).map { "\"k\($0)\":1" }.joined(separator: ",")
    let body = Array("{\(members)}".utf8)
    try #require(body.count < Limits.jsonBodyBytes)
    let clock = ContinuousClock()
    let duration = try clock.measure { _ = try JSONBody.object(body) }
    #expect(duration < .seconds(2), "quadratic look-ups would take minutes")
    let larger = [UInt8](repeating: UInt8(ascii: " "), count: Limits.jsonBodyBytes + 1)
    let error = #expect(throws: APIError.self) { try JSONBody.object(larger) }
    #expect(error?.problem.status == 413)
  }

  @Test func `calls that take nothing take nothing or an empty object`() throws {
    let bare = try #require(RequestHead(method: .post, target: "/x"))
    let typed = try #require(
      RequestHead(method: .post, target: "/x", headers: [("Content-Type", "application/json")]))
    #expect(throws: Never.self) { try JSONBody.checkEmpty([], bare) }
    #expect(throws: Never.self) { try JSONBody.checkEmpty(Array("{}".utf8), typed) }
    #expect(throws: APIError.self) { try JSONBody.checkEmpty(Array("{}".utf8), bare) }
    #expect(throws: APIError.invalid([FieldProblem(pointer: "/force", detail: "is not a known field")])) {
      try JSONBody.checkEmpty(Array("{\"force\":true}".utf8), typed)
    }
  }
}
