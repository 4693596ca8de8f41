import HTTPClient
import Locking
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(1)))
struct HTTPClientTests {
  let client = HTTPClient(configuration: .init(userAgent: "vastd/test"))

  private func get(
    _ server: ScriptedServer, _ path: String = "/", timeout: Duration = .seconds(10), responseLimit: Int = 1 << 20
  ) -> HTTPClientRequest {
    HTTPClientRequest(method: "GET", url: server.url + path, timeout: timeout, responseLimit: responseLimit)
  }

  private func failure(_ request: HTTPClientRequest) async -> HTTPClientError? {
    do {
      _ = try await client.send(request)
      return nil
    } catch {
      return error
    }
  }

  @Test func `an answer comes back whole, with its status, headers and body`() async throws {
    let server = ScriptedServer { _ in
      .answer(404, headers: [("X-Twice", "one"), ("x-twice", " two ")], body: Array("gone".utf8))
    }
    let response = try await client.send(get(server))
    #expect(response.status == 404)
    #expect(response.header("X-TWICE") == "two")
    #expect(response.header("absent") == nil)
    #expect(response.body == Array("gone".utf8))
    #expect(response.duration > .zero)
  }

  @Test(arguments: ["POST", "PUT", "DELETE", "PATCH"])
  func `a body travels with any method`(method: String) async throws {
    let server = ScriptedServer { _ in .json(200, "{}") }
    _ = try await client.send(
      HTTPClientRequest(
        method: method, url: server.url + "/x?y=1", headers: [("Content-Type", "application/json")],
        body: Array(#"{"a":1}"#.utf8)))
    let request = try #require(server.requests.first)
    #expect(request.method == method)
    #expect(request.target == "/x?y=1")
    #expect(request.text == #"{"a":1}"#)
    #expect(request.header("Content-Type") == "application/json")
    #expect(request.header("Content-Length") == "7")
    #expect(request.header("Expect") == nil)
    #expect(request.header("User-Agent") == "vastd/test")
  }

  @Test func `a large body arrives as it was sent`() async throws {
    let server = ScriptedServer { .answer(200, body: $0.body) }
    let body = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let response = try await client.send(
      HTTPClientRequest(method: "POST", url: server.url, body: body, responseLimit: 4 << 20))
    #expect(response.body == body)
  }

  @Test func `a GET carries no body and no length`() async throws {
    let server = ScriptedServer { _ in .answer(200) }
    _ = try await client.send(get(server))
    let request = try #require(server.requests.first)
    #expect(request.header("Content-Length") == nil)
    #expect(request.header("Content-Type") == nil)
  }

  @Test func `an empty body is a body of length zero`() async throws {
    let server = ScriptedServer { _ in .answer(200) }
    _ = try await client.send(HTTPClientRequest(method: "PUT", url: server.url, body: []))
    #expect(server.requests.first?.header("Content-Length") == "0")
  }

  @Test func `connections are kept and used again`() async throws {
    let server = ScriptedServer { _ in .answer(200) }
    for _ in 0..<5 { _ = try await client.send(get(server)) }
    #expect(server.connectionCount == 1)
  }

  @Test func `a hundred requests at once all get their own answer`() async throws {
    let server = ScriptedServer { .answer(200, body: Array($0.target.utf8)) }
    let bodies = try await withThrowingTaskGroup(of: (Int, [UInt8]).self) { group in
      for number in 0..<100 {
        group.addTask { (number, try await client.send(get(server, "/\(number)")).body) }
      }
      return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
    }
    for number in 0..<100 { #expect(bodies[number] == Array("/\(number)".utf8)) }
    #expect(server.connectionCount <= 16)
  }

  // MARK: What may not happen twice

  /// A server that answers the first request of a connection and drops the connection at the second.
  private func forgetfulServer() -> ScriptedServer {
    let seen = Locked<Set<Int>>([])
    return ScriptedServer { request in
      seen.withLock { $0.insert(request.connection).inserted } ? .answer(200) : .close
    }
  }

  @Test func `a request that may not be repeated is seen once by a server that drops idle connections`() async throws {
    let server = forgetfulServer()
    _ = try await client.send(get(server))
    _ = try await client.send(HTTPClientRequest(method: "PUT", url: server.url + "/rent", body: []))
    #expect(server.requests.filter { $0.method == "PUT" }.count == 1)
    #expect(server.connectionCount == 2)
  }

  @Test func `an answer lost to a request that may not be repeated is an error and not a second try`() async throws {
    let server = ScriptedServer { $0.method == "PUT" ? .close : .answer(200) }
    _ = try await client.send(get(server))
    let error = await failure(HTTPClientRequest(method: "PUT", url: server.url, body: []))
    #expect(error?.mayHaveBeenSent == true)
    #expect(server.requests.filter { $0.method == "PUT" }.count == 1)
  }

  @Test func `a read survives an idle connection that the server has dropped`() async throws {
    let server = forgetfulServer()
    _ = try await client.send(get(server))
    let response = try await client.send(get(server))
    #expect(response.status == 200)
  }

  // MARK: Whether it was sent

  @Test func `a refused connection is not sent`() async {
    // Port 1 (tcpmux): nobody listens there, and no test server can be given it.
    let error = await failure(HTTPClientRequest(method: "PUT", url: "http://127.0.0.1:1/", body: []))
    #expect(error?.kind == .notSent)
  }

  @Test func `a name that does not exist is not sent`() async {
    let error = await failure(HTTPClientRequest(method: "GET", url: "http://nowhere.invalid/"))
    #expect(error?.kind == .notSent)
  }

  @Test func `a connection that is never made in time is not sent`() async {
    // TEST-NET-1: nobody answers, or the sandbox refuses; both before a byte is sent.
    let request = HTTPClientRequest(
      method: "PUT", url: "http://192.0.2.1/", body: [], connectTimeout: .milliseconds(50))
    let error = await failure(request)
    #expect(error?.kind == .notSent)
  }

  @Test func `plain HTTP where TLS is spoken is not sent`() async {
    let server = ScriptedServer { _ in .answer(200) }
    let url = server.url.replacing("http://", with: "https://")
    let error = await failure(HTTPClientRequest(method: "GET", url: url, timeout: .milliseconds(300)))
    #expect(error?.kind == .notSent)
    #expect(server.requests.isEmpty)
  }

  @Test func `a silent server is a time-out after sending`() async {
    let server = ScriptedServer { _ in .silence }
    #expect(await failure(get(server, timeout: .milliseconds(100))) == .timedOut)
    #expect(server.requests.count == 1)
  }

  @Test func `a server that drips does not escape the time-out`() async {
    let server = ScriptedServer { _ in .drip(everyMilliseconds: 5) }
    #expect(await failure(get(server, timeout: .milliseconds(200))) == .timedOut)
  }

  @Test(arguments: [
    "", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"cut\":",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    "this is not HTTP\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
  ])
  func `an answer that breaks off or is not HTTP is broken, and may have been acted on`(bytes: String) async {
    let server = ScriptedServer { _ in .raw(Array(bytes.utf8)) }
    let error = await failure(HTTPClientRequest(method: "PUT", url: server.url, body: [], timeout: .seconds(5)))
    #expect(error?.kind == .broken)
  }

  // MARK: Limits

  @Test func `a body over the limit is cut off, announced or not`() async {
    let chunk = [UInt8](repeating: 0x20, count: 4 << 20)
    let announced = ScriptedServer { _ in .answer(200, body: chunk) }
    #expect(await failure(get(announced, responseLimit: 1000)) == .tooLarge(limit: 1000))
    let unannounced = ScriptedServer { _ in .raw(Array("HTTP/1.1 200 OK\r\n\r\n".utf8) + chunk) }
    #expect(await failure(get(unannounced, responseLimit: 1000)) == .tooLarge(limit: 1000))
  }

  @Test func `a body of exactly the limit is fine`() async throws {
    let server = ScriptedServer { _ in .answer(200, body: [UInt8](repeating: 7, count: 1000)) }
    #expect(try await client.send(get(server, responseLimit: 1000)).body.count == 1000)
  }

  @Test func `a small packed body that unpacks to a giant is cut off`() async {
    let bomb = Gzip.zeros(count: 258 * 200_000 + 1)
    #expect(bomb.count < 1 << 20)
    let server = ScriptedServer { _ in .answer(200, headers: [("Content-Encoding", "gzip")], body: bomb) }
    #expect(await failure(get(server, responseLimit: 1 << 20)) == .tooLarge(limit: 1 << 20))
  }

  @Test func `a packed body is unpacked`() async throws {
    let server = ScriptedServer { _ in
      .answer(200, headers: [("Content-Encoding", "gzip")], body: Gzip.zeros(count: 258 * 10 + 1))
    }
    #expect(try await client.send(get(server)).body == [UInt8](repeating: 0, count: 258 * 10 + 1))
  }

  @Test func `a flood of headers is cut off`() async {
    let server = ScriptedServer { _ in
      .answer(200, headers: (0..<5000).map { ("X-\($0)", "some words to fill the line") })
    }
    #expect(await failure(get(server))?.kind == .tooLarge)
  }

  // MARK: Where a request goes

  @Test(arguments: [301, 302, 307, 308])
  func `a redirect is an answer and not followed`(status: Int) async throws {
    let other = ScriptedServer { _ in .answer(200) }
    let server = ScriptedServer { [url = other.url] _ in .answer(status, headers: [("Location", url)]) }
    let response = try await client.send(get(server))
    #expect(response.status == status)
    #expect(response.header("location") == other.url)
    #expect(other.requests.isEmpty)
  }

  @Test(arguments: ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "127.0.0.1", "", "http://a b/"])
  func `only plain http and https URLs are sent`(url: String) async {
    let error = await failure(HTTPClientRequest(method: "GET", url: url))
    #expect(error?.kind == .notSent)
  }

  @Test(arguments: [("X-Test", "a\r\nInjected: yes"), ("X-Test", "a\0b"), ("Bad Name", "x"), ("", "x"), ("A:B", "x")])
  func `a header that would break out of its line is refused`(header: (String, String)) async {
    let server = ScriptedServer { _ in .answer(200) }
    let error = await failure(HTTPClientRequest(method: "GET", url: server.url, headers: [(header.0, header.1)]))
    #expect(error?.kind == .notSent)
    #expect(server.requests.isEmpty)
  }

  @Test func `an empty header value is sent as such`() async throws {
    let server = ScriptedServer { _ in .answer(200) }
    _ = try await client.send(HTTPClientRequest(method: "GET", url: server.url, headers: [("X-Empty", "")]))
    #expect(server.requests.first?.header("X-Empty") == "")
  }

  // MARK: Giving up

  @Test func `cancelling ends a transfer under way and says that it was sent`() async throws {
    let server = ScriptedServer { _ in .silence }
    let task = Task { await failure(get(server, timeout: .seconds(30))) }
    await eventually { server.requests.count == 1 }
    task.cancel()
    #expect(await task.value == .cancelled(wasSent: true))
  }

  @Test func `a task cancelled beforehand sends nothing`() async {
    let server = ScriptedServer { _ in .answer(200) }
    let gate = Signal()
    let task = Task {
      await gate.wait(after: 0)
      return await failure(get(server))
    }
    task.cancel()
    #expect(await task.value == .cancelled(wasSent: false))
    #expect(server.requests.isEmpty)
  }

  @Test func `a storm of cancellations answers every caller once`() async {
    let server = ScriptedServer { _ in .answer(200) }
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<300 {
        group.addTask {
          let task = Task { await failure(get(server)) }
          if number.isMultiple(of: 2) { task.cancel() }
          let error = await task.value
          #expect(error == nil || error == .cancelled(wasSent: true) || error == .cancelled(wasSent: false))
        }
      }
    }
    #expect(await failure(get(server)) == nil)
  }

  @Test func `shutting down ends what is under way and refuses what comes`() async {
    let server = ScriptedServer { _ in .silence }
    let task = Task { await failure(get(server, timeout: .seconds(30))) }
    await eventually { server.requests.count == 1 }
    client.shutdown()
    #expect(await task.value == .broken(reason: "the client was shut down"))
    #expect(await failure(get(server)) == .notSent(reason: "the client is shut down"))
  }

  @Test func `shutting down a client that never sent anything is fine`() async {
    client.shutdown()
    client.shutdown()
    let error = await failure(HTTPClientRequest(method: "GET", url: "http://127.0.0.1:1/"))
    #expect(error == .notSent(reason: "the client is shut down"))
  }
}

extension HTTPClientError {
  enum Kind { case notSent, forbidden, broken, timedOut, tooLarge, cancelled }

  var kind: Kind {
    switch self {
    case .notSent: .notSent
    case .forbiddenAddress: .forbidden
    case .broken: .broken
    case .timedOut: .timedOut
    case .tooLarge: .tooLarge
    case .cancelled: .cancelled
    }
  }
}
