/// What a verb of `RemoteWorkspace` printed about a job. From a stranger's machine: each number is checked, no text is kept.
package struct RemoteStatus: Sendable, Hashable {
  package enum State: Sendable, Hashable {
    case notStarted
    case running(process: Int64)
    case ended(exitCode: Int32)
    /// Started once, gone now, and nobody wrote down how it ended: a reboot, or a kill of everything.
    case vanished
  }

  package var state: State
  /// The setup ended with this exit code, and the command never began.
  package var hasSetupFailed: Bool
  /// Its end was asked for.
  package var isToldToEnd: Bool
  package var hasFolder: Bool
  package var hasInputs: Bool
  package var isInstalled: Bool
  package var logBytes: Int64
  /// Since the log last grew, by the machine's clock.
  package var idle: Duration
  /// Nil where the machine does not say.
  package var freeBytes: Int64?

  package var isRunning: Bool { if case .running = state { true } else { false } }

  package var isDiskFull: Bool { freeBytes.map { $0 < RemoteWorkspace.fullBelowBytes } ?? false }

  /// The last status line in what a verb printed, on stdout, or for `follow` on stderr; nil when there is none in order.
  package init?(printed bytes: [UInt8]) {
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    guard let line = lines.last(where: { $0.hasPrefix("vastd-status ") }) else { return nil }
    var fields: [Substring: Substring] = [:]
    for word in line.split(separator: " ").dropFirst() {
      guard let equals = word.firstIndex(of: "=") else { return nil }
      fields[word[..<equals]] = word[word.index(after: equals)...]
    }
    func number(_ name: Substring) -> Int64? { fields[name].flatMap { Int64($0) } }
    func flag(_ name: Substring) -> Bool? { number(name).map { $0 == 1 } }
    switch fields["state"] {
    case "not_started": state = .notStarted
    case "vanished": state = .vanished
    case "running":
      guard let process = number("pid"), process > 0 else { return nil }
      state = .running(process: process)
    case "ended":
      guard let code = number("code"), (0...255).contains(code) else { return nil }
      state = .ended(exitCode: Int32(code))
    default: return nil
    }
    guard let hasSetupFailed = flag("setup_failed"), let isToldToEnd = flag("told"), let hasFolder = flag("prepared"),
      let hasInputs = flag("inputs"),
      let isInstalled = flag("installed"), let logBytes = number("log"), logBytes >= 0, let idle = number("idle"),
      let freeBytes = number("free"), freeBytes >= -1
    else { return nil }
    self.hasSetupFailed = hasSetupFailed
    self.isToldToEnd = isToldToEnd
    self.hasFolder = hasFolder
    self.hasInputs = hasInputs
    self.isInstalled = isInstalled
    self.logBytes = logBytes
    // A clock that was set back makes it negative.
    self.idle = .seconds(max(0, min(idle, 1 << 40)))
    self.freeBytes = freeBytes < 0 ? nil : freeBytes
  }
}
