import CCrypto

/// A running SHA-256. One owner at a time feeds it.
final class SHA256 {
  private let context: UnsafeMutableRawPointer
  private var finished = false

  init() {
    guard let context = ccrypto_sha256_start() else { preconditionFailure("no memory for a SHA-256") }
    self.context = context
  }

  deinit {
    if !finished { ccrypto_sha256_free(context) }
  }

  func update(_ bytes: UnsafeRawBufferPointer) {
    precondition(!finished, "a digest was taken already")
    if let start = bytes.baseAddress { ccrypto_sha256_update(context, start, bytes.count) }
  }

  /// The digest in lower-case hex; nothing can be added afterwards.
  func finish() -> String {
    precondition(!finished, "a digest was taken already")
    finished = true
    var digest = [UInt8](repeating: 0, count: 32)
    ccrypto_sha256_finish(context, &digest)
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}
