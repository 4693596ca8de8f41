import CSystem
import Glibc
import HTTPServer
import Locking
import TestSupport
import Testing

@Suite struct BodyTests {
  @Test(arguments: [false, true])
  func `a large upload is received in pieces, whole and in order`(_ chunked: Bool) async throws {
    let receiver = TestReceiver()
    let handler = TestHandler { _ in
      .receive(bodyLimit: 1 << 30, bodyDeadlineSeconds: 60, receiver: receiver) { head in
        await Task.yield()
        return .text("\(head.path) \(receiver.bytes) \(receiver.sum)")
      }
    }
    try await withServer(handler: handler) { server in
      let client = try RawClient(port: server.port)
      let piece = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 7) }
      let count = 16
      var expected = 0
      for _ in 0..<count { expected = piece.reduce(expected) { ($0 &* 31 &+ Int($1)) & 0xFFFF_FFFF } }
      if chunked {
        await client.send("POST /up HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in 0..<count { await client.send(Array("100000\r\n".utf8) + piece + Array("\r\n".utf8)) }
        await client.send("0\r\n\r\n")
      } else {
        await client.send("POST /up HTTP/1.1\r\nHost: test\r\nContent-Length: \(count << 20)\r\n\r\n")
        for _ in 0..<count { await client.send(piece) }
      }
      #expect(try await client.response(seconds: 60).text == "/up \(count << 20) \(expected)")
      #expect(receiver.abandoned == 0)
    }
  }

  /// Far more than the other tests that run beside it hold, so that holding it whole would show.
  @Test func `half a gigabyte goes up and down without being held`() async throws {
    let taken = Locked(0)
    let handler = TestHandler { head in
      if head.method == .post {
        return .receive(bodyLimit: 1 << 30, bodyDeadlineSeconds: 60, receiver: CountingReceiver(taken)) { _ in
          .text("\(taken.withLock { $0 })")
        }
      }
      return .respondLater(bodyLimit: 0) { _ in
        let stream = ResponseStream(bound: 1 << 18)
        Task {
          let piece = [UInt8](repeating: 7, count: 1 << 20)
          for _ in 0..<512 {
            do throws(StreamClosed) { try await stream.write(piece) } catch { return }
          }
          stream.finish()
        }
        return Response(status: 200, body: .stream(stream))
      }
    }
    try await withServer(handler: handler) { server in
      let before = residentBytes()
      let client = try RawClient(port: server.port)
      let piece = [UInt8](repeating: 9, count: 1 << 20)
      await client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: \(512 << 20)\r\n\r\n")
      for _ in 0..<512 { await client.send(piece) }
      #expect(try await client.response(seconds: 60).text == "\(512 << 20)")
      #expect(residentBytes() - before < 400 << 20)

      await client.send("GET / HTTP/1.0\r\n\r\n")
      #expect(try await client.responseHead().status == 200)
      var count = 0
      while true {
        let piece = try await client.some()
        if piece.isEmpty { break }
        count += piece.count
      }
      #expect(count == 512 << 20)
      #expect(residentBytes() - before < 400 << 20)
      #expect(await eventually { handler.ended.last?.bytesSent == 512 << 20 })
    }
  }

  @Test func `a receiver that refuses ends the upload with its answer`() async throws {
    let receiver = TestReceiver(refuseAt: 1000)
    let handler = TestHandler { _ in
      .receive(bodyLimit: 1 << 30, bodyDeadlineSeconds: 60, receiver: receiver) { _ in .text("taken") }
    }
    try await withServer(handler: handler) { server in
      let client = try RawClient(port: server.port)
      let sending = Task {
        await client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: \(8 << 20)\r\n\r\n")
        await client.send([UInt8](repeating: 1, count: 8 << 20))
      }
      let response = try await client.response()
      #expect(response.status == 422)
      #expect(response.text == "no more")
      #expect(response.closes)
      await sending.value
      client.leave()
      #expect(await eventually { handler.ended.map(\.status) == [422] })
      #expect(receiver.abandoned == 1)
    }
  }

  @Test func `an upload that breaks off is abandoned`() async throws {
    let receiver = TestReceiver()
    let handler = TestHandler { _ in
      .receive(bodyLimit: 1 << 30, bodyDeadlineSeconds: 60, receiver: receiver) { _ in .text("taken") }
    }
    try await withServer(handler: handler) { server in
      let client = try RawClient(port: server.port)
      await client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\nabc")
      #expect(await eventually { receiver.bytes == 3 })
      client.leave()
      #expect(await eventually { receiver.abandoned == 1 && server.requestsInFlight == 0 })
      #expect(handler.ended.map(\.status) == [0])
    }
  }

  @Test func `an upload above its limit is refused and abandoned`() async throws {
    let receiver = TestReceiver()
    let handler = TestHandler { _ in
      .receive(bodyLimit: 10, bodyDeadlineSeconds: 60, receiver: receiver) { _ in .text("taken") }
    }
    try await withServer(handler: handler) { server in
      for fields in [
        "Content-Length: 11\r\n\r\n01234567890", "Transfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n",
      ] {
        let client = try RawClient(port: server.port)
        await client.send("POST / HTTP/1.1\r\nHost: test\r\n\(fields)")
        #expect(try await client.response().status == 413)
        #expect(await client.closes())
      }
      #expect(await eventually { receiver.abandoned == 2 })
      #expect(receiver.bytes == 0)
    }
  }

  @Test(arguments: [(0, 100_000), (10, 99_990), (99_999, 1), (100_000, 0), (5, 7)])
  func `a file is sent from its offset, and closed`(_ offset: Int, _ length: Int) async throws {
    let content = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 13 &+ $0 / 256) }
    let file = try TemporaryFile(content)
    let opened = Locked<[Int32]>([])
    let handler = TestHandler { _ in
      .respond(bodyLimit: 0) { _ in
        let descriptor = csystem_open(file.path, O_RDONLY, 0)
        opened.withLock { $0.append(descriptor) }
        return Response(
          status: 200, contentType: "application/octet-stream",
          body: .file(descriptor: descriptor, offset: Int64(offset), length: Int64(length)))
      }
    }
    try await withServer(handler: handler) { server in
      let client = try RawClient(port: server.port)
      for _ in 0..<3 {
        await client.send(get("/file"))
        #expect(try await client.response().body == Array(content[offset..<(offset + length)]))
      }
      await client.send("HEAD /file HTTP/1.1\r\nHost: test\r\n\r\n")
      #expect(try await client.response(toHead: true).header("content-length") == "\(length)")
      #expect(await eventually { handler.ended.map(\.bytesSent) == [length, length, length, 0] })
    }
    // After the drain nothing of ours is open any more; the numbers may belong to others by now, but not to this file.
    #expect(opened.withLock { $0 }.allSatisfy { !file.isOpen(as: $0) })
  }

  @Test func `a large download is streamed with every byte in order`() async throws {
    let handler = TestHandler { _ in
      .respondLater(bodyLimit: 0) { _ in
        let stream = ResponseStream(bound: 1 << 18)
        Task {
          for number in 0..<16 {
            do throws(StreamClosed) {
              try await stream.write([UInt8](repeating: UInt8(number), count: 1 << 20))
            } catch {
              return
            }
          }
          stream.finish()
        }
        return Response(status: 200, body: .stream(stream))
      }
    }
    try await withServer(handler: handler) { server in
      let client = try RawClient(port: server.port)
      await client.send("GET / HTTP/1.0\r\n\r\n")
      #expect(try await client.responseHead().status == 200)
      var count = 0
      var wrong = 0
      while true {
        let piece = try await client.some()
        if piece.isEmpty { break }
        for (index, byte) in piece.enumerated() where byte != UInt8((count + index) >> 20) { wrong += 1 }
        count += piece.count
      }
      #expect(count == 16 << 20)
      #expect(wrong == 0)
      #expect(await eventually { handler.ended.map(\.bytesSent) == [16 << 20] })
    }
  }

  @Test func `shared bytes are sent again and again, with the headers of the day`() async throws {
    let shared = SharedBytes(Array("shared".utf8))
    let turn = Locked(0)
    let handler = TestHandler { _ in
      .respond(bodyLimit: 0) { _ in
        let number = turn.withLock { turn in
          turn += 1
          return turn
        }
        return Response(status: 200, headers: [(name: "X-Third", value: "\(number / 3)")], body: .shared(shared))
      }
    }
    try await withServer(handler: handler) { server in
      let client = try RawClient(port: server.port)
      for number in 1...12 {
        await client.send(get("/"))
        let response = try await client.response()
        #expect(response.text == "shared")
        #expect(response.header("x-third") == "\(number / 3)")
      }
    }
  }

  @Test func `an answer that cannot be sent becomes a plain 500, and its file is closed`() async throws {
    let file = try TemporaryFile([1, 2, 3])
    let opened = Locked<[Int32]>([])
    let handler = TestHandler { head in
      .respond(bodyLimit: 0) { _ in
        switch head.path {
        case "/field":
          return Response(status: 200, headers: [(name: "X-A", value: "b\r\nSet-Cookie: stolen")], body: .bytes([1]))
        case "/status": return Response(status: 42)
        default:
          let descriptor = csystem_open(file.path, O_RDONLY, 0)
          opened.withLock { $0.append(descriptor) }
          return Response(status: 200, body: .file(descriptor: descriptor, offset: -1, length: 2))
        }
      }
    }
    try await withServer(handler: handler) { server in
      for path in ["/field", "/status", "/file"] {
        let client = try RawClient(port: server.port)
        await client.send(get(path))
        let response = try await client.response()
        #expect(response.status == 500)
        #expect(response.header("set-cookie") == nil)
        #expect(response.closes)
      }
      #expect(await eventually { handler.ended.map(\.status) == [500, 500, 500] })
    }
    #expect(opened.withLock { $0 }.allSatisfy { !file.isOpen(as: $0) })
  }
}

