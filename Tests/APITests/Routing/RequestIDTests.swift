import HTTPServer
import Testing

@testable import API

@Suite struct RequestIDTests {
  private func id(_ headers: [(name: String, value: String)]) throws -> String {
    let head = try #require(RequestHead(method: .get, target: "/livez", headers: headers))
    return RequestIDs(boot: 1).id(for: head)
  }

  @Test(arguments: ["a", "0", "A-z_0.9", String(repeating: "x", count: 128)])
  func `a caller's own id is kept when it is harmless`(given: String) throws {
    #expect(try id([("X-Request-Id", given)]) == given)
  }

  @Test(arguments: [
    "", " ", "a b", "ä", "a\"b", "a/b", "a;b", "<script>", "$(id)", String(repeating: "x", count: 129),
    String(repeating: "x", count: 10_000),
  ])
  func `anything else is replaced by one of ours`(given: String) throws {
    #expect(try id([("X-Request-Id", given)]) == "000000100000001")
  }

  @Test func `ids made here differ, fit the form that we accept, and carry the start of the process`() {
    let ids = RequestIDs()
    let made = (0..<2000).map { _ in ids.next() }
    #expect(Set(made).count == made.count)
    #expect(made.allSatisfy { RequestIDs.isAcceptable($0) && $0.utf8.count == 15 })
    #expect(Set(made.map { $0.prefix(7) }).count == 1)
  }

  @Test func `a valid traceparent gives its trace id`() {
    let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    #expect(RequestIDs.traceID(in: valid) == "4bf92f3577b34da6a3ce929d0e0e4736")
    // A later version may append members after a dash.
    #expect(RequestIDs.traceID(in: "cc" + valid.dropFirst(2) + "-more") == "4bf92f3577b34da6a3ce929d0e0e4736")
  }

  @Test(
    arguments: [
      nil, "", "junk", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
      "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
      "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
      "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
      "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
    ] as [String?])
  func `a traceparent that is not valid is ignored`(header: String?) {
    #expect(RequestIDs.traceID(in: header) == nil)
  }
}
