/// One call. Build it, send it; it holds nothing that must be closed.
package struct HTTPClientRequest: Sendable {
  package var method: String
  package var url: String
  /// Sent in this order. A name or value that holds a control character is refused, not cleaned.
  package var headers: [(name: String, value: String)]
  /// Nil sends no body and no `Content-Length`; empty sends `Content-Length: 0`.
  package var body: [UInt8]?
  /// From the call to the last byte of the answer, waiting for a connection included. A server that drips does not escape it.
  package var timeout: Duration
  /// Name, TCP and TLS together.
  package var connectTimeout: Duration
  /// Largest answer in bytes, unpacked.
  package var responseLimit: Int
  /// An answer beyond the limit is cut and counts, instead of being an error: for who only wants the status.
  package var cutsLongAnswers = false
  /// Whether the server may be shown this request twice.
  ///
  /// libcurl sends a request again, whatever its method, when an idle connection that it chose to reuse closes without a
  /// byte of answer. That is right for reading and ruinous for renting, so a request that may not be repeated gets a
  /// connection of its own. It costs one handshake.
  package var mayBeRepeated: Bool

  package init(
    method: String, url: String, headers: [(name: String, value: String)] = [], body: [UInt8]? = nil,
    timeout: Duration = .seconds(30), connectTimeout: Duration = .seconds(10), responseLimit: Int = 32 << 20,
    mayBeRepeated: Bool? = nil
  ) {
    self.method = method
    self.url = url
    self.headers = headers
    self.body = body
    self.timeout = timeout
    self.connectTimeout = connectTimeout
    self.responseLimit = responseLimit
    self.mayBeRepeated = mayBeRepeated ?? ["GET", "HEAD", "OPTIONS"].contains(method)
  }

  /// Why this cannot be sent at all; nil when it can.
  var fault: String? {
    guard !method.isEmpty, method.utf8.allSatisfy({ (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }) else {
      return "the method is not a word of capital letters"
    }
    guard url.hasPrefix("http://") || url.hasPrefix("https://") else { return "the URL is neither http nor https" }
    guard url.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else { return "the URL holds a blank or control character" }
    for (name, value) in headers {
      guard !name.isEmpty, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ":") }) else {
        return "a header's name holds a character that it must not"
      }
      guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
        return "the header \(name) holds a control character"
      }
    }
    return nil
  }
}
