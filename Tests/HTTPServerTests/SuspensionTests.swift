import HTTPServer
import Locking
import TestSupport
import Testing

@Suite struct SuspensionTests {
  @Test func `handlers that wait and handlers that do not answer on the same connection`() async throws {
    let handler = TestHandler { head in
      switch head.path {
      case "/yield":
        .respondLater(bodyLimit: 100) { request in
          await Task.yield()
          return .text("yield \(String(decoding: request.body, as: UTF8.self))")
        }
      case "/at-once": .respondLater(bodyLimit: 100) { _ in .text("at once") }
      default: .respond(bodyLimit: 100) { _ in .text("sync") }
      }
    }
    try await withServer(handler: handler) { server in
      await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<8 {
          group.addTask {
            let client = try RawClient(port: server.port)
            for number in 0..<100 {
              await client.send(post("/yield", "\(number)") + get("/at-once") + get("/sync"))
              #expect(try await client.response().text == "yield \(number)")
              #expect(try await client.response().text == "at once")
              #expect(try await client.response().text == "sync")
            }
          }
        }
      }
      #expect(await eventually { server.requestsInFlight == 0 })
      #expect(handler.ended.count == 2400)
    }
  }

  @Test(arguments: ["leave", "half-close", "reset"])
  func `a client that goes away cancels its handler, and nothing stays`(_ how: String) async throws {
    let running = Locked(0)
    let cancelled = Locked(0)
    let handler = TestHandler { _ in
      .respondLater(bodyLimit: 0) { _ in
        running.withLock { $0 += 1 }
        do { try await ContinuousClock().pause(for: .seconds(60)) } catch { cancelled.withLock { $0 += 1 } }
        return .text("nobody hears this")
      }
    }
    try await withServer(handler: handler) { server in
      for round in 1...3 {
        var clients: [RawClient] = []
        for _ in 0..<20 {
          let client = try RawClient(port: server.port)
          if how == "reset" { client.resetOnClose() }
          await client.send(get("/"))
          clients.append(client)
        }
        #expect(await eventually { running.withLock { $0 } == 20 * round })
        #expect(server.requestsInFlight == 20)
        for client in clients {
          switch how {
          case "leave": client.leave()
          case "half-close": client.halfClose()
          default: break
          }
        }
        if how == "reset" { clients = [] }
        #expect(await eventually { cancelled.withLock { $0 } == 20 * round })
        #expect(await eventually { server.requestsInFlight == 0 && server.openConnections == 0 })
      }
      #expect(handler.ended.map(\.status) == [Int](repeating: 0, count: 60))
    }
  }

  @Test func `a client that leaves during a second wait is noticed too`() async throws {
    let cancelled = Locked(false)
    let handler = TestHandler { head in
      .respondLater(bodyLimit: 0) { _ in
        if head.path == "/short" {
          await Task.yield()
          return .text("short")
        }
        do { try await ContinuousClock().pause(for: .seconds(60)) } catch { cancelled.withLock { $0 = true } }
        return .text("long")
      }
    }
    try await withServer(handler: handler) { server in
      let client = try RawClient(port: server.port)
      for _ in 0..<20 {
        await client.send(get("/short"))
        #expect(try await client.response().text == "short")
      }
      await client.send(get("/long"))
      #expect(await eventually { server.requestsInFlight == 1 })
      client.leave()
      #expect(await eventually { cancelled.withLock { $0 } && server.requestsInFlight == 0 })
    }
  }

  @Test func `a file that a departed client asked for is closed`() async throws {
    let gate = Locked<CheckedContinuation<Void, Never>?>(nil)
    let stream = ResponseStream()
    let closed = Locked(0)
    stream.onClose { closed.withLock { $0 += 1 } }
    let handler = TestHandler { _ in
      .respondLater(bodyLimit: 0) { _ in
        await withCheckedContinuation { continuation in gate.withLock { $0 = continuation } }
        return Response(status: 200, body: .stream(stream))
      }
    }
    try await withServer(handler: handler) { server in
      let client = try RawClient(port: server.port)
      await client.send(get("/"))
      #expect(await eventually { gate.withLock { $0 } != nil })
      client.leave()
      #expect(await eventually { server.requestsInFlight == 0 })
      gate.withLock { $0 }?.resume()
      #expect(await eventually { closed.withLock { $0 } == 1 })
      #expect(stream.isClosed)
    }
  }
}
