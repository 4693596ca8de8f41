import CSystem
import Glibc
import Locking

/// A socket and nothing between: for requests that no HTTP library would send, and for seeing what truly came back.
///
/// Each operation blocks on a thread of its own, so that a test never holds up the two threads of the cooperative pool that
/// the code under test needs.
package final class RawClient: Sendable {
  package struct Failure: Error, CustomStringConvertible {
    package let description: String
  }

  package let descriptor: Int32
  private let buffer = Locked<[UInt8]>([])

  package init(port: UInt16, host: String = "127.0.0.1") throws {
    descriptor = csystem_connect_tcp(host, port)
    guard descriptor >= 0 else {
      throw Failure(description: "no connection to \(host):\(port), errno \(csystem_errno())")
    }
  }

  deinit { close(descriptor) }

  package func send(_ text: String) async { await send(Array(text.utf8)) }

  /// Sends all of it, or as much as the server takes before it closes.
  /// - Returns: how many bytes the kernel took.
  @discardableResult
  package func send(_ bytes: [UInt8]) async -> Int {
    await onThread {
      var sent = 0
      while sent < bytes.count {
        let count = bytes.withUnsafeBytes {
          Glibc.send(self.descriptor, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
        }
        guard count > 0 else { break }
        sent += count
      }
      return sent
    }
  }

  /// The next response, its body read to the announced end. Throws when the connection ends or nothing comes in time.
  package func response(toHead: Bool = false, seconds: Double = 20) async throws -> RawResponse {
    try await onThread {
      let deadline = csystem_monotonic_ns() + Int64(seconds * 1e9)
      var response = try self.head(until: deadline)
      if toHead || response.status == 204 || response.status == 304 { return response }
      if response.header("transfer-encoding")?.lowercased() == "chunked" {
        response.body = try self.chunked(until: deadline)
      } else if let length = response.header("content-length").flatMap(Int.init) {
        response.body = try self.bytes(length, until: deadline)
      } else if response.status >= 200 {
        while try self.fill(until: deadline) {}
        response.body = self.buffer.withLock { buffer in
          defer { buffer = [] }
          return buffer
        }
      }
      return response
    }
  }

  /// The status line and headers only; the body stays to be read.
  package func responseHead(seconds: Double = 20) async throws -> RawResponse {
    try await onThread { try self.head(until: csystem_monotonic_ns() + Int64(seconds * 1e9)) }
  }

  /// Body bytes as they come, at least one; empty at the end of the connection.
  package func some(seconds: Double = 20) async throws -> [UInt8] {
    try await onThread {
      if self.buffer.withLock({ $0.isEmpty }) {
        _ = try self.fill(until: csystem_monotonic_ns() + Int64(seconds * 1e9))
      }
      return self.buffer.withLock { buffer in
        defer { buffer = [] }
        return buffer
      }
    }
  }

  /// Everything until the server closes. A reset counts as a close.
  package func readToEnd(seconds: Double = 20) async throws -> [UInt8] {
    try await onThread {
      let deadline = csystem_monotonic_ns() + Int64(seconds * 1e9)
      while try self.fill(until: deadline) {}
      return self.buffer.withLock { buffer in
        defer { buffer = [] }
        return buffer
      }
    }
  }

  /// Whether the server closes the connection, with nothing more to read, within some time.
  package func closes(seconds: Double = 20) async -> Bool {
    do {
      return try await readToEnd(seconds: seconds).isEmpty
    } catch {
      return false
    }
  }

  /// Tells the server that nothing more will be sent.
  package func halfClose() { _ = csystem_shutdown_send(descriptor) }

  /// Leaves without a word in either direction.
  package func leave() { _ = csystem_shutdown_both(descriptor) }

  /// Has closing send a reset in place of a proper end.
  package func resetOnClose() {
    var option = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
  }

  /// Makes the kernel take little for a client that does not read.
  package func shrinkReceiveBuffer(_ bytes: Int32) {
    var bytes = bytes
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, socklen_t(MemoryLayout<Int32>.size))
  }

  // MARK: On the operation's thread

  private func head(until deadline: Int64) throws -> RawResponse {
    while true {
      let head = buffer.withLock { buffer -> [UInt8]? in
        guard let end = buffer.firstIndex(ofPattern: [13, 10, 13, 10]) else { return nil }
        defer { buffer.removeFirst(end + 4) }
        return Array(buffer[..<end])
      }
      if let head {
        guard let response = RawResponse(head: String(decoding: head, as: UTF8.self)) else {
          throw Failure(description: "not a response: \(String(decoding: head, as: UTF8.self))")
        }
        return response
      }
      guard try fill(until: deadline) else { throw Failure(description: "the connection ended before a response") }
    }
  }

  private func bytes(_ count: Int, until deadline: Int64) throws -> [UInt8] {
    while true {
      let found = buffer.withLock { buffer -> [UInt8]? in
        guard buffer.count >= count else { return nil }
        defer { buffer.removeFirst(count) }
        return Array(buffer[..<count])
      }
      if let found { return found }
      guard try fill(until: deadline) else { throw Failure(description: "the body broke off") }
    }
  }

  private func chunked(until deadline: Int64) throws -> [UInt8] {
    var body: [UInt8] = []
    while true {
      let line = try line(until: deadline)
      guard let size = Int(line, radix: 16) else { throw Failure(description: "not a chunk size: \(line)") }
      body += try bytes(size, until: deadline)
      _ = try self.line(until: deadline)
      if size == 0 { return body }
    }
  }

  private func line(until deadline: Int64) throws -> String {
    while true {
      let line = buffer.withLock { buffer -> String? in
        guard let end = buffer.firstIndex(ofPattern: [13, 10]) else { return nil }
        defer { buffer.removeFirst(end + 2) }
        return String(decoding: buffer[..<end], as: UTF8.self)
      }
      if let line { return line }
      guard try fill(until: deadline) else { throw Failure(description: "the body broke off") }
    }
  }

  /// False at the end of the connection.
  private func fill(until deadline: Int64) throws -> Bool {
    let left = (deadline - csystem_monotonic_ns()) / 1_000_000
    var poller = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard left > 0, poll(&poller, 1, Int32(left)) > 0 else { throw Failure(description: "nothing came in time") }
    var piece = [UInt8](repeating: 0, count: 65536)
    let count = recv(descriptor, &piece, piece.count, 0)
    guard count > 0 else { return false }
    buffer.withLock { $0 += piece[..<count] }
    return true
  }
}

