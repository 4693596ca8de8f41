import CCrypto
import Domain
import HTTPServer

/// One of Vast's own notifications, as far as it can be trusted: signed with the secret that Vast gave for this address, and
/// new. What it says is not read: it is a reason to look, and the list is the truth.
struct VastNotification: Sendable {
  /// Vast sends it with every attempt of the same notification.
  let eventID: String

  /// Vast and its libraries accept this much of a wrong clock; more would let an old message be played again.
  static let tolerance = Duration.seconds(300)

  /// Nil when the signature, the time or the id is missing or wrong.
  init?(_ head: RequestHead, body: [UInt8], secret: String, now: Timestamp) {
    guard let id = head.header("x-vast-event-id"), (1...128).contains(id.utf8.count),
      let stamp = head.header("x-vast-timestamp"), let seconds = Int64(stamp), stamp.utf8.count <= 12,
      let signature = head.header("x-vast-signature-256"), signature.hasPrefix("sha256=")
    else { return nil }
    let sent = Timestamp(microseconds: seconds * 1_000_000)
    let age = now - sent
    guard age <= Self.tolerance, age >= .zero - Self.tolerance else { return nil }
    let wanted = Array(("sha256=" + SHA256.hex(Self.code(of: Array("\(stamp).".utf8) + body, with: secret))).utf8)
    let shown = Array(signature.utf8)
    guard shown.count == wanted.count, ccrypto_equal(shown, wanted, wanted.count) == 1 else { return nil }
    eventID = id
  }

  static func code(of content: [UInt8], with secret: String) -> [UInt8] {
    let key = Array(secret.utf8)
    return [UInt8](unsafeUninitializedCapacity: 32) { buffer, count in
      count = ccrypto_hmac_sha256(key, key.count, content, content.count, buffer.baseAddress) == 1 ? 32 : 0
    }
  }
}

/// The last notifications' ids: Vast sends one again until it is answered.
struct SeenNotifications: Sendable {
  /// More than Vast sends an account within the time that a signature is good for.
  static let limit = 1000

  private var ids: Set<String> = []
  private var order: [String] = []
  private var oldest = 0

  /// False when it was there already.
  mutating func note(_ id: String) -> Bool {
    guard ids.insert(id).inserted else { return false }
    if order.count < Self.limit {
      order.append(id)
    } else {
      ids.remove(order[oldest])
      order[oldest] = id
      oldest = (oldest + 1) % Self.limit
    }
    return true
  }
}
