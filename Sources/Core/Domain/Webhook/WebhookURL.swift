/// The form of a receiver's address. Where its name leads is looked at when a connection is made, each time: names can change.
package enum WebhookURL {
  /// As Vast and others bound theirs.
  package static let longest = 2048

  /// What is wrong with a text as an address, for its author; nil for a good one. `allowsPrivate` is for receivers in the own
  /// network, which may speak plain HTTP.
  package static func complaint(_ text: String, allowsPrivate: Bool) -> String? {
    guard text.utf8.count <= longest else { return "must have at most \(longest) bytes" }
    guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") }) else {
      return "must be a URL of plain ASCII: no blanks, control characters or backslashes"
    }
    let isSecure = text.hasPrefix("https://")
    guard isSecure || (allowsPrivate && text.hasPrefix("http://")) else {
      return allowsPrivate
        ? "must begin with https:// or http://"
        : "must begin with https:// (VASTD_WEBHOOK_ALLOW_PRIVATE=true also lets http:// and private addresses through)"
    }
    guard !text.utf8.contains(UInt8(ascii: "#")) else { return "must not have a fragment (#…)" }
    let authority = text.dropFirst(isSecure ? 8 : 7).prefix { $0 != "/" && $0 != "?" }
    guard !authority.utf8.contains(UInt8(ascii: "@")) else { return "must not hold a user or password before the host" }
    guard let host = host(ofAuthority: authority) else { return "must name a host, with a port from 1 to 65535 if any" }
    guard !allowsPrivate else { return nil }
    let name = host.lowercased()
    if isLocal(name) || IPv4Literal.bytes(name).map({ !PublicAddress.includes($0) }) ?? false || name.hasPrefix("[") {
      return "must not lead to a loopback, private, link-local or otherwise special address"
    }
    return nil
  }

  /// Names that lead nowhere but into a machine, a network, a cloud or a cluster.
  private static func isLocal(_ name: String) -> Bool {
    let words = name.split(separator: ".", omittingEmptySubsequences: false)
    return words.last.map { ["localhost", "localdomain", "local", "internal", "svc"].contains($0) } ?? false
  }

  /// Without its port, and without the point that may end a name; nil when there is none or either cannot be.
  private static func host(ofAuthority authority: Substring) -> String? {
    var host = authority
    let end = authority.hasPrefix("[") ? authority.firstIndex(of: "]").map { authority.index(after: $0) } : nil
    if let colon = authority[(end ?? authority.startIndex)...].firstIndex(of: ":") {
      guard let port = UInt16(authority[authority.index(after: colon)...]), port > 0 else { return nil }
      host = authority[..<colon]
    }
    // An encoded name would be read by the one who calls it, and by none of these rules.
    guard end != nil || !host.utf8.contains(UInt8(ascii: "%")) else { return nil }
    if host.hasSuffix(".") { host = host.dropLast() }
    return host.isEmpty || host.hasSuffix(".") || host == "[]" ? nil : String(host)
  }
}

/// An IPv4 address as C's library reads one: one to four numbers, decimal, octal or hexadecimal, the last of which fills what is
/// left. `2130706433` and `0x7f.1` are loopback as well.
enum IPv4Literal {
  static func bytes(_ text: String) -> [UInt8]? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard (1...4).contains(parts.count) else { return nil }
    var numbers: [UInt64] = []
    for part in parts {
      guard let number = number(part) else { return nil }
      numbers.append(number)
    }
    var address: UInt64 = 0
    for (place, number) in numbers.enumerated() {
      let isLast = place == numbers.count - 1
      let bits = UInt64(isLast ? 8 * (4 - place) : 8)
      guard number < 1 << bits else { return nil }
      address |= isLast ? number : number << UInt64(24 - 8 * place)
    }
    return [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: address >> UInt64($0)) }
  }

  private static func number(_ text: Substring) -> UInt64? {
    guard let first = text.utf8.first, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else { return nil }
    if text.hasPrefix("0x") { return UInt64(text.dropFirst(2), radix: 16) }
    return first == UInt8(ascii: "0") && text.utf8.count > 1 ? UInt64(text.dropFirst(), radix: 8) : UInt64(text)
  }
}
