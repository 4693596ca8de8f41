import JSON
import Logging

package enum LogFormat: String, Sendable, CaseIterable {
  /// One JSON object per line, for machines.
  case json
  /// `time LEVEL logger: message key=value …`, for people at a terminal.
  case text
}

/// One line of the log while it is written. Values are redacted and escaped on their way in, so that no host, provider or
/// caller can end a line, colour a terminal or smuggle a secret out.
struct LogLine {
  private(set) var bytes: [UInt8] = []
  private let format: LogFormat
  private let rules: RedactionRules

  /// Longest value; a host's output may be megabytes, and the log is not the place for them.
  static let maximumValueBytes = 16 << 10

  init(format: LogFormat, rules: RedactionRules) {
    self.format = format
    self.rules = rules
    bytes.reserveCapacity(384)
  }

  mutating func begin(nanoseconds: Int64, level: Logger.Level, message: String, logger: String) {
    switch format {
    case .json:
      append("{\"ts\":\"")
      RFC3339.append(microseconds: nanoseconds / 1_000, to: &bytes)
      append("\",\"level\":\"")
      append(level.rawValue)
      append("\",\"msg\":\"")
      appendEscaped(message)
      append("\",\"logger\":\"")
      appendEscaped(logger)
      bytes.append(UInt8(ascii: "\""))
    case .text:
      RFC3339.append(microseconds: nanoseconds / 1_000, to: &bytes)
      append(" \(level.rawValue.uppercased()) ")
      appendEscaped(logger)
      append(": ")
      appendEscaped(message)
    }
  }

  mutating func field(_ key: String, _ value: String) {
    appendKey(key)
    let quotes = format == .json || !Self.isPlain(value)
    if quotes { bytes.append(UInt8(ascii: "\"")) }
    appendEscaped(value)
    if quotes { bytes.append(UInt8(ascii: "\"")) }
  }

  mutating func field(_ key: String, _ value: Int) {
    appendKey(key)
    append(value)
  }