private struct CountingReceiver: BodyReceiver {
  let total: Locked<Int>

  init(_ total: Locked<Int>) { self.total = total }

  func receive(_ bytes: UnsafeRawBufferPointer) -> Response? {
    total.withLock { $0 += bytes.count }
    return nil
  }

  func abandon() {}
}

/// Resident memory of this process, from /proc/self/statm.
private func residentBytes() -> Int {
  let descriptor = csystem_open("/proc/self/statm", O_RDONLY, 0)
  defer { close(descriptor) }
  var text = [UInt8](repeating: 0, count: 256)
  let count = read(descriptor, &text, text.count)
  let fields = String(decoding: text[..<max(count, 0)], as: UTF8.self).split(separator: " ")
  return (Int(fields.dropFirst().first ?? "0") ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
}

/// A file with some content that goes away with this value.
private final class TemporaryFile: Sendable {
  let path: String
  private let inode: UInt64

  init(_ content: [UInt8]) throws {
    var template = Array("/tmp/http-server-test-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    try #require(descriptor >= 0)
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let written = write(descriptor, content, content.count)
    var status = stat()
    fstat(descriptor, &status)
    inode = UInt64(status.st_ino)
    close(descriptor)
    try #require(written == content.count)
  }

  deinit { unlink(path) }

  func isOpen(as descriptor: Int32) -> Bool {
    var status = stat()
    return fstat(descriptor, &status) == 0 && UInt64(status.st_ino) == inode
  }
}
