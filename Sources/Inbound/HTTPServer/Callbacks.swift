import CMicrohttpd
import CSystem
import Glibc
import Synchronization

// What the library calls. Global functions: a closure literal could silently be inferred to belong to an actor.

func callbacks(for core: Unmanaged<ServerCore>) -> cmhd_callbacks {
  cmhd_callbacks(
    server: core.toOpaque(), accepts: mayConnect, connected: connectionOpened, disconnected: connectionClosed,
    request_line: requestLineRead,
    request: requestCalled, completed: requestCompleted)
}

private func mayConnect(_ server: UnsafeMutableRawPointer?) -> Int32 {
  guard let server else { return 0 }
  let core = Unmanaged<ServerCore>.fromOpaque(server).takeUnretainedValue()
  return core.isDraining.load(ordering: .relaxed) ? 0 : 1
}

private func connectionOpened(
  _ server: UnsafeMutableRawPointer?, _ handle: OpaquePointer?, _ descriptor: Int32,
  _ address: UnsafePointer<sockaddr>?
) -> UnsafeMutableRawPointer? {
  guard let server, let handle else { return nil }
  let core = Unmanaged<ServerCore>.fromOpaque(server).takeUnretainedValue()
  let now = csystem_monotonic_ns()
  let connection = Connection(
    core: core, handle: handle, descriptor: descriptor, peer: PeerAddress(address), now: now)
  core.table.insert(connection, now: now)
  return Unmanaged.passRetained(connection).toOpaque()
}

private func connectionClosed(_ context: UnsafeMutableRawPointer?) {
  guard let context else { return }
  let connection = Unmanaged<Connection>.fromOpaque(context).takeRetainedValue()
  connection.core.table.remove(connection)
}

private func requestLineRead(_ context: UnsafeMutableRawPointer?, _ target: UnsafePointer<CChar>?) {
  guard let context, let target else { return }
  Unmanaged<Connection>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.requestLine(target) }
}

private func requestCalled(
  _ context: UnsafeMutableRawPointer?, _ method: UnsafePointer<CChar>?, _ version: UnsafePointer<CChar>?,
  _ upload: UnsafePointer<CChar>?, _ size: UnsafeMutablePointer<Int>?
) -> Int32 {
  guard let context, let method, let version, let size else { return 0 }
  return Unmanaged<Connection>.fromOpaque(context)._withUnsafeGuaranteedRef {
    $0.request(method: method, version: version, upload: upload, size: size) ? 1 : 0
  }
}

private func requestCompleted(_ context: UnsafeMutableRawPointer?, _ whole: Int32) {
  guard let context else { return }
  Unmanaged<Connection>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.requestEnded(whole: whole != 0) }
}

/// Ties a stream to the connection that sends it.
final class StreamSource: Sendable {
  let stream: ResponseStream
  let connection: Connection
  let resume: @Sendable () -> Void

  init(stream: ResponseStream, connection: Connection, resume: @escaping @Sendable () -> Void) {
    self.stream = stream
    self.connection = connection
    self.resume = resume
  }
}

func readStream(
  _ context: UnsafeMutableRawPointer?, _ position: UInt64, _ buffer: UnsafeMutablePointer<CChar>?, _ size: Int
) -> Int {
  guard let context, let buffer else { return Int(CMHD_STREAM_ERROR) }
  let source = Unmanaged<StreamSource>.fromOpaque(context).takeUnretainedValue()
  let core = source.connection.core
  let handle = ConnectionHandle(pointer: source.connection.handle)
  let taken = source.stream.take(
    into: UnsafeMutableRawBufferPointer(start: buffer, count: size), suspend: { core.suspend(handle) },
    resume: source.resume)
  switch taken {
  case .bytes(let count): return count
  case .finished: return Int(CMHD_STREAM_END)
  case .broken:
    // Told of an error here, the library calls the connection closed but forgets it until its idle timeout, descriptor and
    // all: 0.9.75 leaves it out of the epoll set and of the list that it cleans up. So the socket is shut instead, behind
    // what is queued on it, and the body "ended": the library finds out when it sends the end, which nobody can receive.
    _ = csystem_shutdown_both(source.connection.descriptor)
    return Int(CMHD_STREAM_END)
  case .suspended:
    // The stream may be pushed to already; the library looks only after this returns.
    source.connection.watchForHangup()
    return 0
  }
}

func releaseStream(_ context: UnsafeMutableRawPointer?) {
  guard let context else { return }
  Unmanaged<StreamSource>.fromOpaque(context).release()
}