  /// Milliseconds with three decimals.
  mutating func field(_ key: String, millisecondsOf nanoseconds: Int64) {
    appendKey(key)
    let microseconds = Int(max(0, nanoseconds)) / 1_000
    append(microseconds / 1_000)
    bytes.append(UInt8(ascii: "."))
    for digit in [microseconds / 100 % 10, microseconds / 10 % 10, microseconds % 10] {
      bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: digit))
    }
  }

  mutating func field(_ key: String, _ value: Logger.MetadataValue) {
    appendKey(key)
    appendValue(value, isNested: false)
  }

  mutating func end() {
    if format == .json { bytes.append(UInt8(ascii: "}")) }
    bytes.append(0x0A)
  }

  // MARK: Values

  private mutating func appendKey(_ key: String) {
    switch format {
    case .json:
      append(",\"")
      appendEscaped(key)
      append("\":")
    case .text:
      append(" ")
      appendEscaped(key)
      append("=")
    }
  }

  private mutating func appendValue(_ value: Logger.MetadataValue, isNested: Bool) {
    switch value {
    case .string(let text):
      appendText(text, quoted: format == .json || isNested || !Self.isPlain(text))
    case .stringConvertible(let convertible):
      switch convertible {
      case let number as any FixedWidthInteger: append(String(describing: number))
      case let number as Double where number.isFinite: append(number.description)
      case let flag as Bool: append(flag.description)
      default:
        let text = convertible.description
        appendText(text, quoted: format == .json || isNested || !Self.isPlain(text))
      }
    case .array(let items):
      bytes.append(UInt8(ascii: "["))
      for (index, item) in items.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        appendValue(item, isNested: true)
      }
      bytes.append(UInt8(ascii: "]"))
    case .dictionary(let members):
      bytes.append(UInt8(ascii: "{"))
      for (index, member) in members.sorted(by: { $0.key < $1.key }).enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        appendText(member.key, quoted: true)
        bytes.append(UInt8(ascii: ":"))
        if LogKey.isSensitive(member.key) {
          appendText(RedactionRules.replacement, quoted: true)
        } else {
          appendValue(member.value, isNested: true)
        }
      }
      bytes.append(UInt8(ascii: "}"))
    }
  }

  private mutating func appendText(_ text: String, quoted: Bool) {
    if quoted { bytes.append(UInt8(ascii: "\"")) }
    appendEscaped(text)
    if quoted { bytes.append(UInt8(ascii: "\"")) }
  }

  /// Whether the text format can do without quotes.
  private static func isPlain(_ text: String) -> Bool {
    !text.isEmpty
      && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "=") }
  }

  private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

  private mutating func append(_ value: Int) {
    if value < 0 { return append(String(value)) }
    var divisor = 1
    while value / divisor >= 10 { divisor *= 10 }
    while divisor > 0 {
      bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / divisor % 10))
      divisor /= 10
    }
  }

  // MARK: Text

  private mutating func appendEscaped(_ text: String) {
    var text = text
    text.withUTF8 { utf8 in
      var shown = utf8
      if utf8.count > Self.maximumValueBytes {
        var cut = Self.maximumValueBytes
        while cut > 0, utf8[cut] & 0xC0 == 0x80 { cut -= 1 }
        shown = UnsafeBufferPointer(rebasing: utf8[..<cut])
      }
      // Secrets are sought before the cut, so that none survives by being cut in two.
      var start = 0
      for secret in rules.secretRanges(in: utf8) where secret.lowerBound < shown.count {
        appendEscaped(shown[start..<secret.lowerBound])
        append(RedactionRules.replacement)
        start = min(secret.upperBound, shown.count)
      }
      appendEscaped(shown[start...])
      if shown.count < utf8.count { append("… \(utf8.count - shown.count) more bytes") }
    }
  }

  private mutating func appendEscaped(_ utf8: Slice<UnsafeBufferPointer<UInt8>>) {
    var start = utf8.startIndex
    var index = start
    while index < utf8.endIndex {
      guard let (length, scalar) = Self.escapable(utf8, at: index) else {
        index += 1
        continue
      }
      bytes.append(contentsOf: utf8[start..<index])
      appendEscape(scalar)
      index += length
      start = index
    }
    bytes.append(contentsOf: utf8[start...])
  }

  /// What must not reach a reader raw: quote and backslash, C0 and C1 controls, line separators, and the marks that turn
  /// the direction of writing around. Gives the number of bytes and the scalar.
  private static func escapable(_ utf8: Slice<UnsafeBufferPointer<UInt8>>, at index: Int) -> (Int, UInt32)? {
    let byte = utf8[index]
    if byte < 0x20 || byte == 0x7F || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
      return (1, UInt32(byte))
    }
    if byte == 0xC2, index + 1 < utf8.endIndex, utf8[index + 1] < 0xA0 { return (2, UInt32(utf8[index + 1])) }
    guard byte == 0xE2, index + 2 < utf8.endIndex else { return nil }
    let scalar = 0x2000 | UInt32(utf8[index + 1] & 0x3F) << 6 | UInt32(utf8[index + 2] & 0x3F)
    switch scalar {
    case 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: return (3, scalar)
    default: return nil
    }
  }

  private mutating func appendEscape(_ scalar: UInt32) {
    bytes.append(UInt8(ascii: "\\"))
    switch scalar {
    case 0x22, 0x5C: bytes.append(UInt8(scalar))
    case 0x0A: bytes.append(UInt8(ascii: "n"))
    case 0x0D: bytes.append(UInt8(ascii: "r"))
    case 0x09: bytes.append(UInt8(ascii: "t"))
    default:
      bytes.append(UInt8(ascii: "u"))
      for shift in [12, 8, 4, 0] as [UInt32] {
        let digit = UInt8(truncatingIfNeeded: scalar >> shift & 15)
        bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") - 10 + digit)
      }
    }
  }
}
