import HTTPServer
import Locking
import TestSupport
import Testing

@Suite struct RequestTests {
  @Test func `path, query and fields reach the handler decoded`() async throws {
    let seen = Locked<RequestHead?>(nil)
    let handler = TestHandler { head in
      seen.withLock { $0 = head }
      return .respond(bodyLimit: 0) { _ in .text("ok") }
    }
    try await withServer(handler: handler) { server in
      let client = try RawClient(port: server.port)
      await client.send(
        "GET /v1/jobs/a%20b%C3%A9;x=1?q=a+b&q=%26%3D&empty=&bare&&x=%C3%A9 HTTP/1.1\r\nhOsT: test:80\r\nX-Twice:  one \t\r\n"
          + "x-twice: two\r\nX-Empty:\r\n\r\n")
      #expect(try await client.response().status == 200)
      // Kept beyond its request, while the connection carries another one.
      let head = try #require(seen.withLock { $0 })
      await client.send(get("/other"))
      #expect(try await client.response().status == 200)
      #expect(head.method == .get)
      #expect(head.path == "/v1/jobs/a bé;x=1")
      #expect(head.rawTarget == "/v1/jobs/a%20b%C3%A9;x=1?q=a+b&q=%26%3D&empty=&bare&&x=%C3%A9")
      #expect(
        head.query.map { "\($0.name)=\($0.value)" } == ["q=a b", "q=&=", "empty=", "bare=", "x=é"])
      #expect(head.header("X-TWICE") == "one")
      #expect(head.headerValues("x-twice") == ["one", "two"])
      #expect(head.header("X-Empty") == "")
      #expect(head.header("X-Absent") == nil)
      #expect(head.contentLength == nil)
      #expect(head.remoteAddress.hasPrefix("127.0.0.1:"))
    }
  }

  @Test func `keep-alive serves many requests on one connection, and close ends it`() async throws {
    let handler = echo()
    try await withServer(handler: handler) { server in
      let client = try RawClient(port: server.port)
      for number in 0..<200 {
        await client.send(number.isMultiple(of: 2) ? get("/\(number)") : post("/\(number)", "body \(number)"))
        let response = try await client.response()
        #expect(response.text == (number.isMultiple(of: 2) ? "GET /\(number) " : "POST /\(number) body \(number)"))
      }
      #expect(server.openConnections == 1)
      await client.send(get("/last", "Connection: close\r\n"))
      let last = try await client.response()
      #expect(last.closes)
      #expect(await client.closes())
      #expect(await eventually { server.openConnections == 0 })
      #expect(handler.ended.count == 201)
    }
  }

  @Test func `ten thousand pipelined requests are answered in order`() async throws {
    try await withServer(handler: echo()) { server in
      let client = try RawClient(port: server.port)
      let count = 10_000
      let sending = Task {
        for start in stride(from: 0, to: count, by: 100) {
          await client.send((start..<(start + 100)).map { get("/\($0)") }.joined())
        }
      }
      for number in 0..<count {
        let text = try await client.response().text
        guard text == "GET /\(number) " else {
          Issue.record("answer \(number) was \(text)")
          break
        }
      }
      await sending.value
      #expect(await eventually { server.requestsInFlight == 0 })
    }
  }

  @Test func `HEAD has the headers and no body`() async throws {
    let handler = echo()
    try await withServer(handler: handler) { server in
      let client = try RawClient(port: server.port)
      await client.send("HEAD /a HTTP/1.1\r\nHost: test\r\n\r\n")
      let response = try await client.response(toHead: true)
      #expect(response.header("content-length") == "8")
      await client.send(get("/b"))
      #expect(try await client.response().text == "GET /b ")
      #expect(handler.ended.first?.bytesSent == 0)
    }
  }

  @Test func `HTTP/1.0 needs no host and closes`() async throws {
    try await withServer(handler: echo()) { server in
      let client = try RawClient(port: server.port)
      await client.send("GET /a HTTP/1.0\r\n\r\n")
      #expect(try await client.response().text == "GET /a ")
      #expect(await client.closes())
    }
  }

  @Test func `the record of a request has its status, size, time and context`() async throws {
    let handler = TestHandler { _ in
      .respond(bodyLimit: 0) { _ in Response(status: 201, body: .bytes([1, 2, 3]), context: "route") }
    }
    try await withServer(handler: handler) { server in
      let client = try RawClient(port: server.port)
      await client.send(get("/a?b=c"))
      #expect(try await client.response().status == 201)
      #expect(await eventually { !handler.ended.isEmpty })
      let ended = try #require(handler.ended.first)
      #expect(ended.target == "/a?b=c")
      #expect(ended.status == 201)
      #expect(ended.bytesSent == 3)
      #expect(ended.duration > 0)
      #expect(ended.context == "route")
    }
  }

  @Test func `100 Continue is sent when the body is wanted, and not when it is refused`() async throws {
    let handler = TestHandler { head in
      head.path == "/no" ? .refuse(.text("no", status: 401)) : .respond(bodyLimit: 10) { _ in .text("yes") }
    }
    try await withServer(handler: handler) { server in
      let wanted = try RawClient(port: server.port)
      await wanted.send("POST /yes HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
      #expect(try await wanted.responseHead().status == 100)
      await wanted.send("hello")
      #expect(try await wanted.response().text == "yes")

      let refused = try RawClient(port: server.port)
      await refused.send("POST /no HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
      let response = try await refused.response()
      #expect(response.status == 401)
      #expect(response.closes)
      #expect(await refused.closes())
    }
  }

  @Test func `a head made by hand is held to the same rules`() {
    let head = RequestHead(
      method: .post, target: "/a%20b?c=d", headers: [(name: "Authorization", value: "Bearer x")])
    #expect(head?.path == "/a b")
    #expect(head?.query == [QueryItem(name: "c", value: "d")])
    #expect(head?.header("authorization") == "Bearer x")
    #expect(RequestHead(method: .get, target: "/../etc") == nil)
    #expect(RequestHead(method: .get, target: "/", headers: [(name: "A", value: "b\r\nc: d")]) == nil)
  }
}
