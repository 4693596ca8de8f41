/// Archives made once by Python's tarfile and gzip.
package enum Archives {
  /// `train.py`
  package static let good = decode(
    "H4sIAAAAAAACA-3NMQrCQBQE0F97CkttZLOsep6UaUJYN0Vu75JGsFcQ32tmmGZaHaf5smzxQam7lbJn954pDfnV9_1e8jWOKb5gfbSx9sv4T0ud5nYq"
      + "-XwIAAAAAAAAAAAAfsgTu7FsdAAoAAA")
  /// `../evil`
  package static let leaving = decode(
    "H4sIAAAAAAACA-3NMQ6CQBQE0H8UT7DsRoLnsaAgsVIhHt8vFaHHxPheM5NpppRuXKZbHKmmoe_XTPtMbdM_-6WeW5xqfMH8eF7veRn_6RUAAAAAAAAAAAD8"
      + "ojfoy8v-ACgAAA")

  private static func decode(_ text: String) -> [UInt8] { base64URL(text) }
}

private func base64URL(_ text: String) -> [UInt8] {
  let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
  var bytes: [UInt8] = []
  var pending = 0, bits = 0
  for character in text.utf8 {
    pending = (pending << 6 | alphabet.firstIndex(of: character)!) & 0xFFFF
    bits += 6
    if bits >= 8 {
      bits -= 8
      bytes.append(UInt8(truncatingIfNeeded: pending >> bits))
    }
  }
  return bytes
}
