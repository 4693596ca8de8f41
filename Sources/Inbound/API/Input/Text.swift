extension String {
  /// Without white space and line ends at both ends.
  func trimmingWhitespace() -> String {
    let trimmed = drop(while: \.isWhitespace)
    guard let last = trimmed.lastIndex(where: { !$0.isWhitespace }) else { return "" }
    return String(trimmed[...last])
  }

  /// Control characters of ASCII, among them line ends, tab and NUL, and DEL.
  var hasControlCharacter: Bool { utf8.contains { $0 < 0x20 || $0 == 0x7F } }

  var hasNUL: Bool { utf8.contains(0) }
}

extension UInt8 {
  var isASCIILetter: Bool { (0x41...0x5A).contains(self) || (0x61...0x7A).contains(self) }
  var isASCIIDigit: Bool { (0x30...0x39).contains(self) }
  var isASCIILetterOrDigit: Bool { isASCIILetter || isASCIIDigit }
}
