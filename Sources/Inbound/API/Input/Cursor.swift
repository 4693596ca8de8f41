import CCrypto
import Domain

/// Where a list goes on, as an opaque text: the last item's moment and id, bound to the filters of the list and signed, so
/// that a cursor made up, changed or taken to another list is refused and not obeyed.
struct CursorCodec: Sendable {
  /// Kept by the installation: a cursor survives a restart.
  private let secret: [UInt8]

  init(secret: [UInt8]) { self.secret = secret }

  private static let version: UInt8 = 1
  /// 96 bits of a keyed SHA-256. The secret stands on both sides of a message of known length, so nothing can be appended.
  private static let tagBytes = 12
  private static let headBytes = 1 + 8 + 8

  /// `scope` names the list and its filters.
  func encode(_ position: PagePosition, scope: String) -> String {
    var message = [Self.version]
    let bits = UInt64(bitPattern: position.createdAt.microseconds)
    message += (0..<8).map { UInt8(truncatingIfNeeded: bits >> UInt64(56 - $0 * 8)) }
    message += fingerprint(scope)
    message += Array(position.id.utf8)
    return Base64URL.encode(message + tag(message))
  }

  func decode(_ text: String, scope: String) throws(APIError) -> PagePosition {
    guard text.utf8.count <= 256, let bytes = Base64URL.decode(text), bytes.count > Self.headBytes + Self.tagBytes,
      bytes[0] == Self.version
    else { throw Self.refusal }
    let message = Array(bytes[..<(bytes.count - Self.tagBytes)])
    let shown = Array(bytes[(bytes.count - Self.tagBytes)...])
    guard ccrypto_equal(shown, tag(message), Self.tagBytes) == 1 else { throw Self.refusal }
    guard Array(message[9..<17]) == fingerprint(scope) else {
      throw .queryParameter(name: "cursor", detail: "belongs to a list with other filters")
    }
    let bits = message[1..<9].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return PagePosition(
      createdAt: Timestamp(microseconds: Int64(bitPattern: bits)),
      id: String(decoding: message[Self.headBytes...], as: UTF8.self))
  }

  private static let refusal = APIError.queryParameter(
    name: "cursor", detail: "is not one that this server gave; begin again without it")

  private func fingerprint(_ scope: String) -> [UInt8] { Array(SHA256.digest(of: Array(scope.utf8))[..<8]) }

  private func tag(_ message: [UInt8]) -> [UInt8] {
    Array(SHA256.digest(of: secret + message + secret)[..<Self.tagBytes])
  }
}
