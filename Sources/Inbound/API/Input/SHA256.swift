import CCrypto

/// SHA-256 by the system's libcrypto.
enum SHA256 {
  static let byteCount = 32

  static func digest(of bytes: [UInt8]) -> [UInt8] {
    guard let context = ccrypto_sha256_start() else { fatalError("no memory for a digest") }
    ccrypto_sha256_update(context, bytes, bytes.count)
    return [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
      ccrypto_sha256_finish(context, buffer.baseAddress)
      count = byteCount
    }
  }

  /// In lower-case hex.
  static func hex(of bytes: [UInt8]) -> String { hex(digest(of: bytes)) }

  static func hex(_ digest: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(unsafeUninitializedCapacity: digest.count * 2) { buffer in
      for (index, byte) in digest.enumerated() {
        buffer[index * 2] = digits[Int(byte >> 4)]
        buffer[index * 2 + 1] = digits[Int(byte & 15)]
      }
      return digest.count * 2
    }
  }
}
