import CSystem
import Domain
import Glibc
import Locking

/// A TCP server on 127.0.0.1 that does to each connection what the test says, on a thread of its own.
final class HostileServer: Sendable {
  let address: SSHAddress
  private let listener: Int32
  private let accepted = Locked(0)

  init(_ treat: @escaping @Sendable (Int32) -> Void) throws {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    self.listener = listener
    csystem_set_cloexec(listener)
    var place = sockaddr_in()
    place.sin_family = sa_family_t(AF_INET)
    place.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &place) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        bind(listener, generic, length) == 0 && listen(listener, 64) == 0
          && getsockname(listener, generic, &length) == 0
      }
    }
    guard isBound else { throw FileFailure(path: "127.0.0.1") }
    address = SSHAddress(host: "127.0.0.1", port: UInt16(bigEndian: place.sin_port))
    startThread(name: "hostile") { [listener, accepted] in
      while true {
        let connection = accept(listener, nil, nil)
        if connection < 0 { return }
        csystem_set_cloexec(connection)
        accepted.withLock { $0 += 1 }
        startThread(name: "hostile") {
          treat(connection)
          close(connection)
        }
      }
    }
  }

  deinit {
    shutdown(listener, Int32(SHUT_RDWR))
    close(listener)
  }

  var connections: Int { accepted.withLock { $0 } }

  /// False once the other side is gone.
  static func say(_ bytes: [UInt8], to connection: Int32) -> Bool {
    send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
  }

  /// Waits until the other side has gone, saying nothing.
  static func ignore(_ connection: Int32) {
    var buffer = [UInt8](repeating: 0, count: 1024)
    while read(connection, &buffer, buffer.count) > 0 {}
  }
}
