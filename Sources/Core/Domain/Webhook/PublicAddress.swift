/// Tells addresses of the open internet from those of a machine, a network or a cloud: what a caller names must not make this
/// service speak to its own surroundings. By IANA's registries of special-purpose addresses.
package enum PublicAddress {
  /// The four bytes of an IPv4 address or the sixteen of an IPv6 one; anything else is not public.
  package static func includes(_ bytes: [UInt8]) -> Bool {
    switch bytes.count {
    case 4: isPublicV4(bytes)
    case 16: isPublicV6(bytes)
    default: false
    }
  }

  private static func isPublicV4(_ bytes: [UInt8]) -> Bool {
    switch (bytes[0], bytes[1], bytes[2]) {
    // This network, private, loopback, link-local (with the metadata of clouds), shared by carriers.
    case (0, _, _), (10, _, _), (127, _, _), (169, 254, _), (172, 16...31, _), (192, 168, _), (100, 64...127, _): false
    // Protocol assignments, documentation, the old relay of 6to4, benchmarks.
    case (192, 0, 0), (192, 0, 2), (198, 51, 100), (203, 0, 113), (192, 88, 99), (198, 18...19, _): false
    // Multicast, reserved, broadcast.
    case (224..., _, _): false
    default: true
    }
  }

  private static func isPublicV6(_ bytes: [UInt8]) -> Bool {
    // What is in use is 2000::/3; outside of it are loopback, unspecified, mapped and translated IPv4 (::ffff:0:0/96,
    // 64:ff9b::/96), unique local, link-local, site-local and multicast.
    guard bytes[0] & 0xE0 == 0x20 else { return false }
    switch (bytes[0], bytes[1], bytes[2], bytes[3]) {
    // Teredo and the other protocol assignments of 2001::/23, documentation, 6to4, which leads to an IPv4 address.
    case (0x20, 0x01, 0x00...0x01, _), (0x20, 0x01, 0x0D, 0xB8), (0x20, 0x02, _, _): return false
    case (0x3F, 0xFF, 0x00...0x0F, _): return false
    default: return true
    }
  }
}
