import Locking

/// Keeps secrets out of the logs by value: the secrets it was told of, and shapes that are secrets wherever they appear.
package final class Redactor: Sendable {
  private let rules = Locked(RedactionRules(secrets: []))

  /// Shorter ones would blank out ordinary words.
  package static let minimumSecretBytes = 6

  package init() {}

  /// Hides this value from now on; each long line of a secret of several lines on its own, too. False, and nothing is hidden,
  /// when it is shorter than `minimumSecretBytes`. Secrets are never forgotten: a rotated key stays secret.
  @discardableResult
  package func register(_ secret: String) -> Bool {
    let whole = Array(secret.utf8)
    guard whole.count >= Self.minimumSecretBytes else { return false }
    let lines = whole.split { $0 == 0x0A || $0 == 0x0D }.map(Array.init).filter { $0.count >= 16 }
    rules.withLock { rules in
      let added = ([whole] + lines).filter { !rules.secrets.contains($0) }
      if !added.isEmpty { rules = RedactionRules(secrets: rules.secrets + added) }
    }
    return true
  }

  /// The text with every secret replaced by `[redacted]`.
  package func redact(_ text: String) -> String {
    let rules = current
    var copy = text
    let clean: String? = copy.withUTF8 { utf8 in
      let secrets = rules.secretRanges(in: utf8)
      guard !secrets.isEmpty else { return nil }
      var bytes: [UInt8] = []
      var start = 0
      for secret in secrets {
        bytes.append(contentsOf: utf8[start..<secret.lowerBound])
        bytes.append(contentsOf: RedactionRules.replacement.utf8)
        start = secret.upperBound
      }
      bytes.append(contentsOf: utf8[start...])
      return String(decoding: bytes, as: UTF8.self)
    }
    return clean ?? text
  }

  var current: RedactionRules { rules.withLock { $0 } }
}

/// What counts as a secret, frozen for one line.
final class RedactionRules: Sendable {
  static let replacement = "[redacted]"

  /// Longest first, so that a secret that contains another is hidden whole.
  let secrets: [[UInt8]]
  /// By byte, what it may be the beginning of. Most bytes of a line are passed over by this alone.
  private let beginnings: [Beginning]

  private struct Beginning: OptionSet {
    let rawValue: UInt8
    static let secret = Beginning(rawValue: 1)
    static let pattern = Beginning(rawValue: 2)
    /// Not plain ASCII: a control, a quote, a backslash or part of a longer character, to be escaped perhaps.
    static let special = Beginning(rawValue: 4)
  }

  init(secrets: [[UInt8]]) {
    self.secrets = secrets.sorted { $0.count > $1.count }
    var beginnings = [Beginning](repeating: [], count: 256)
    for first in secrets.compactMap(\.first) { beginnings[Int(first)].insert(.secret) }
    for first in "Bbwh-".utf8 { beginnings[Int(first)].insert(.pattern) }
    for byte in Array(0..<0x20) + [0x22, 0x5C] + Array(0x7F...0xFF) { beginnings[byte].insert(.special) }
    self.beginnings = beginnings
  }

  /// Whether the text may stand in a line as it is. Careful: some text with nothing wrong, such as `é`, is not called plain.
  func isPlain(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    beginnings.withUnsafeBufferPointer { beginnings in
      for offset in 0..<text.count {
        let beginning = beginnings[Int(text[offset])]
        if beginning.isEmpty { continue }
        if beginning.contains(.special) || secretRange(in: text, at: offset, beginning) != nil { return false }
      }
      return true
    }
  }

  /// Where the secrets are, in order, without overlap; an empty array, which costs no memory, for nearly every text.
  func secretRanges(in text: UnsafeBufferPointer<UInt8>) -> [Range<Int>] {
    var found: [Range<Int>] = []
    var offset = 0
    while offset < text.count {
      guard let range = secretRange(in: text, at: offset, beginnings[Int(text[offset])]) else {
        offset += 1
        continue
      }
      found.append(range)
      offset = range.upperBound
    }
    return found
  }

  private func secretRange(in text: UnsafeBufferPointer<UInt8>, at offset: Int, _ beginning: Beginning) -> Range<Int>? {
    if beginning.contains(.secret) {
      for secret in secrets where Self.matches(text, at: offset, secret) { return offset..<offset + secret.count }
    }
    guard beginning.contains(.pattern) else { return nil }
    switch text[offset] {
    case UInt8(ascii: "B"), UInt8(ascii: "b"): return Self.bearerToken(in: text, at: offset)
    case UInt8(ascii: "w"): return Self.run(after: "whsec_", in: text, at: offset, while: Self.isTokenByte)
    case UInt8(ascii: "h"):
      return Self.run(after: "hooks.slack.com/services/", in: text, at: offset, while: Self.isTokenByte)
    case UInt8(ascii: "-"): return Self.pemBlock(in: text, at: offset)
    default: return nil
    }
  }

  /// The token after `Bearer` and blanks; the word itself stays readable.
  private static func bearerToken(in text: UnsafeBufferPointer<UInt8>, at offset: Int) -> Range<Int>? {
    let word: StaticString = "bearer"
    guard offset + 7 < text.count, (0..<6).allSatisfy({ text[offset + $0] | 0x20 == word.utf8Start[$0] }) else {
      return nil
    }
    var start = offset + 6
    while start < text.count, text[start] == 0x20 { start += 1 }
    guard start > offset + 6 else { return nil }
    var end = start
    while end < text.count, isTokenByte(text[end]) { end += 1 }
    return end > start ? start..<end : nil
  }

  private static let pemBegin = Array("-----BEGIN ".utf8)
  private static let pemEnd = Array("-----END ".utf8)
  private static let pemDashes = Array("-----".utf8)

  /// From `-----BEGIN ` to the end of its `-----END …-----`, or to the end of the text when that was cut off.
  private static func pemBlock(in text: UnsafeBufferPointer<UInt8>, at offset: Int) -> Range<Int>? {
    guard matches(text, at: offset, pemBegin) else { return nil }
    var cursor = offset + pemBegin.count
    while cursor < text.count, !matches(text, at: cursor, pemEnd) { cursor += 1 }
    cursor = min(cursor + pemEnd.count, text.count)
    while cursor < text.count, !matches(text, at: cursor, pemDashes) { cursor += 1 }
    return offset..<min(cursor + pemDashes.count, text.count)
  }

  private static func run(
    after prefix: StaticString, in text: UnsafeBufferPointer<UInt8>, at offset: Int, while belongs: (UInt8) -> Bool
  ) -> Range<Int>? {
    let length = prefix.utf8CodeUnitCount
    guard offset + length <= text.count, (0..<length).allSatisfy({ text[offset + $0] == prefix.utf8Start[$0] }) else {
      return nil
    }
    var end = offset + length
    while end < text.count, belongs(text[end]) { end += 1 }
    return offset..<end
  }

  private static func matches(_ text: UnsafeBufferPointer<UInt8>, at offset: Int, _ other: [UInt8]) -> Bool {
    guard offset + other.count <= text.count else { return false }
    for index in 0..<other.count where text[offset + index] != other[index] { return false }
    return true
  }

  /// RFC 6750's b64token, and the base64 alphabets.
  private static func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
      UInt8(ascii: "~"), UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "="):
      return true
    default: return false
    }
  }
}
