import Domain
import HTTPServer

/// The header `Idempotency-Key`: a structured-field string (`"8e03…"`) as the draft has it, or the bare text.
enum IdempotencyHeader {
  /// Nil when the header is absent.
  static func key(in head: RequestHead) throws(APIError) -> String? {
    let values = head.headerValues("idempotency-key")
    guard values.count < 2 else { throw .malformedRequest("The request has more than one Idempotency-Key.") }
    guard let value = values.first else { return nil }
    guard let key = unquoted(value), (1...Limits.idempotencyKeyBytes).contains(key.utf8.count),
      key.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
    else {
      throw .malformedRequest(
        "Idempotency-Key must be 1 to \(Limits.idempotencyKeyBytes) visible ASCII characters, bare or in double quotes."
      )
    }
    return key
  }

  /// The text within quotes with its escapes undone; the text itself when it begins with no quote; nil for half of it.
  private static func unquoted(_ value: String) -> String? {
    guard value.hasPrefix("\"") else { return value }
    var text = ""
    var isEscaped = false
    let inner = value.unicodeScalars.dropFirst()
    for (offset, scalar) in inner.enumerated() {
      if isEscaped {
        guard scalar == "\"" || scalar == "\\" else { return nil }
        text.unicodeScalars.append(scalar)
        isEscaped = false
      } else if scalar == "\\" {
        isEscaped = true
      } else if scalar == "\"" {
        return offset == inner.count - 1 ? text : nil
      } else {
        text.unicodeScalars.append(scalar)
      }
    }
    return nil
  }
}

extension Call {
  /// The key of this request as the store keeps it; nil without the header. The fingerprint is over the id in the path and
  /// the body as received, so that a key is not good for another job's retry.
  func idempotencyKey(_ operation: Operation) throws(APIError) -> IdempotencyKey? {
    guard let key = try IdempotencyHeader.key(in: head) else { return nil }
    return IdempotencyKey(
      principal: context.principal ?? Authenticator.anonymous, route: operation.rawValue, key: key,
      fingerprint: SHA256.hex(of: Array((id ?? "").utf8) + body))
  }
}
