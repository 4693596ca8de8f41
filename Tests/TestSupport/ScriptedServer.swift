import CSystem
import Glibc
import Locking

/// A tiny HTTP/1.1 server for tests of clients: a closure says what each request gets, down to the bytes, the silence and
/// the broken connection. One thread per connection; 127.0.0.1 and a free port.
package final class ScriptedServer: Sendable {
  package struct Request: Sendable {
    package var method: String
    /// Path and query as sent.
    package var target: String
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]
    /// 1 for the first connection that the server took.
    package var connection: Int

    package var text: String { String(decoding: body, as: UTF8.self) }

    package func header(_ name: String) -> String? {
      headers.last { $0.name.lowercased() == name.lowercased() }?.value
    }
  }

  package enum Reply: Sendable {
    /// A well-formed answer with its length; the connection stays open.
    case answer(Int, headers: [(String, String)] = [], body: [UInt8] = [])
    /// These bytes and nothing else, then the connection is closed.
    case raw([UInt8])
    /// A good head, then one byte of the body every so many milliseconds, for as long as the client stays.
    case drip(everyMilliseconds: UInt32)
    /// Nothing, until the client goes.
    case silence
    /// The connection is closed without a word.
    case close

    package static func json(_ status: Int, _ text: String) -> Reply {
      .answer(status, headers: [("Content-Type", "application/json")], body: Array(text.utf8))
    }
  }

  private struct State {
    var requests: [Request] = []
    var connections: Set<Int32> = []
    var connectionCount = 0
    var isStopped = false
  }

  package let port: UInt16
  private let listener: Int32
  private let state = Locked(State())

  /// `script` runs on the connection's thread, once per request.
  package init(_ script: @escaping @Sendable (Request) -> Reply) {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    precondition(listener >= 0, "no socket")
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        bind(listener, address, length) == 0 && listen(listener, 128) == 0
          && getsockname(listener, address, &length) == 0
      }
    }
    precondition(bound, "no free port")
    self.listener = listener
    port = UInt16(bigEndian: address.sin_port)
    startThread(name: "test-accept") { [state] in
      while true {
        let connection = accept(listener, nil, nil)
        // `stop` shuts the socket down; its number is given back here, where nobody can use it by mistake any more.
        if connection < 0 {
          Glibc.close(listener)
          return
        }
        let number = state.withLock { state in
          state.connections.insert(connection)
          state.connectionCount += 1
          return state.connectionCount
        }
        startThread(name: "test-connection") {
          Connection(descriptor: connection, number: number).serve { request in
            state.withLock { $0.requests.append(request) }
            return script(request)
          }
          state.withLock { _ = $0.connections.remove(connection) }
          Glibc.close(connection)
        }
      }
    }
  }

  deinit { stop() }

  package var url: String { "http://127.0.0.1:\(port)" }
  package var requests: [Request] { state.withLock { $0.requests } }
  package var connectionCount: Int { state.withLock { $0.connectionCount } }

  /// Closes the port and every connection.
  package func stop() {
    state.withLock { state in
      guard !state.isStopped else { return }
      state.isStopped = true
      shutdown(listener, Int32(SHUT_RDWR))
      for connection in state.connections { shutdown(connection, Int32(SHUT_RDWR)) }
    }
  }
}

/// One connection's side of the talk. Used by its thread alone.
private struct Connection {
  let descriptor: Int32
  let number: Int
  private var buffer: [UInt8] = []

  init(descriptor: Int32, number: Int) {
    self.descriptor = descriptor
    self.number = number
  }

  func serve(_ reply: (ScriptedServer.Request) -> ScriptedServer.Reply) {
    var talk = self
    while let request = talk.readRequest() {
      switch reply(request) {
      case .answer(let status, let headers, let body):
        var head = "HTTP/1.1 \(status) Scripted\r\nContent-Length: \(body.count)\r\n"
        for (name, value) in headers { head += "\(name): \(value)\r\n" }
        guard talk.write(Array((head + "\r\n").utf8) + body) else { return }
      case .raw(let bytes):
        _ = talk.write(bytes)
        return
      case .drip(let pause):
        guard talk.write(Array("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n".utf8)) else { return }
        while talk.write([UInt8(ascii: " ")]) { usleep(pause * 1000) }
        return
      case .silence:
        while talk.fill() {}
        return
      case .close:
        return
      }
    }
  }

  private mutating func readRequest() -> ScriptedServer.Request? {
    let blankLine = Array("\r\n\r\n".utf8)
    var end: Int?
    repeat {
      end = buffer.indices.first { buffer[$0...].starts(with: blankLine) }
      if end == nil, !fill() { return nil }
    } while end == nil
    guard let end else { return nil }
    let lines = String(decoding: buffer[..<end], as: UTF8.self).split(separator: "\r\n")
    buffer.removeFirst(end + 4)
    let words = lines[0].split(separator: " ")
    let headers = lines.dropFirst().map { line in
      let parts = line.split(separator: ":", maxSplits: 1)
      return (name: String(parts[0]), value: parts.count > 1 ? String(parts[1].drop { $0 == " " }) : "")
    }
    let length = headers.last { $0.name.lowercased() == "content-length" }.flatMap { Int($0.value) } ?? 0
    while buffer.count < length { if !fill() { return nil } }
    let body = Array(buffer[..<length])
    buffer.removeFirst(length)
    return .init(
      method: String(words[0]), target: String(words[1]), headers: headers, body: body, connection: number)
  }

  /// Reads what is there; false when the client is gone.
  private mutating func fill() -> Bool {
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    let count = recv(descriptor, &chunk, chunk.count, 0)
    if count > 0 { buffer.append(contentsOf: chunk[..<count]) }
    return count > 0
  }

  private func write(_ bytes: [UInt8]) -> Bool {
    var offset = 0
    while offset < bytes.count {
      let count = bytes[offset...].withUnsafeBytes {
        send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      if count <= 0 { return false }
      offset += count
    }
    return true
  }
}
