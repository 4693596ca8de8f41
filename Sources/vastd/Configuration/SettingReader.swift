import Domain
import Glibc
import Logging
import Telemetry

/// Turns texts into values and gathers everything that is wrong on the way.
struct SettingReader {
  let sources: SettingSources
  private(set) var problems: [String]

  init(sources: SettingSources) {
    self.sources = sources
    problems = sources.problems
  }

  mutating func problem(_ setting: Setting, _ detail: String) {
    let origin = sources.values[setting].map { $0.origin == setting.variable ? "" : " (from \($0.origin))" } ?? ""
    problems.append("\(setting.variable)\(origin): \(detail)")
  }

  mutating func number(_ setting: Setting, in range: ClosedRange<Double>) -> Double {
    let text = sources[setting] ?? ""
    guard let value = Double(text), range.contains(value) else {
      problem(setting, "\"\(text)\" is no number from \(range.lowerBound) to \(range.upperBound)")
      return range.lowerBound
    }
    return value
  }

  mutating func seconds(_ setting: Setting, in range: ClosedRange<Double>) -> Duration {
    .microseconds(Int64(number(setting, in: range) * 1_000_000))
  }

  /// As short as a job may not wish for itself: for trials.
  mutating func lease() -> Duration? {
    if sources[.lease] == "0" { return nil }
    return seconds(.lease, in: 1...2_592_000)
  }

  mutating func idleGPUStop() -> Duration? {
    let text = sources[.idleGPUStop] ?? ""
    if text == "0" { return nil }
    let bounds = IdleGPU.boundSeconds
    guard let seconds = Double(text), (Double(bounds.lowerBound)...Double(bounds.upperBound)).contains(seconds) else {
      problem(
        .idleGPUStop,
        "\"\(text)\" is neither 0, for never, nor a number of seconds from \(bounds.lowerBound) to \(bounds.upperBound)"
      )
      return nil
    }
    return .microseconds(Int64(seconds * 1_000_000))
  }

  mutating func truth(_ setting: Setting) -> Bool {
    switch sources[setting] {
    case "true", "1": return true
    case "false", "0": return false
    default:
      problem(setting, "\"\(sources[setting] ?? "")\" is neither true nor false")
      return false
    }
  }

  mutating func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ setting: Setting, else standard: Choice
  ) -> Choice {
    if let choice = Choice(rawValue: sources[setting] ?? "") { return choice }
    problem(
      setting,
      "\"\(sources[setting] ?? "")\" is none of " + Choice.allCases.map(\.rawValue).joined(separator: ", "))
    return standard
  }

  mutating func url(_ setting: Setting) -> String {
    var text = sources[setting] ?? ""
    while text.hasSuffix("/") { text.removeLast() }
    let isPlain = text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    guard isPlain, text.hasPrefix("https://") || text.hasPrefix("http://"), !text.contains("@"), !text.contains("?")
    else {
      problem(setting, "\"\(text)\" is no http or https address without user and query")
      return "http://invalid"
    }
    return text
  }

  /// As Vast takes it: https, without a path at its end that would be doubled.
  mutating func publicURL() -> String? {
    guard sources[.publicURL] != nil else { return nil }
    let text = url(.publicURL)
    if !text.hasPrefix("https://") { problem(.publicURL, "must begin with https://, as Vast.ai calls nothing else") }
    return text
  }

  /// Its text is a credential, so that the problem does not repeat it.
  mutating func webhookURL(_ setting: Setting, allowsPrivate: Bool) -> String? {
    guard let text = sources[setting] else { return nil }
    if let complaint = WebhookURL.complaint(text, allowsPrivate: allowsPrivate) { problem(setting, complaint) }
    return text
  }

  /// `host:port`, with an IPv6 address in brackets.
  mutating func address(_ setting: Setting) -> Configuration.Address? {
    guard let text = sources[setting] else { return nil }
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
      problem(setting, "\"\(text)\" is not of the form address:port")
      return nil
    }
    var host = String(text[..<colon])
    if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
    guard !host.isEmpty else {
      problem(setting, "\"\(text)\" has no address; 0.0.0.0 means every interface")
      return nil
    }
    return Configuration.Address(host: host, port: port)
  }

  mutating func path(_ setting: Setting) -> String {
    let text = sources[setting] ?? ""
    guard !text.isEmpty, !text.utf8.contains(0) else {
      problem(setting, "is empty")
      return "."
    }
    if text.hasPrefix("/") { return text }
    guard let folder = getcwd(nil, 0) else { return text }
    defer { free(folder) }
    let relative = text.hasPrefix("./") ? String(text.dropFirst(2)) : text
    return String(cString: folder) + "/" + relative
  }

  mutating func key() -> Configuration.Key? {
    switch (sources[.apiKey], sources[.apiKeyFile]) {
    case (let key?, nil):
      if key.utf8.contains(where: { $0 <= 0x20 || $0 >= 0x7F }) {
        problem(.apiKey, "holds white space or odd characters")
      }
      return .text(key)
    case (nil, let path?): return .file(path: path)
    case (_?, _?):
      problem(.apiKeyFile, "is set beside \(Setting.apiKey.variable); give one of them")
      return nil
    case (nil, nil):
      problem(.apiKey, "give the account's key here or in \(Setting.apiKeyFile.variable)")
      return nil
    }
  }

  mutating func token() -> String? {
    if sources[.token] != nil, sources[.tokenFile] != nil {
      problem(.tokenFile, "is set beside \(Setting.token.variable); give one of them")
      return nil
    }
    var origin = Setting.token
    var text = sources[.token]
    if let path = sources[.tokenFile] {
      origin = .tokenFile
      guard let bytes = readWholeFile(path) else {
        problem(.tokenFile, "\(path) cannot be read")
        return nil
      }
      text = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).first.map(String.init) ?? ""
    }
    guard let text else { return nil }
    let isPlain = text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    guard text.utf8.count >= Configuration.shortestToken, isPlain else {
      problem(origin, "the token must have at least \(Configuration.shortestToken) visible characters")
      return nil
    }
    return text
  }

  mutating func databasePath() -> String? {
    guard let text = sources[.databaseURL] else { return nil }
    guard text.hasPrefix("sqlite:"), text.utf8.count > 7 else {
      problem(.databaseURL, "\"\(text)\" is not of the form sqlite:PATH")
      return nil
    }
    return String(text.dropFirst(7))
  }

  mutating func owner() -> Owner? {
    guard let text = sources[.owner] else { return nil }
    guard let owner = Owner(text) else {
      problem(.owner, "\"\(text)\" must be 1 to 32 of a-z, 0-9 and -")
      return nil
    }
    return owner
  }

  mutating func logLevel() -> Logger.Level {
    guard let level = Logger.Level(rawValue: sources[.logLevel] ?? "") else {
      problem(.logLevel, "\"\(sources[.logLevel] ?? "")\" is no level")
      return .info
    }
    return level
  }

  mutating func logFormat() -> LogFormat {
    switch sources[.logFormat] {
    case "json": return .json
    case "text": return .text
    default:
      problem(.logFormat, "\"\(sources[.logFormat] ?? "")\" is neither json nor text")
      return .json
    }
  }
}
