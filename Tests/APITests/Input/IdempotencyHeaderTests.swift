import Domain
import HTTPServer
import Testing

@testable import API

@Suite struct IdempotencyHeaderTests {
  private func key(_ values: [String]) throws -> String? {
    try IdempotencyHeader.key(
      in: #require(
        RequestHead(method: .post, target: "/v1/jobs", headers: values.map { ("Idempotency-Key", $0) })))
  }

  @Test(arguments: [
    ("8e03978e-40d5", "8e03978e-40d5"), ("\"8e03978e-40d5\"", "8e03978e-40d5"), ("a\"b", "a\"b"),
    ("\"a\\\"b\\\\\"", "a\"b\\"), (String(repeating: "k", count: 255), String(repeating: "k", count: 255)),
  ])
  func `a key comes bare or quoted`(value: String, expected: String) throws {
    #expect(try key([value]) == expected)
  }

  @Test(arguments: [
    "", "\"\"", "\"a", "\"a\"b", "\"a\\n\"", "a b", "\"a b\"", "ä", "\"\\\"", String(repeating: "k", count: 256),
  ])
  func `what is no key is refused`(value: String) {
    let error = #expect(throws: APIError.self) { try key([value]) }
    #expect(error?.problem.status == 400)
  }

  @Test func `no header is no key, two are refused`() throws {
    #expect(try key([]) == nil)
    #expect(throws: APIError.self) { try key(["a", "a"]) }
  }

  @Test func `the fingerprint covers the body and the id of the path`() throws {
    let head = try #require(RequestHead(method: .post, target: "/x", headers: [("Idempotency-Key", "k")]))
    func key(_ id: String?, _ body: String, _ principal: String = "p") throws -> IdempotencyKey? {
      let context = RequestContext(requestID: "r", traceID: nil, route: nil, principal: principal)
      return try Call(head: head, id: id, part: nil, body: Array(body.utf8), context: context).idempotencyKey(.retryJob)
    }
    let first = try key("job_1", "{}")
    #expect(first == (try key("job_1", "{}")))
    #expect(first?.fingerprint != (try key("job_2", "{}"))?.fingerprint)
    #expect(first?.fingerprint != (try key("job_1", "{ }"))?.fingerprint)
    #expect(first != (try key("job_1", "{}", "other")))
    #expect(first?.route == "retryJob" && first?.fingerprint.utf8.count == 64)
  }
}
