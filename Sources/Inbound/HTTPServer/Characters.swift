/// The character classes of RFC 9110 and RFC 3986 that requests are checked against.
enum Characters {
  /// tchar: what methods and field names are made of.
  static func isToken(_ byte: UInt8) -> Bool { table[Int(byte)] & 1 != 0 }

  /// What may stand in a field value: visible ASCII, space, tab, and bytes above 0x7F, which no control character is.
  static func isFieldValue(_ byte: UInt8) -> Bool { table[Int(byte)] & 2 != 0 }

  /// What may stand raw in a request target. Wider than RFC 3986 by the harmless `"<>^`{|}`, which clients send unescaped;
  /// no space, no control character, no `#`, no backslash, nothing above ASCII.
  static func isTarget(_ byte: UInt8) -> Bool { table[Int(byte)] & 4 != 0 }

  /// What may stand in a Host field: a name, an IPv4 or bracketed IPv6 address, a port.
  static func isHost(_ byte: UInt8) -> Bool { table[Int(byte)] & 8 != 0 }

  static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

  static func lowercased(_ byte: UInt8) -> UInt8 { byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte }

  static func hexValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    case 0x61...0x66: byte - 0x61 + 10
    default: nil
    }
  }

  private static let table: [UInt8] = {
    var table = [UInt8](repeating: 0, count: 256)
    func mark(_ characters: some Sequence<UInt8>, _ bit: UInt8) {
      for byte in characters { table[Int(byte)] |= bit }
    }
    let alphanumeric = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".utf8)
    mark(alphanumeric + Array("!#$%&'*+-.^_`|~".utf8), 1)
    mark(Array(0x20...0x7E) + Array(0x80...0xFF) + [0x09], 2)
    mark((UInt8(0x21)...0x7E).filter { $0 != UInt8(ascii: "#") && $0 != UInt8(ascii: "\\") }, 4)
    mark(alphanumeric + Array("-._~!$&'()*+;=:[]%".utf8), 8)
    return table
  }()
}
