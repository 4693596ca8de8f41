import HTTPServer
import Locking
import TestSupport
import Testing

@Suite struct StreamTests {
  private func streaming(_ streams: Locked<[ResponseStream]>, bound: Int = 1 << 20) -> TestHandler {
    TestHandler { _ in
      .respond(bodyLimit: 0) { _ in
        let stream = ResponseStream(bound: bound)
        streams.withLock { $0.append(stream) }
        return Response(status: 200, contentType: "text/event-stream", body: .stream(stream))
      }
    }
  }

  @Test func `what is pushed arrives at once, also after a silence, and finish ends the body`() async throws {
    let streams = Locked<[ResponseStream]>([])
    let handler = streaming(streams)
    try await withServer(handler: handler) { server in
      let client = try RawClient(port: server.port)
      await client.send(get("/"))
      #expect(try await client.responseHead().header("transfer-encoding") == "chunked")
      let stream = try #require(streams.withLock { $0.first })
      for number in 0..<50 {
        #expect(stream.tryWrite(Array("event \(number)\n".utf8)))
        let piece = String(decoding: try await client.some(), as: UTF8.self)
        #expect(piece.contains("event \(number)\n"))
      }
      let closed = Locked(0)
      stream.onClose { closed.withLock { $0 += 1 } }
      stream.finish()
      #expect(String(decoding: try await client.some(), as: UTF8.self) == "0\r\n\r\n")
      #expect(await eventually { closed.withLock { $0 } == 1 })
      #expect(!stream.tryWrite([1]))
      await client.send(get("/again"))
      #expect(try await client.responseHead().status == 200)
      streams.withLock { $0.last }?.finish()
      #expect(await eventually { handler.ended.count == 2 && server.requestsInFlight == 0 })
    }
  }

  @Test func `a client that leaves closes its stream and wakes its writer`() async throws {
    let streams = Locked<[ResponseStream]>([])
    let handler = streaming(streams, bound: 1000)
    try await withServer(handler: handler) { server in
      for leavesWhileIdle in [true, false] {
        let client = try RawClient(port: server.port)
        client.shrinkReceiveBuffer(4096)
        await client.send(get("/"))
        #expect(try await client.responseHead().status == 200)
        let stream = try #require(streams.withLock { $0.last })
        let closed = Locked(0)
        stream.onClose { closed.withLock { $0 += 1 } }
        let failed = Locked(false)
        let writer = Task {
          do throws(StreamClosed) {
            if leavesWhileIdle { return }
            while true { try await stream.write([UInt8](repeating: 1, count: 100_000)) }
          } catch {
            failed.withLock { $0 = true }
          }
        }
        if leavesWhileIdle {
          client.leave()
        } else {
          // Enough to fill the sockets, so that the writer waits.
          _ = try await client.some()
          client.resetOnClose()
          client.leave()
        }
        #expect(await eventually { closed.withLock { $0 } == 1 })
        await writer.value
        #expect(failed.withLock { $0 } == !leavesWhileIdle)
        #expect(stream.isClosed)
      }
      #expect(await eventually { server.requestsInFlight == 0 && server.openConnections == 0 })
    }
  }

  @Test func `a full queue refuses fan-out and holds up a writer until the stream ends`() async throws {
    let stream = ResponseStream(bound: 10)
    #expect(stream.tryWrite([1, 2, 3, 4, 5, 6]))
    #expect(!stream.tryWrite([1, 2, 3, 4, 5, 6]))
    #expect(stream.tryWrite([1, 2, 3, 4]))
    let written = Locked(0)
    let writer = Task {
      do throws(StreamClosed) {
        while true {
          try await stream.write([9])
          written.withLock { $0 += 1 }
        }
      } catch {
        #expect(stream.isClosed)
      }
    }
    // One more fits while no more than the bound is queued; the next has to wait.
    #expect(await eventually { written.withLock { $0 } == 1 })
    for _ in 0..<100 { await Task.yield() }
    #expect(written.withLock { $0 } == 1)
    stream.finish()
    await writer.value
    #expect(written.withLock { $0 } == 1)
  }

  @Test func `a writer that is cancelled while it waits gives up`() async throws {
    let stream = ResponseStream(bound: 10)
    #expect(stream.tryWrite([UInt8](repeating: 0, count: 20)))
    let writer = Task { () -> Bool in
      do throws(StreamClosed) {
        try await stream.write([1])
        return true
      } catch {
        return false
      }
    }
    await Task.yield()
    writer.cancel()
    #expect(await writer.value == false)
    #expect(!stream.isClosed)
  }

  @Test func `two hundred streams get every event`() async throws {
    let streams = Locked<[ResponseStream]>([])
    try await withServer(handler: streaming(streams)) { server in
      var clients: [RawClient] = []
      for _ in 0..<200 {
        let client = try RawClient(port: server.port)
        await client.send(get("/"))
        clients.append(client)
      }
      for client in clients { #expect(try await client.responseHead().status == 200) }
      #expect(server.requestsInFlight == 200)
      for number in 0..<5 {
        let event = Array("data: \(number)\n\n".utf8)
        for stream in streams.withLock({ $0 }) { #expect(stream.tryWrite(event)) }
        await Task.yield()
      }
      for stream in streams.withLock({ $0 }) { stream.finish() }
      for client in clients {
        var text = ""
        while !text.hasSuffix("0\r\n\r\n") { text += String(decoding: try await client.some(), as: UTF8.self) }
        for number in 0..<5 { #expect(text.contains("data: \(number)\n\n")) }
      }
    }
  }
}
