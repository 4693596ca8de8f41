import Domain

/// What a text must look like. `complaint` is nil for a good one, else what is wrong with it.
struct TextRule: Sendable {
  let complaint: @Sendable (String) -> String?

  /// A label or a name: one line.
  static func line(_ limit: Int) -> TextRule {
    TextRule { text in
      if text.unicodeScalars.count > limit { return "must have at most \(limit) characters" }
      return text.hasControlCharacter ? "must not have control characters or line ends" : nil
    }
  }

  /// A script: any text that a file can hold.
  static func script(_ limit: Int) -> TextRule {
    TextRule { text in
      if text.utf8.count > limit { return "must have at most \(limit) bytes; put more into the upload" }
      return text.hasNUL ? "must not have a NUL character" : nil
    }
  }

  static let command = TextRule { text in
    text.allSatisfy(\.isWhitespace) ? "must not be empty" : script(Limits.scriptBytes).complaint(text)
  }

  static let onStart = TextRule { text in
    if text.utf8.count > Limits.onStartBytes { return "must have at most \(Limits.onStartBytes) bytes" }
    return text.hasNUL ? "must not have a NUL character" : nil
  }

  static let gpuName = TextRule { text in
    if OfferQuery.gpuName(from: text).isEmpty { return "must name a GPU, such as RTX 4090" }
    return line(Limits.gpuNameCharacters).complaint(text)
  }

  static let templateHash = TextRule { text in
    (1...Limits.templateHashCharacters).contains(text.utf8.count) && text.utf8.allSatisfy(\.isASCIILetterOrDigit)
      ? nil : "must be a template's hash: letters and digits"
  }

  static let region = TextRule { text in
    text.utf8.count == 2 && text.utf8.allSatisfy(\.isASCIILetter) ? nil : "must be a country code of two letters"
  }

  static let image = TextRule { text in
    ImageReference.isValid(text)
      ? nil : "must be an image reference such as pytorch/pytorch:2.4.0 or ghcr.io/team/tool@sha256:…"
  }

  /// A part of a registry login: Vast takes the three as one line of arguments, so no white space and no leading dash.
  static let loginPart = TextRule { text in
    if text.isEmpty { return "must not be empty" }
    if text.utf8.count > 4096 { return "must have at most 4096 bytes" }
    if text.contains(where: \.isWhitespace) || text.hasControlCharacter { return "must not have white space" }
    return text.hasPrefix("-") ? "must not begin with a dash" : nil
  }

  /// A path below the job's folder.
  static let output = TextRule { text in
    if text.isEmpty { return "must not be empty" }
    if text.utf8.count > Limits.outputPathBytes { return "must have at most \(Limits.outputPathBytes) bytes" }
    if text.hasControlCharacter { return "must not have control characters" }
    if text.hasPrefix("/") || text.hasPrefix("~") { return "must be relative to the job's folder" }
    if text.hasPrefix("-") { return "must not begin with a dash; write ./ before it" }
    return text.split(separator: "/").contains("..") ? "must not leave the job's folder by .." : nil
  }
}

extension TextRule {
  /// A folder below the job's own, and not that itself: it is taken away and put back as a whole.
  static let checkpointPath = TextRule { text in
    if let complaint = output.complaint(text) { return complaint }
    if text.contains(where: { $0 == "*" || $0 == "?" }) { return "must name one folder: no * and no ?" }
    let components = text.split(separator: "/").filter { $0 != "." }
    if components.isEmpty { return "must be a folder below the job's own" }
    return components.first == ".vastd" ? "must not be .vastd, which is vastd's own" : nil
  }
}

/// A variable's name as shells and containers take it. Vast reads other keys of `env` as options for docker.
enum EnvironmentName {
  static func complaint(_ name: String) -> String? {
    guard (1...Limits.environmentNameCharacters).contains(name.utf8.count) else {
      return "a variable's name must have 1 to \(Limits.environmentNameCharacters) characters"
    }
    let isPlain =
      name.utf8.allSatisfy { $0.isASCIILetterOrDigit || $0 == UInt8(ascii: "_") } && !name.utf8.first!.isASCIIDigit
    return isPlain ? nil : "a variable's name must be letters, digits and _, and not begin with a digit"
  }
}

/// The grammar of distribution/reference: `[host[:port]/]path[:tag][@digest]`.
enum ImageReference {
  static func isValid(_ text: String) -> Bool {
    guard !text.isEmpty, text.utf8.count <= Limits.imageCharacters else { return false }
    var rest = Substring(text)
    if let at = rest.firstIndex(of: "@") {
      guard isDigest(rest[rest.index(after: at)...]) else { return false }
      rest = rest[..<at]
    }
    var components = rest.split(separator: "/", omittingEmptySubsequences: false)
    // The tag's colon stands in the last component; in the first of several it is a port's.
    if let last = components.last, let colon = last.firstIndex(of: ":") {
      guard isTag(last[last.index(after: colon)...]) else { return false }
      components[components.count - 1] = last[..<colon]
    }
    guard components.count > 1, isHostLike(components[0]) else { return components.allSatisfy(isPathComponent) }
    return isHost(components[0]) && components.dropFirst().allSatisfy(isPathComponent)
  }

  /// Docker's own rule for telling a host from a path: a dot, a port, or `localhost`.
  private static func isHostLike(_ text: Substring) -> Bool {
    text.contains(".") || text.contains(":") || text == "localhost"
  }

  private static func isHost(_ text: Substring) -> Bool {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count <= 2, let name = parts.first, !name.isEmpty else { return false }
    if parts.count == 2 {
      guard (1...5).contains(parts[1].utf8.count), parts[1].utf8.allSatisfy(\.isASCIIDigit) else { return false }
    }
    return name.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
      !label.isEmpty && label.first != "-" && label.last != "-"
        && label.utf8.allSatisfy { $0.isASCIILetterOrDigit || $0 == UInt8(ascii: "-") }
    }
  }

  /// Lower-case letters and digits, with `.`, `_`, `__` or dashes between them.
  private static func isPathComponent(_ text: Substring) -> Bool {
    guard let first = text.utf8.first, let last = text.utf8.last, isPlain(first), isPlain(last) else { return false }
    let runs = text.utf8.split(whereSeparator: isPlain)
    return runs.allSatisfy { run in
      run.elementsEqual(".".utf8) || run.elementsEqual("_".utf8) || run.elementsEqual("__".utf8)
        || run.allSatisfy { $0 == UInt8(ascii: "-") }
    }
  }

  private static func isPlain(_ byte: UInt8) -> Bool {
    byte.isASCIIDigit || (byte.isASCIILetter && byte >= UInt8(ascii: "a"))
  }

  private static func isTag(_ text: Substring) -> Bool {
    guard (1...128).contains(text.utf8.count), let first = text.utf8.first else { return false }
    return (first.isASCIILetterOrDigit || first == UInt8(ascii: "_"))
      && text.utf8.allSatisfy {
        $0.isASCIILetterOrDigit || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-")
      }
  }

  private static func isDigest(_ text: Substring) -> Bool {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    return parts.count == 2 && parts[0] == "sha256" && parts[1].utf8.count == 64
      && parts[1].utf8.allSatisfy { $0.isASCIIDigit || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0) }
  }
}
