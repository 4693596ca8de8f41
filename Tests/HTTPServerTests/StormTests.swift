import HTTPServer
import Locking
import TestSupport
import Testing

/// Clients that behave badly in every way at once. What counts is what is left afterwards: nothing.
@Suite struct StormTests {
  private enum Manner: CaseIterable {
    case resetInMidHeaders, resetInMidBody, leaveWhileHandlerRuns, resetWhileHandlerRuns, halfCloseAndRead, leaveStream
    case pipelineAndLeave, resetInMidDownload, connectAndLeave, behave
  }

  private let handler: TestHandler
  private let receivers = Locked<[TestReceiver]>([])
  private let streams = Locked<[ResponseStream]>([])

  init() {
    handler = TestHandler { [receivers, streams] head in
      switch head.path {
      case "/later":
        return .respondLater(bodyLimit: 1000) { _ in
          for _ in 0..<5 { await Task.yield() }
          return .text("later")
        }
      case "/long":
        return .respondLater(bodyLimit: 1000) { _ in
          do { try await ContinuousClock().pause(for: .seconds(60)) } catch { return .text("cancelled") }
          return .text("long")
        }
      case "/upload":
        let receiver = TestReceiver()
        receivers.withLock { $0.append(receiver) }
        return .receive(bodyLimit: 1 << 20, bodyDeadlineSeconds: 30, receiver: receiver) { _ in
          await Task.yield()
          return .text("taken")
        }
      case "/stream":
        return .respond(bodyLimit: 0) { _ in
          let stream = ResponseStream(bound: 1000)
          streams.withLock { $0.append(stream) }
          Task {
            do throws(StreamClosed) {
              while true { try await stream.write([UInt8](repeating: 1, count: 5000)) }
            } catch {
              stream.finish()
            }
          }
          return Response(status: 200, body: .stream(stream))
        }
      case "/large":
        return .respond(bodyLimit: 0) { _ in
          Response(status: 200, body: .bytes([UInt8](repeating: 2, count: 4 << 20)))
        }
      default: return .respond(bodyLimit: 1000) { _ in .text("now") }
      }
    }
  }

  @Test func `after a storm of broken clients nothing is left open, and good clients were served`() async throws {
    let served = Locked(0)
    try await withServer({ $0.idleTimeoutSeconds = 2 }, handler: handler) { server in
      let port = server.port
      try await withThrowingTaskGroup(of: Void.self) { group in
        for worker in 0..<8 {
          group.addTask {
            for round in 0..<40 {
              let manner = Manner.allCases[(worker + round) % Manner.allCases.count]
              if try await act(manner, port: port) { served.withLock { $0 += 1 } }
            }
          }
        }
        try await group.waitForAll()
      }
      #expect(served.withLock { $0 } == 32)
      #expect(await eventually(within: 20) { server.requestsInFlight == 0 && server.openConnections == 0 })
    }
    #expect(streams.withLock { $0 }.allSatisfy { $0.isClosed })
    #expect(receivers.withLock { $0 }.allSatisfy { $0.abandoned <= 1 })
  }

  /// True when the client was a good one and got what it asked for.
  private func act(_ manner: Manner, port: UInt16) async throws -> Bool {
    let client = try RawClient(port: port)
    switch manner {
    case .resetInMidHeaders:
      await client.send("GET /now HTTP/1.1\r\nHost: te")
      client.resetOnClose()
    case .resetInMidBody:
      await client.send("POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\nabc")
      client.resetOnClose()
    case .leaveWhileHandlerRuns:
      await client.send(get("/long"))
      await Task.yield()
      client.leave()
    case .resetWhileHandlerRuns:
      await client.send(get("/later") + get("/long"))
      client.resetOnClose()
    case .halfCloseAndRead:
      await client.send(get("/now"))
      client.halfClose()
      _ = try await client.readToEnd()
    case .leaveStream:
      await client.send(get("/stream"))
      _ = try await client.some()
      client.leave()
    case .pipelineAndLeave:
      await client.send(get("/later") + post("/now", "body") + get("/stream") + get("/now"))
      await Task.yield()
      client.leave()
    case .resetInMidDownload:
      await client.send(get("/large"))
      _ = try await client.some()
      client.resetOnClose()
    case .connectAndLeave:
      break
    case .behave:
      await client.send(post("/upload", String(repeating: "u", count: 50_000)) + get("/later") + get("/now"))
      let texts = try await [client.response().text, client.response().text, client.response().text]
      return texts == ["taken", "later", "now"]
    }
    return false
  }
}
