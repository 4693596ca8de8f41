import HTTPServer
import Locking
import TestSupport
import Testing

/// Deadlines of one second against real sockets, so these take about a second each.
@Suite struct DeadlineTests {
  /// Sends a byte every 50 ms, which keeps the library's own timeout from ever running out.
  private func trickle(_ text: String, to client: RawClient) -> Task<Void, Never> {
    Task {
      for byte in Array(text.utf8) {
        guard await client.send([byte]) == 1, !Task.isCancelled else { return }
        do { try await ContinuousClock().pause(for: .milliseconds(50)) } catch { return }
      }
    }
  }

  /// Not before its second, and well before the library's own minute; a busy machine may take its time in between.
  private func isAboutASecond(since start: ContinuousClock.Instant) -> Bool {
    let time = (ContinuousClock.now - start) / .seconds(1)
    return time > 0.95 && time < 30
  }

  @Test func `headers that trickle are cut with 408`() async throws {
    try await withServer({ $0.headerDeadlineSeconds = 1 }, handler: echo()) { server in
      let start = ContinuousClock.now
      let client = try RawClient(port: server.port)
      await client.send("GET / HTTP/1.1\r\n")
      let writer = trickle("Host: test\r\n" + String(repeating: "X-A: b\r\n", count: 100), to: client)
      let answer = String(decoding: try await client.readToEnd(), as: UTF8.self)
      #expect(answer.hasPrefix("HTTP/1.1 408 "))
      #expect(answer.hasSuffix("request_timeout"))
      #expect(isAboutASecond(since: start))
      writer.cancel()
      #expect(await eventually { server.openConnections == 0 })
    }
  }

  @Test func `a request line that trickles is cut, also on a connection that had a request`() async throws {
    try await withServer(
      {
        $0.headerDeadlineSeconds = 1; $0.idleTimeoutSeconds = 1
      }, handler: echo()
    ) { server in
      let start = ContinuousClock.now
      let fresh = try RawClient(port: server.port)
      let used = try RawClient(port: server.port)
      await used.send(get("/"))
      #expect(try await used.response().status == 200)
      let writers = [fresh, used].map { trickle("GET /" + String(repeating: "a", count: 200), to: $0) }
      #expect(await fresh.closes())
      #expect(isAboutASecond(since: start))
      #expect(await used.closes())
      #expect(isAboutASecond(since: start))
      for writer in writers { writer.cancel() }
    }
  }

  @Test func `a body that trickles is cut with 408 and its receiver told`() async throws {
    let received = TestReceiver()
    let handler = TestHandler { head in
      head.path == "/stream"
        ? .receive(bodyLimit: 1000, bodyDeadlineSeconds: 1, receiver: received) { _ in .text("done") }
        : .respond(bodyLimit: 1000) { _ in .text("done") }
    }
    try await withServer({ $0.bodyDeadlineSeconds = 1 }, handler: handler) { server in
      for path in ["/stream", "/gather"] {
        let start = ContinuousClock.now
        let client = try RawClient(port: server.port)
        await client.send("POST \(path) HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\n")
        let writer = trickle(String(repeating: "a", count: 200), to: client)
        let response = try await client.response()
        #expect(response.status == 408)
        #expect(response.closes)
        #expect(isAboutASecond(since: start))
        // The client goes on sending and is cut after a moment all the same.
        #expect(await client.closes())
        writer.cancel()
      }
      #expect(await eventually { handler.ended.map(\.status) == [408, 408] })
      #expect(received.abandoned == 1)
      #expect(await eventually { server.requestsInFlight == 0 && server.openConnections == 0 })
    }
  }

  @Test func `a silent connection is cut`() async throws {
    try await withServer({ $0.headerDeadlineSeconds = 1 }, handler: echo()) { server in
      let start = ContinuousClock.now
      let client = try RawClient(port: server.port)
      #expect(await client.closes())
      #expect(isAboutASecond(since: start))
    }
  }

  @Test func `a client that does not read its answer is cut`() async throws {
    let handler = TestHandler { _ in
      .respond(bodyLimit: 0) { _ in Response(status: 200, body: .bytes([UInt8](repeating: 1, count: 16 << 20))) }
    }
    let change: (inout HTTPServerConfiguration) -> Void = {
      $0.idleTimeoutSeconds = 1
      $0.slowestReaderBytesPerSecond = 16 << 20
    }
    try await withServer(change, handler: handler) { server in
      let stalled = try RawClient(port: server.port)
      stalled.shrinkReceiveBuffer(4096)
      await stalled.send(get("/"))
      let slow = try RawClient(port: server.port)
      slow.shrinkReceiveBuffer(4096)
      await slow.send(get("/"))
      let reader = Task {
        // Progress enough for the library's timeout, far from enough for ours.
        var ended = false
        while !ended {
          do {
            ended = try await slow.some(seconds: 5).isEmpty
            try await ContinuousClock().pause(for: .milliseconds(100))
          } catch {
            return
          }
        }
      }
      #expect(await eventually { handler.begun.count == 2 })
      #expect(await eventually { server.requestsInFlight == 0 })
      reader.cancel()
      #expect(handler.ended.map(\.bytesSent) == [0, 0])
    }
  }

  @Test func `a handler that never answers is answered for and cancelled`() async throws {
    let cancelled = Locked(false)
    let handler = TestHandler { _ in
      .respondLater(bodyLimit: 0) { _ in
        do { try await ContinuousClock().pause(for: .seconds(60)) } catch { cancelled.withLock { $0 = true } }
        return .text("too late")
      }
    }
    try await withServer({ $0.answerDeadlineSeconds = 1 }, handler: handler) { server in
      let client = try RawClient(port: server.port)
      await client.send(get("/"))
      let response = try await client.response()
      #expect(response.status == 503)
      #expect(response.text == "answer_timeout")
      #expect(await eventually { cancelled.withLock { $0 } })
    }
  }
}
