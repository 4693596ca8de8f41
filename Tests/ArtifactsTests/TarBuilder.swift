/// Tar archives by hand, so that they can say what no tar program would write.
struct TarBuilder {
  enum Kind: UInt8 {
    case file = 0x30
    case hardLink = 0x31
    case symbolicLink = 0x32
    case characterDevice = 0x33
    case blockDevice = 0x34
    case directory = 0x35
    case pipe = 0x36
    case paxHeader = 0x78
  }

  private(set) var bytes: [UInt8] = []

  /// `declaredSize` lies about the size when it is given.
  mutating func add(
    _ name: String, _ kind: Kind = .file, target: String = "", mode: Int = 0o644, data: [UInt8] = [],
    declaredSize: Int? = nil
  ) {
    var header = [UInt8](repeating: 0, count: 512)
    func put(_ text: String, at offset: Int, room: Int) {
      let utf8 = Array(text.utf8)
      precondition(utf8.count <= room, "use addLong for \(text)")
      header.replaceSubrange(offset..<(offset + utf8.count), with: utf8)
    }
    func octal(_ value: Int, digits: Int) -> String {
      let text = String(value, radix: 8)
      return String(repeating: "0", count: digits - text.count) + text
    }
    put(name, at: 0, room: 100)
    put(octal(mode, digits: 7), at: 100, room: 7)
    put(octal(0, digits: 7), at: 108, room: 7)
    put(octal(0, digits: 7), at: 116, room: 7)
    put(octal(declaredSize ?? data.count, digits: 11), at: 124, room: 11)
    put(octal(1_700_000_000, digits: 11), at: 136, room: 11)
    put("        ", at: 148, room: 8)
    header[156] = kind.rawValue
    put(target, at: 157, room: 100)
    put("ustar\u{0}00", at: 257, room: 8)
    put(octal(header.reduce(0) { $0 + Int($1) }, digits: 6) + "\u{0} ", at: 148, room: 8)
    bytes += header + data + [UInt8](repeating: 0, count: (512 - data.count % 512) % 512)
  }

  /// An entry whose pax header gives these records the last word over its own header.
  mutating func add(pax records: [(key: String, value: String)], then name: String, _ kind: Kind = .file) {
    var text: [UInt8] = []
    for (key, value) in records {
      let rest = Array(" \(key)=\(value)\n".utf8)
      var length = rest.count + 1
      while String(length).utf8.count + rest.count != length { length = String(length).utf8.count + rest.count }
      text += Array(String(length).utf8) + rest
    }
    add("PaxHeaders/x", .paxHeader, data: text)
    add(name, kind)
  }

  /// The end mark: two blocks of zeros.
  mutating func end() { bytes += [UInt8](repeating: 0, count: 1024) }

  /// A whole archive of one entry.
  static func one(
    _ name: String, _ kind: Kind = .file, target: String = "", mode: Int = 0o644, data: [UInt8] = []
  ) -> [UInt8] {
    archive { $0.add(name, kind, target: target, mode: mode, data: data) }
  }

  /// A whole archive, gzipped.
  static func archive(_ fill: (inout TarBuilder) -> Void) -> [UInt8] {
    var tar = TarBuilder()
    fill(&tar)
    tar.end()
    return gzip(tar.bytes)
  }
}

/// Gzip that stores and does not compress: header, stored blocks, checksum, length.
func gzip(_ bytes: [UInt8]) -> [UInt8] {
  var packed: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3]
  var rest = bytes[...]
  repeat {
    let block = rest.prefix(65_535)
    rest = rest.dropFirst(block.count)
    packed.append(rest.isEmpty ? 1 : 0)
    packed += littleEndian(UInt16(block.count)) + littleEndian(~UInt16(block.count)) + block
  } while !rest.isEmpty
  return packed + littleEndian(checksum(bytes)) + littleEndian(UInt32(truncatingIfNeeded: bytes.count))
}

private func littleEndian<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian) { Array($0) }
}

/// CRC-32 as gzip has it.
private func checksum(_ bytes: [UInt8]) -> UInt32 {
  var crc = ~UInt32(0)
  for byte in bytes { crc = crcTable[Int((crc ^ UInt32(byte)) & 0xFF)] ^ (crc >> 8) }
  return ~crc
}

private let crcTable: [UInt32] = (0..<256).map { index in
  (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? 0xEDB8_8320 ^ (value >> 1) : value >> 1 }
}
