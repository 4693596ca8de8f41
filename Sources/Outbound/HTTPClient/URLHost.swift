import CCurl

/// The host and port of a URL as libcurl reads them: two readers of one URL are how a check is fooled.
struct URLHost: Sendable, Hashable {
  /// Brackets and all where it is an IPv6 address.
  let name: String
  let port: UInt32

  /// Longer than any name can be, and than any address.
  private static let longest = 512

  /// Nil where libcurl finds no host.
  init?(_ url: String) {
    var text = [CChar](repeating: 0, count: Self.longest)
    var port: UInt32 = 0
    guard ccurl_url_host(url, &text, text.count, &port) != 0 else { return nil }
    name = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    self.port = port
  }

  /// Whether there is nothing to look up.
  var isAddress: Bool { ccurl_is_address(name) != 0 }
}

/// Where the name of a request leads.
struct HostAddresses: Sendable, Hashable {
  let host: URLHost
  let addresses: [String]

  /// As `CURLOPT_RESOLVE` takes it; the plus lets it be forgotten.
  var line: String {
    let list = addresses.map { $0.utf8.contains(UInt8(ascii: ":")) ? "[\($0)]" : $0 }
    return "+\(host.name):\(host.port):\(list.joined(separator: ","))"
  }
}
