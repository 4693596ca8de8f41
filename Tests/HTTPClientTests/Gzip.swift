/// Gzip streams made by hand, for a client that must count unpacked bytes.
enum Gzip {
  /// So many zero bytes as one block of fixed Huffman codes: a literal, then copies of up to 258 bytes from one byte back.
  /// A copy takes 13 bits, so 50 MB pack into 330 KB. `count` - 1 must be a multiple of 258.
  static func zeros(count: Int) -> [UInt8] {
    var bits = BitWriter()
    bits.append(0b1, 1)  // the last block
    bits.append(0b01, 2)  // fixed codes
    bits.appendCode(0b0011_0000, 8)  // the literal 0
    for _ in 0..<(count - 1) / 258 {
      bits.appendCode(0b1100_0101, 8)  // length 258
      bits.appendCode(0, 5)  // distance 1
    }
    bits.appendCode(0, 7)  // the end of the block
    let crc = crcOfZeros(count)
    let trailer = [crc, UInt32(count)].flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } }
    return [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255] + bits.bytes + trailer
  }

  private static func crcOfZeros(_ count: Int) -> UInt32 {
    let table = (0..<256).map { index -> UInt32 in
      (0..<8).reduce(UInt32(index)) { crc, _ in crc & 1 == 1 ? 0xEDB8_8320 ^ (crc >> 1) : crc >> 1 }
    }
    var crc: UInt32 = 0xFFFF_FFFF
    for _ in 0..<count { crc = table[Int(crc & 0xFF)] ^ (crc >> 8) }
    return ~crc
  }

  private struct BitWriter {
    var bytes: [UInt8] = []
    private var used = 8

    /// Numbers go in from their lowest bit.
    mutating func append(_ value: UInt32, _ count: Int) {
      for position in 0..<count {
        if used == 8 {
          bytes.append(0)
          used = 0
        }
        bytes[bytes.count - 1] |= UInt8(value >> UInt32(position) & 1) << UInt8(used)
        used += 1
      }
    }

    /// Huffman codes go in from their highest bit.
    mutating func appendCode(_ code: UInt32, _ count: Int) {
      for position in (0..<count).reversed() { append(code >> UInt32(position) & 1, 1) }
    }
  }
}
