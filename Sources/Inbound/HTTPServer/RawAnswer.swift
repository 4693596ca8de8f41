import CMicrohttpd
import CSystem

/// An answer written straight to the socket. The library takes an answer before the body and after it, but not while the body
/// is on its way, and that is just when a body turns out to be too large or too slow. Nothing else has been written for such
/// a request, so the socket's buffer is empty and takes all of a small answer at once; a large one may be cut.
enum RawAnswer {
  static func render(_ response: Response, for method: Method?) -> [UInt8] {
    var text = "HTTP/1.1 \(response.status) "
    text += cmhd_reason_phrase(UInt32(response.status)).map { String(cString: $0) } ?? "Unknown"
    text += "\r\nDate: \(httpDate())\r\nConnection: close\r\n"
    for header in response.headers where isSendable(header) {
      text += "\(header.name): \(header.value)\r\n"
    }
    var bytes: [UInt8] = []
    switch response.body {
    case .bytes(let body): bytes = body
    case .shared(let body): bytes = body.withUnsafeBytes { Array($0) }
    case .file, .stream: response.discard()
    }
    text += "Content-Length: \(bytes.count)\r\n\r\n"
    return Array(text.utf8) + (method == .head ? [] : bytes)
  }

  /// Writes what fits and closes the sending half.
  static func send(_ bytes: [UInt8], to descriptor: Int32) {
    _ = bytes.withUnsafeBytes { csystem_send_now(descriptor, $0.baseAddress, $0.count) }
    _ = csystem_shutdown_send(descriptor)
  }

  static func canRender(_ response: Response) -> Bool {
    switch response.body {
    case .bytes, .shared: true
    case .file, .stream: false
    }
  }

  private static func isSendable(_ header: (name: String, value: String)) -> Bool {
    header.name.utf8.allSatisfy(Characters.isToken) && !header.name.isEmpty
      && header.value.utf8.allSatisfy(Characters.isFieldValue) && !header.value.isEmpty
  }

  private static func httpDate() -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 30) { text in
      csystem_http_date(text.baseAddress)
      return String(cString: text.baseAddress!)
    }
  }
}
