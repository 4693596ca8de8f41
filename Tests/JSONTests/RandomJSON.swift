import JSON

/// Random values and texts from a seed, so that a failure can be seen again.
struct RandomJSON {
  private var random: SplitMix64

  init(seed: UInt64) { random = SplitMix64(state: seed) }

  /// Never a whole number as `.number`: the writer shortens 3.0 to 3, which reads back as an integer.
  mutating func value(depth: Int = 4) -> JSONValue {
    switch Int.random(in: depth > 0 ? 0..<8 : 2..<8, using: &random) {
    case 0: return .array((0..<Int.random(in: 0..<5, using: &random)).map { _ in value(depth: depth - 1) })
    case 1:
      return .object(
        JSONObject(
          (0..<Int.random(in: 0..<20, using: &random)).map { _ in
            .init(name: string(), value: value(depth: depth - 1))
          }))
    case 2: return .null
    case 3: return .bool(Bool.random(using: &random))
    case 4: return .integer(Int64(bitPattern: random.next()) >> Int64.random(in: 0..<64, using: &random))
    case 5:
      let number = Double(bitPattern: random.next())
      return number.isFinite && Int64(exactly: number) == nil ? .number(number) : .number(0.5)
    default: return .string(string())
    }
  }

  mutating func string() -> String {
    var text = ""
    for _ in 0..<Int.random(in: 0..<12, using: &random) {
      let bound: UInt32 = [0x80, 0x100, 0x3000, 0x11_0000][Int.random(in: 0..<4, using: &random)]
      if let scalar = Unicode.Scalar(UInt32.random(in: 0..<bound, using: &random)) {
        text.unicodeScalars.append(scalar)
      }
    }
    return text
  }

  /// A text with a few bytes replaced, inserted or cut out: nearly JSON.
  mutating func damaged(_ bytes: [UInt8]) -> [UInt8] {
    let interesting =
      Array("{}[]\",:\\u0123456789eE+-.truefalsn \t\n/".utf8) + [0x00, 0x1F, 0x7F, 0x80, 0xC3, 0xED, 0xFF]
    var bytes = bytes
    for _ in 0..<Int.random(in: 1..<4, using: &random) {
      let place = Int.random(in: 0...bytes.count, using: &random)
      let byte = interesting[Int.random(in: 0..<interesting.count, using: &random)]
      switch Int.random(in: 0..<3, using: &random) {
      case 0 where place < bytes.count: bytes[place] = byte
      case 1 where place < bytes.count: bytes.remove(at: place)
      default: bytes.insert(byte, at: place)
      }
    }
    return bytes
  }
}

/// Steele, Lea and Flood's generator: good enough to vary tests, and the same everywhere.
private struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
