import HTTPServer
import Locking
import TestSupport
import Testing

@Suite struct DrainTests {
  @Test func `answers in flight finish, new requests are refused, and who connects is hung up on`() async throws {
    let gate = Locked<[CheckedContinuation<Void, Never>]>([])
    let handler = TestHandler { head in
      head.path == "/slow"
        ? .respondLater(bodyLimit: 0) { _ in
          await withCheckedContinuation { continuation in gate.withLock { $0.append(continuation) } }
          return .text("finished")
        } : .respond(bodyLimit: 0) { _ in .text("quick") }
    }
    let server = try HTTPServer(configuration: HTTPServerConfiguration(), handler: handler)
    let slow = try RawClient(port: server.port)
    let idle = try RawClient(port: server.port)
    await idle.send(get("/quick"))
    #expect(try await idle.response().status == 200)
    await slow.send(get("/slow"))
    #expect(await eventually { gate.withLock { $0.count } == 1 })

    let drain = Task { await server.drain(grace: .seconds(20)) }
    // One that was faster than the drain stays, and is silent.
    var isHungUp = false
    for _ in 0..<20 where !isHungUp { isHungUp = await (try RawClient(port: server.port)).closes(seconds: 1) }
    #expect(isHungUp)
    await idle.send(get("/quick"))
    let refused = try await idle.response()
    #expect(refused.status == 503)
    #expect(refused.text == "draining")
    #expect(refused.closes)

    for continuation in gate.withLock({ $0 }) { continuation.resume() }
    let answer = try await slow.response()
    #expect(answer.text == "finished")
    #expect(answer.closes)
    await drain.value
    await server.drain(grace: .zero)
    #expect(server.requestsInFlight == 0)
    #expect(server.openConnections == 0)
  }

  @Test func `after the grace handlers are cancelled and answered for, even one that will not stop`() async throws {
    let cancelled = Locked(0)
    let stubborn = Locked<CheckedContinuation<Void, Never>?>(nil)
    let handler = TestHandler { head in
      .respondLater(bodyLimit: 0) { _ in
        if head.path == "/stubborn" {
          await withCheckedContinuation { continuation in stubborn.withLock { $0 = continuation } }
        } else {
          do { try await ContinuousClock().pause(for: .seconds(60)) } catch { cancelled.withLock { $0 += 1 } }
        }
        return .text("late")
      }
    }
    let server = try HTTPServer(configuration: HTTPServerConfiguration(), handler: handler)
    var clients: [RawClient] = []
    for number in 0..<10 {
      let client = try RawClient(port: server.port)
      await client.send(get(number == 0 ? "/stubborn" : "/sleep"))
      clients.append(client)
    }
    #expect(await eventually { server.requestsInFlight == 10 && stubborn.withLock { $0 } != nil })
    await server.drain(grace: .milliseconds(50))
    #expect(server.openConnections == 0)
    #expect(await eventually { cancelled.withLock { $0 } == 9 })
    #expect(handler.ended.count == 10)
    #expect(handler.ended.allSatisfy { $0.status == 503 })
    stubborn.withLock { $0 }?.resume()
  }

  @Test(arguments: 0..<8)
  func `a drain under load, with suspended handlers and streams, comes to rest`(_ round: Int) async throws {
    let streams = Locked<[ResponseStream]>([])
    let handler = TestHandler { head in
      switch head.path {
      case "/stream":
        .respond(bodyLimit: 0) { _ in
          let stream = ResponseStream()
          streams.withLock { $0.append(stream) }
          return Response(status: 200, body: .stream(stream))
        }
      case "/later":
        .respondLater(bodyLimit: 0) { _ in
          for _ in 0..<3 { await Task.yield() }
          return .text("later")
        }
      case "/long":
        .respondLater(bodyLimit: 0) { _ in
          do { try await ContinuousClock().pause(for: .seconds(60)) } catch { return .text("cancelled") }
          return .text("long")
        }
      default: .respond(bodyLimit: 100) { _ in .text("now") }
      }
    }
    let server = try HTTPServer(configuration: HTTPServerConfiguration(), handler: handler)
    let port = server.port
    var waiting: [RawClient] = []
    for number in 0..<40 {
      let client = try RawClient(port: port)
      await client.send(get(number.isMultiple(of: 2) ? "/stream" : "/long"))
      waiting.append(client)
    }
    let load = (0..<8).map { number in
      Task {
        // Until the server is gone.
        while true {
          do {
            let client = try RawClient(port: port)
            for _ in 0..<20 {
              await client.send(number.isMultiple(of: 2) ? get("/later") : post("/now", "body"))
              if try await client.response(seconds: 5).status == 503 { break }
            }
          } catch {
            break
          }
        }
      }
    }
    #expect(await eventually { server.requestsInFlight >= 40 && handler.ended.count > 10 * (round + 1) })
    await server.drain(grace: .milliseconds(20))
    for task in load { await task.value }
    #expect(server.openConnections == 0)
    #expect(server.requestsInFlight == 0)
    #expect(streams.withLock { $0 }.allSatisfy { $0.isClosed })
  }

  @Test func `a stream that is cut by a drain sends what it has and does not look finished`() async throws {
    let stream = ResponseStream()
    let handler = TestHandler { _ in .respond(bodyLimit: 0) { _ in Response(status: 200, body: .stream(stream)) } }
    let server = try HTTPServer(configuration: HTTPServerConfiguration(), handler: handler)
    let client = try RawClient(port: server.port)
    await client.send(get("/"))
    #expect(try await client.responseHead().status == 200)
    #expect(stream.tryWrite(Array("the last line".utf8)))
    await server.drain(grace: .seconds(10))
    let rest = String(decoding: try await client.readToEnd(), as: UTF8.self)
    #expect(rest.contains("the last line"))
    #expect(!rest.hasSuffix("0\r\n\r\n"))
    #expect(stream.isClosed)
  }

  @Test func `a port that is taken is an error that says so`() async throws {
    try await withServer(handler: echo()) { server in
      var configuration = HTTPServerConfiguration()
      configuration.port = server.port
      #expect(throws: HTTPServerError.cannotListen(host: "127.0.0.1", port: server.port, errno: 98)) {
        try HTTPServer(configuration: configuration, handler: echo())
      }
    }
  }
}
