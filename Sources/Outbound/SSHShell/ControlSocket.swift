import CSystem
import Glibc

/// The socket of a master connection. Spoken to directly for two questions, so that they cost no process:
/// is somebody there, and please end. (OpenSSH's PROTOCOL.mux, unchanged since version 4 of it, 2010.)
enum ControlSocket {
  /// The address of a Unix socket holds 108 bytes, and the client appends a dot and 16 characters while it makes one.
  static let pathLimit = 90

  /// False for a socket whose owner is gone, and for none at all.
  static func isAnswering(_ path: String) -> Bool {
    let descriptor = connect(path)
    if descriptor >= 0 { close(descriptor) }
    return descriptor >= 0
  }

  /// Ends the master and all sessions over it, and removes the socket. Does not wait for more than its connection to close.
  static func terminate(_ path: String) {
    let descriptor = connect(path)
    if descriptor >= 0 {
      // Each packet: its length, its type, and for the first the protocol's version, for the second a request's number.
      let words: [UInt32] = [8, 0x0000_0001, 4, 8, 0x1000_0005, 1]
      let bytes = words.flatMap { word in withUnsafeBytes(of: word.bigEndian) { Array($0) } }
      send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
      // The master answers, tells the server and closes. When it hangs, its socket goes without it.
      var buffer = [UInt8](repeating: 0, count: 256)
      let deadline = csystem_monotonic_ns() + 500_000_000
      while true {
        var watched = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        let left = (deadline - csystem_monotonic_ns()) / 1_000_000
        guard left > 0, poll(&watched, 1, Int32(left)) > 0 else { break }
        if read(descriptor, &buffer, buffer.count) <= 0 { break }
      }
      close(descriptor)
    }
    unlink(path)
  }

  private static func connect(_ path: String) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return -1 }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    let flags = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    let descriptor = socket(AF_UNIX, flags, 0)
    guard descriptor >= 0 else { return -1 }
    let isConnected = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
      }
    }
    if isConnected { return descriptor }
    close(descriptor)
    return -1
  }
}
