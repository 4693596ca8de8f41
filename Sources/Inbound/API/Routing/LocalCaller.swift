/// Who may speak without a token: programs of this machine. They connect to loopback, but so does a browser whose page made
/// its own name point to 127.0.0.1; that page's name stands in Host, and another page's in Origin.
enum LocalCaller {
  static func isPlausible(host: String?, origin: String?) -> Bool {
    if let host, !isLoopback(authority: host) { return false }
    guard let origin else { return true }
    for scheme in ["http://", "https://"] where origin.utf8.starts(with: scheme.utf8) {
      return isLoopback(authority: String(origin.dropFirst(scheme.count)))
    }
    return false
  }

  /// `localhost`, `127.x.y.z` or `[::1]`, with or without a port.
  private static func isLoopback(authority: String) -> Bool {
    let text = authority.lowercased()
    if text.hasPrefix("[") { return text == "[::1]" || text.hasPrefix("[::1]:") }
    let name = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)[0]
    if name == "localhost" { return true }
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
  }
}
