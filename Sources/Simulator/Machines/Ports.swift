import CSystem
import Glibc
import Locking

/// Free ports of 127.0.0.1 for containers. Below the range that the kernel hands out for outgoing connections, so that none
/// of those takes one between its choice and its use.
final class Ports: Sendable {
  private static let range = 20_000..<32_000
  private let next: Locked<Int>

  /// Begins at a random place, so that several simulators on a machine seldom meet.
  init() { next = Locked(Int.random(in: Self.range)) }

  /// Two neighbouring free ports, of which the first is meant: Jupyter's proxy uses the second.
  func take() -> Int {
    next.withLock { next in
      for _ in Self.range {
        next += 2
        if next + 1 >= Self.range.upperBound { next = Self.range.lowerBound }
        if Self.isFree(next), Self.isFree(next + 1) { return next }
      }
      // All taken: sshd will say so in its log.
      return Self.range.lowerBound
    }
  }

  private static func isFree(_ port: Int) -> Bool {
    let descriptor = listen(on: port)
    guard descriptor >= 0 else { return false }
    close(descriptor)
    return true
  }

  /// A socket that listens on a port of 127.0.0.1; -1 when the port is taken.
  static func listen(on port: Int) -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return -1 }
    var yes: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let bound = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 && Glibc.listen(descriptor, 16) == 0
      }
    }
    if bound { return descriptor }
    close(descriptor)
    return -1
  }
}
