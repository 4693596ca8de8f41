import CCrypto
package import Domain
import EventFormats

/// How a receiver knows that a message is ours and new: the Standard Webhooks scheme, version 1 (HMAC-SHA256).
package enum WebhookSignature {
  /// The value of `webhook-signature`: one signature for each key, so that a receiver with either of two accepts it.
  ///
  /// - Parameters:
  ///   - id: the event's, the same in every attempt.
  ///   - timestamp: of this attempt, in whole seconds since 1970.
  package static func header(id: String, timestamp: Int64, body: [UInt8], secrets: [WebhookSecret]) -> String {
    let content = Array("\(id).\(timestamp).".utf8) + body
    return secrets.map { "v1," + Base64.encode(authenticationCode(of: content, with: $0.bytes)) }
      .joined(separator: " ")
  }

  static func authenticationCode(of content: [UInt8], with key: [UInt8]) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: 32) { buffer, count in
      // Fails for want of memory alone; a message without a signature is refused by its receiver, and sent again later.
      count = ccrypto_hmac_sha256(key, key.count, content, content.count, buffer.baseAddress) == 1 ? 32 : 0
    }
  }
}
