/// One entry of a tar archive as its header states it. Names are bytes: tar knows no alphabet.
struct ArchiveEntry {
  enum Kind: Hashable {
    case file
    case directory
    case symbolicLink(target: [UInt8])
    case hardLink(target: [UInt8])
    /// A device, a pipe or a socket.
    case special
  }

  var name: [UInt8]
  var kind: Kind
  var mode: UInt32
  var size: Int64

  /// For people: control characters replaced, cut to 200 characters, so that it can stand in an error and in a log.
  var printableName: String { Self.printable(name) }

  static func printable(_ bytes: [UInt8]) -> String {
    let text = String(decoding: bytes.prefix(1000), as: UTF8.self)
    var shown = String.UnicodeScalarView()
    for scalar in text.unicodeScalars.prefix(200) {
      shown.append(scalar.properties.generalCategory == .control ? "\u{FFFD}" : scalar)
    }
    return String(shown) + (text.unicodeScalars.count > 200 ? "…" : "")
  }
}
