import HTTPServer
import TestSupport
import Testing

/// Bytes that a well-meaning client never sends. Each is followed on the same connection by a second request, which must
/// never be run: that is what smuggling is.
struct Hostile: Sendable, CustomTestStringConvertible {
  let name: String
  let bytes: String
  /// 0: the connection may end without an answer.
  let statuses: Set<Int>

  init(_ name: String, _ bytes: String, _ statuses: Set<Int> = [400]) {
    self.name = name
    self.bytes = bytes
    self.statuses = statuses
  }

  var testDescription: String { name }
}

private let smuggled = "GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n"
private let host = "Host: test\r\n"

private let framing: [Hostile] = [
  Hostile(
    "chunked beside a length",
    "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"),
  Hostile(
    "a length beside chunked",
    "POST / HTTP/1.1\r\n\(host)Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
  Hostile("two different lengths", "POST / HTTP/1.1\r\n\(host)Content-Length: 0\r\nContent-Length: 40\r\n\r\n"),
  Hostile("two equal lengths", "POST / HTTP/1.1\r\n\(host)Content-Length: 0\r\nContent-Length: 0\r\n\r\n"),
  Hostile("two lengths in one field", "POST / HTTP/1.1\r\n\(host)Content-Length: 0, 0\r\n\r\n"),
  Hostile("a length with a sign", "POST / HTTP/1.1\r\n\(host)Content-Length: +0\r\n\r\n"),
  Hostile("a negative length", "POST / HTTP/1.1\r\n\(host)Content-Length: -1\r\n\r\n"),
  Hostile("a hexadecimal length", "POST / HTTP/1.1\r\n\(host)Content-Length: 0x0\r\n\r\n"),
  Hostile("an empty length", "POST / HTTP/1.1\r\n\(host)Content-Length:\r\n\r\n"),
  Hostile(
    "a length above 2^64", "POST / HTTP/1.1\r\n\(host)Content-Length: 18446744073709551616\r\n\r\n", [400, 413]),
  Hostile(
    "a length of 19 digits", "POST / HTTP/1.1\r\n\(host)Content-Length: 1000000000000000000\r\n\r\n", [400, 413]),
  Hostile("a space before the colon", "POST / HTTP/1.1\r\n\(host)Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
  Hostile("a tab before the colon", "POST / HTTP/1.1\r\n\(host)Content-Length\t: 5\r\n\r\n"),
  Hostile("another encoding", "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
  Hostile("an unknown encoding", "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
  Hostile("chunked with a space behind", "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked \r\n\r\n0\r\n\r\n"),
  Hostile("chunked with a tab behind", "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n"),
  Hostile(
    "chunked twice",
    "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
  Hostile("identity", "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: identity\r\n\r\n"),
  Hostile("chunked in HTTP/1.0", "POST / HTTP/1.0\r\n\(host)Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
  Hostile("a folded encoding", "POST / HTTP/1.1\r\n\(host)Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
  Hostile("a chunk size that is no number", "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n"),
  Hostile(
    "a chunk size above 2^64",
    "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n\r\n", [400, 413]),
  Hostile(
    "a chunk size extension of 100 KB",
    "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\n\r\n5;a=\(String(repeating: "a", count: 100_000))\r\n",
    [400, 413, 431, 500, 0]),
]

private let fields: [Hostile] = [
  Hostile("two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
  Hostile("no host", "GET / HTTP/1.1\r\n\r\n"),
  Hostile("a host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
  Hostile("a host with a user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"),
  Hostile("a NUL in a value", "GET / HTTP/1.1\r\n\(host)X-A: b\0c\r\n\r\n"),
  Hostile("a NUL in a name", "GET / HTTP/1.1\r\n\(host)X\0A: b\r\n\r\n"),
  Hostile("a line that begins with NUL", "GET / HTTP/1.1\r\n\(host)\0X-A: b\r\n\r\n"),
  Hostile("a NUL before the end", "GET / HTTP/1.1\r\n\(host)\0\r\n\r\n"),
  Hostile("a bare CR in a value", "GET / HTTP/1.1\r\n\(host)X-A: b\rc\r\n\r\n"),
  Hostile("a CR before CR LF", "GET / HTTP/1.1\r\n\(host)X-A: b\r\r\n\r\n"),
  Hostile("a bare LF between fields", "GET / HTTP/1.1\r\n\(host)X-A: b\nX-B: c\r\n\r\n"),
  Hostile("a bare LF after the request line", "GET / HTTP/1.1\n\(host)\r\n"),
  Hostile("a bare LF at the end", "GET / HTTP/1.1\r\n\(host)\n"),
  Hostile("only bare LF", "GET / HTTP/1.1\nHost: test\n\n"),
  Hostile("a folded value", "GET / HTTP/1.1\r\n\(host)X-A: b\r\n c\r\n\r\n"),
  Hostile("a value folded with a tab", "GET / HTTP/1.1\r\n\(host)X-A: b\r\n\tc\r\n\r\n"),
  Hostile("a folded first line", "GET / HTTP/1.1\r\n X-A: b\r\n\(host)\r\n"),
  Hostile("a control character", "GET / HTTP/1.1\r\n\(host)X-A: b\u{1B}[2J\r\n\r\n"),
  Hostile("a delete character", "GET / HTTP/1.1\r\n\(host)X-A: b\u{7F}\r\n\r\n"),
  Hostile("a field without a colon", "GET / HTTP/1.1\r\n\(host)X-A\r\n\r\n"),
  Hostile("a field without a name", "GET / HTTP/1.1\r\n\(host): b\r\n\r\n"),
  Hostile("a name in quotes", "GET / HTTP/1.1\r\n\(host)\"X\": b\r\n\r\n"),
  Hostile("a name with a slash", "GET / HTTP/1.1\r\n\(host)X/A: b\r\n\r\n"),
  Hostile("an unknown expectation", "POST / HTTP/1.1\r\n\(host)Expect: 200-ok\r\nContent-Length: 5\r\n\r\n", [417]),
]

private let lines: [Hostile] = [
  Hostile("TRACE", "TRACE / HTTP/1.1\r\n\(host)\r\n", [405]),
  Hostile("CONNECT", "CONNECT test:80 HTTP/1.1\r\n\(host)\r\n", [405]),
  Hostile("an unknown method", "BREW / HTTP/1.1\r\n\(host)\r\n", [501]),
  Hostile("a method in lower case", "get / HTTP/1.1\r\n\(host)\r\n", [501]),
  Hostile("a method with a NUL", "GET\0X / HTTP/1.1\r\n\(host)\r\n"),
  Hostile("a method in brackets", "[GET] / HTTP/1.1\r\n\(host)\r\n"),
  Hostile("two spaces", "GET  / HTTP/1.1\r\n\(host)\r\n"),
  Hostile("two spaces before the version", "GET /  HTTP/1.1\r\n\(host)\r\n"),
  Hostile("a space behind the version", "GET / HTTP/1.1 \r\n\(host)\r\n", [400, 0]),
  Hostile("a space in the target", "GET /a b HTTP/1.1\r\n\(host)\r\n"),
  Hostile("a tab in the target", "GET /a\tb HTTP/1.1\r\n\(host)\r\n"),
  Hostile("a NUL in the target", "GET /a\0b HTTP/1.1\r\n\(host)\r\n"),
  Hostile("a NUL in the query", "GET /?a=b\0c HTTP/1.1\r\n\(host)\r\n"),
  Hostile("HTTP/1.2", "GET / HTTP/1.2\r\n\(host)\r\n", [505]),
  Hostile("HTTP/2.0", "GET / HTTP/2.0\r\n\(host)\r\n", [505]),
  Hostile("HTTP/0.9", "GET /\r\n", [400, 505, 0]),
  Hostile("no version", "GET / \r\n\(host)\r\n", [400, 0]),
  Hostile("a version in lower case", "GET / http/1.1\r\n\(host)\r\n", [400, 0]),
  Hostile("an absolute target", "GET http://test/ HTTP/1.1\r\n\(host)\r\n"),
  Hostile("an asterisk", "OPTIONS * HTTP/1.1\r\n\(host)\r\n"),
  Hostile("no slash", "GET a HTTP/1.1\r\n\(host)\r\n"),
  Hostile("TLS", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\r\n\r\n", [400, 0]),
]

private let targets: [Hostile] = [
  "//", "//a", "/a//b", "/../b", "/a/..", "/a/../b", "/./a", "/a/.", "/%2e%2e/a", "/%2E%2E%2Fa", "/a%2Fb", "/a%2fb",
  "/a%5Cb", "/a\\b", "/%00", "/a%00b", "/%", "/%4", "/%zz", "/%C0%AE%C0%AE/", "/%C3", "/%ff", "/\u{E9}", "/a#b",
  "/?a=%00", "/?a=%", "/?a=%zz", "/?a=%ff", "/?a#b",
].map { Hostile("target \($0)", "GET \($0) HTTP/1.1\r\n\(host)\r\n") }

@Suite struct HostileRequestTests {
  @Test(arguments: framing + fields + lines + targets)
  func `is refused, the connection closed, and nothing behind it run`(_ hostile: Hostile) async throws {
    let handler = echo()
    try await withServer(handler: handler) { server in
      let client = try RawClient(port: server.port)
      await client.send(hostile.bytes + smuggled)
      let answer = String(decoding: try await client.readToEnd(), as: UTF8.self)
      let statuses = answer.split(separator: "HTTP/1.1 ").map { Int($0.prefix(3)) ?? -1 }
      // The library says some of its own refusals twice, so there may be more than one answer, but none of another kind.
      #expect(statuses.allSatisfy(hostile.statuses.contains), "answered \(answer)")
      if statuses.isEmpty {
        #expect(hostile.statuses.contains(0), "closed without an answer")
      } else {
        #expect(answer.lowercased().contains("connection: close"))
      }
      #expect(!handler.begun.contains("GET /smuggled"))
      #expect(handler.begun.isEmpty || hostile.name.contains("chunk size"), "a handler saw \(handler.begun)")

      let next = try RawClient(port: server.port)
      await next.send(get("/alive"))
      #expect(try await next.response().text == "GET /alive ")
      #expect(await eventually { server.requestsInFlight == 0 })
    }
  }

  @Test func `headers that arrive in pieces are read like those that come at once`() async throws {
    let handler = TestHandler { _ in
      .respond(bodyLimit: 0) { .text($0.head.headerValues("X-Field").joined(separator: ",")) }
    }
    try await withServer(handler: handler) { server in
      let client = try RawClient(port: server.port)
      var request = "GET /pieces?a=1&b=2 HTTP/1.1\r\nHost: test\r\n"
      for number in 0..<40 { request += "X-Field: \(number)-\(String(repeating: "v", count: 200))\r\n" }
      request += "\r\n"
      let bytes = Array(request.utf8)
      for start in stride(from: 0, to: bytes.count, by: 611) {
        await client.send(Array(bytes[start..<min(start + 611, bytes.count)]))
        await Task.yield()
      }
      let response = try await client.response()
      #expect(response.status == 200)
      #expect(response.text.split(separator: ",").count == 40)
    }
  }

  @Test func `a chunked request is the last one of its connection`() async throws {
    let handler = echo()
    try await withServer(handler: handler) { server in
      let client = try RawClient(port: server.port)
      await client.send(
        "POST /first HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Trailer: a\r\n\r\n"
          + smuggled)
      let response = try await client.response()
      #expect(response.text == "POST /first hello")
      #expect(response.closes)
      #expect(await client.closes())
      #expect(handler.begun == ["POST /first"])
    }
  }

  @Test func `an Upgrade is ignored`() async throws {
    try await withServer(handler: echo()) { server in
      let client = try RawClient(port: server.port)
      for upgrade in ["websocket", "h2c"] {
        await client.send(get("/", "Connection: Upgrade\r\nUpgrade: \(upgrade)\r\n"))
        #expect(try await client.response().status == 200)
      }
    }
  }

  @Test func `a request that the server refuses tells which methods it knows`() async throws {
    try await withServer(handler: echo()) { server in
      let client = try RawClient(port: server.port)
      await client.send("TRACE / HTTP/1.1\r\nHost: test\r\n\r\n")
      #expect(try await client.response().header("allow") == "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
    }
  }
}
