import HTTPServer
import Locking
import TestSupport
import Testing

@Suite struct LimitTests {
  private static let limit = 1000

  @Test(arguments: [
    (size: 0, chunked: false, status: 200), (size: 1000, chunked: false, status: 200),
    (size: 1001, chunked: false, status: 413), (size: 0, chunked: true, status: 200),
    (size: 1000, chunked: true, status: 200), (size: 1001, chunked: true, status: 413),
  ])
  func `a body of exactly the limit passes and one byte more does not`(
    _ size: Int, _ chunked: Bool, _ status: Int
  ) async throws {
    let handler = echo(bodyLimit: LimitTests.limit)
    try await withServer(handler: handler) { server in
      let client = try RawClient(port: server.port)
      let body = String(repeating: "x", count: size)
      if chunked {
        let pieces = size == 0 ? "" : "\(String(size, radix: 16))\r\n\(body)\r\n"
        await client.send("POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n\(pieces)0\r\n\r\n")
      } else {
        await client.send(post("/", body))
      }
      let response = try await client.response()
      #expect(response.status == status)
      if status == 200 {
        #expect(response.body.count == "POST / ".utf8.count + size)
      } else {
        #expect(response.text == "body_too_large")
        #expect(response.closes)
        #expect(await client.closes())
      }
      #expect(await eventually { server.requestsInFlight == 0 })
      #expect(handler.ended.map(\.status) == [status])
      #expect(handler.ended.map(\.bytesSent) == [response.body.count])
    }
  }

  @Test func `an endless chunked body is refused at the limit, and the answer arrives`() async throws {
    let handler = echo(bodyLimit: 1 << 20)
    try await withServer(handler: handler) { server in
      let client = try RawClient(port: server.port)
      await client.send("POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
      let chunk = Array("10000\r\n".utf8) + [UInt8](repeating: 0x61, count: 65536) + Array("\r\n".utf8)
      let endless = Task {
        var sent = 0
        // Until the server hangs up; 1 GB is what it would take if it never did.
        while sent < 1 << 30 {
          let count = await client.send(chunk)
          sent += count
          if count < chunk.count { break }
        }
        return sent
      }
      #expect(try await client.response().status == 413)
      client.leave()
      #expect(await endless.value < 1 << 30)
    }
  }

  @Test func `a large body that is refused by its headers still gets its answer`() async throws {
    let handler = TestHandler { _ in .refuse(.text("who are you", status: 401)) }
    try await withServer(handler: handler) { server in
      let client = try RawClient(port: server.port)
      let body = [UInt8](repeating: 0x61, count: 8 << 20)
      let sending = Task {
        await client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: \(body.count)\r\n\r\n")
        await client.send(body)
      }
      let response = try await client.response()
      #expect(response.status == 401)
      #expect(response.text == "who are you")
      #expect(response.closes)
      await sending.value
      client.leave()
      #expect(await eventually { handler.ended.map(\.status) == [401] })
    }
  }

  @Test(arguments: [
    ("/" + String(repeating: "a", count: 9000), "", 414),
    ("/", "X-Long: " + String(repeating: "a", count: 17_000), 431),
    ("/", "X-Long: " + String(repeating: "a", count: 200_000), 431),
    ("/" + String(repeating: "a", count: 200_000), "", 414),
    ("/", (0...100).map { "X-\($0): a" }.joined(separator: "\r\n"), 431),
    ("/", (0...5000).map { "X-\($0): a" }.joined(separator: "\r\n"), 431),
    ("/?" + (0...100).map { "a\($0)=1" }.joined(separator: "&"), "", 400),
    ("/?" + String(repeating: "a&", count: 4000), "", 400),
    ("/", (0..<98).map { "X-\($0): a" }.joined(separator: "\r\n"), 200),
    ("/?" + (0..<100).map { "a\($0)=1" }.joined(separator: "&"), "", 200),
    ("/" + String(repeating: "a", count: 8000), "", 200),
    ("/", "X-Long: " + String(repeating: "a", count: 16_000), 200),
  ])
  func `targets, fields and queries have limits`(_ target: String, _ fields: String, _ status: Int) async throws {
    try await withServer(handler: echo()) { server in
      let client = try RawClient(port: server.port)
      let sending = Task { await client.send(get(target, fields.isEmpty ? "" : fields + "\r\n")) }
      let response = try await client.response()
      #expect(response.status == status)
      #expect(response.closes == (status != 200))
      client.leave()
      await sending.value
    }
  }

  @Test(
    arguments: [
      (1 << 20, 4096, 2048), (6144, 4096, 2048), (4096, 2048, 2048), (1024, 512, 512), (256, 128, 128), (20, 16, 10),
    ])
  func `what a process may open is shared between connections and all else`(
    allowed: Int, connections: Int, others: Int
  ) {
    let share = HTTPServerConfiguration(host: "127.0.0.1", port: 0).share(of: allowed)
    #expect(share == (connections, others))
  }

  @Test func `connections above the limit wait until one is free`() async throws {
    try await withServer(
      {
        $0.connectionLimit = 16; $0.threads = 1
      }, handler: echo()
    ) { server in
      var idle: [RawClient] = []
      for _ in 0..<16 {
        let client = try RawClient(port: server.port)
        await client.send(get("/idle"))
        #expect(try await client.response().status == 200)
        idle.append(client)
      }
      let late = try RawClient(port: server.port)
      await late.send(get("/late"))
      #expect(server.openConnections == 16)
      idle[3].leave()
      #expect(try await late.response().text == "GET /late ")
    }
  }
}