/// What came back, in text.
package struct RawResponse: Sendable {
  package let status: Int
  package let headers: [(name: String, value: String)]
  package var body: [UInt8] = []

  init?(head: String) {
    let lines = head.split(separator: "\r\n", omittingEmptySubsequences: false)
    let statusLine = lines[0].split(separator: " ", maxSplits: 2)
    guard statusLine.count >= 2, statusLine[0].hasPrefix("HTTP/1."), let status = Int(statusLine[1]) else { return nil }
    self.status = status
    headers = lines.dropFirst().map { line in
      let colon = line.firstIndex(of: ":") ?? line.endIndex
      return (name: String(line[..<colon]), value: String(line[colon...].dropFirst().drop { $0 == " " }))
    }
  }

  package func header(_ name: String) -> String? {
    headers.first { $0.name.lowercased() == name.lowercased() }?.value
  }

  package var text: String { String(decoding: body, as: UTF8.self) }
  package var closes: Bool { header("connection")?.lowercased() == "close" }
}

private func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
  try await withCheckedThrowingContinuation { continuation in
    startThread(name: "raw-client") {
      continuation.resume(with: Result { try body() })
    }
  }
}

private func onThread<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
  await withCheckedContinuation { continuation in
    startThread(name: "raw-client") { continuation.resume(returning: body()) }
  }
}

extension [UInt8] {
  fileprivate func firstIndex(ofPattern pattern: [UInt8]) -> Int? {
    guard count >= pattern.count else { return nil }
    return (0...(count - pattern.count)).first {
      self[$0] == pattern[0] && self[$0..<($0 + pattern.count)].elementsEqual(pattern)
    }
  }
}
