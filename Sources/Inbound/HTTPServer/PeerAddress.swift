import CMicrohttpd
import CSystem
import Glibc

/// Where a connection comes from, kept as numbers until somebody wants to read it.
package struct PeerAddress: Sendable, CustomStringConvertible {
  private var bytes: (UInt64, UInt64) = (0, 0)
  private var isIPv6 = false
  private var port: UInt16 = 0

  /// The unspecified address, 0.0.0.0:0.
  package init() {}

  init(_ address: UnsafePointer<sockaddr>?) {
    guard let address else { return }
    let raw = UnsafeRawPointer(address)
    switch Int32(address.pointee.sa_family) {
    case AF_INET:
      let ipv4 = raw.load(as: sockaddr_in.self)
      withUnsafeMutableBytes(of: &bytes) { $0.storeBytes(of: ipv4.sin_addr.s_addr, as: UInt32.self) }
      port = UInt16(bigEndian: ipv4.sin_port)
    case AF_INET6:
      let ipv6 = raw.load(as: sockaddr_in6.self)
      withUnsafeMutableBytes(of: &bytes) { target in
        withUnsafeBytes(of: ipv6.sin6_addr) { target.copyMemory(from: $0) }
      }
      port = UInt16(bigEndian: ipv6.sin6_port)
      isIPv6 = true
    default: break
    }
  }

  package var description: String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { text in
      withUnsafeBytes(of: bytes) { bytes in
        csystem_format_address(
          bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), isIPv6 ? 1 : 0, port, text.baseAddress, text.count)
      }
      return String(cString: text.baseAddress!)
    }
  }
}
