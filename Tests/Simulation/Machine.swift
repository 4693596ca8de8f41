import Domain

/// A rented machine as its SSH server shows it: the folder that the scripts of `RemoteWorkspace` keep, what the command
/// writes by which second, and the lease. Does what those scripts do, and counts how often a command was started.
///
/// `@unchecked Sendable`: there is one thread.
final class Machine: @unchecked Sendable {
  /// What a simulated command does: writes a line a second, and ends. In the job as `work SECONDS CODE LINES`.
  struct Work: Hashable {
    var seconds: Int
    var code: Int32
    /// It falls silent after so many.
    var lines: Int

    var command: String { "work \(seconds) \(code) \(lines)" }

    init(seconds: Int, code: Int32, lines: Int) {
      self.seconds = seconds
      self.code = code
      self.lines = lines
    }

    init?(command: Substring) {
      let words = command.split(separator: " ")
      guard words.count == 4, words[0] == "work", let seconds = Int(words[1]), let code = Int32(words[2]),
        let lines = Int(words[3])
      else { return nil }
      self.init(seconds: seconds, code: code, lines: lines)
    }

    /// The whole log.
    var log: [UInt8] { Self.text(lines: 0..<min(lines, seconds)) }

    static func text(lines: Range<Int>) -> [UInt8] {
      lines.flatMap { line in Array("\(10_000 + line)\n".utf8) }
    }
  }

  struct Folder {
    var attempt: Int
    var hasInputs = false
    var work: Work?
    var launches = 0
    var startedAt: Duration?
    var killedAt: Duration?
    var isStopped = false
    var isRestored = false
    var resumes = false

    /// Stands for the files of its checkpoints, which grow with its log; nil before the first.
    func mark(at now: Duration) -> String? {
      let count = log(at: now).count
      return count == 0 ? nil : String(count, radix: 16)
    }

    func end() -> Duration? {
      guard let startedAt, let work else { return nil }
      let natural = startedAt + .seconds(work.seconds)
      return killedAt.map { min($0, natural) } ?? natural
    }

    func isRunning(at now: Duration) -> Bool { end().map { now < $0 } ?? false }

    func exitCode(at now: Duration) -> Int32? {
      guard let end = end(), now >= end, let startedAt, let work else { return nil }
      return end < startedAt + .seconds(work.seconds) ? 143 : work.code
    }

    func log(at now: Duration) -> [UInt8] {
      guard let startedAt, let work, let end = end() else { return [] }
      let written = Int((min(now, end) - startedAt).components.seconds)
      return Work.text(lines: 0..<max(0, min(written, work.lines, work.seconds)))
    }
  }

  var folders: [String: Folder] = [:]
  var leaseUntil: Duration?
  var hasKey = false

  /// The container ended: whatever ran in it did too. Its folders stay.
  func endAll(at time: Duration) {
    for job in folders.keys where folders[job]?.isRunning(at: time) == true { folders[job]?.killedAt = time }
  }

  /// What a verb prints and ends with; for `follow` and `collect`, which take time, the state is asked again and again.
  func status(of job: String, at now: Duration) -> String {
    let folder = folders[job]
    let state: String
    var code = "-"
    if let folder, folder.launches > 0 {
      if let ended = folder.exitCode(at: now) {
        state = "ended"
        code = String(ended)
      } else {
        state = "running"
      }
    } else {
      state = "not_started"
    }
    let flags = "prepared=\(folder == nil ? 0 : 1) inputs=\(folder?.hasInputs == true ? 1 : 0)"
    let installed = "installed=\(folder?.work == nil ? 0 : 1) setup_failed=0 told=\(folder?.isStopped == true ? 1 : 0)"
    return
      "vastd-status state=\(state) pid=7 code=\(code) \(flags) \(installed) log=\(folder?.log(at: now).count ?? 0) idle=0 free=9000000000\n"
  }

  /// All but the verbs that take time.
  func perform(_ script: Script, at now: Duration) -> RemoteResult {
    switch script.verb {
    case "prepare":
      let found = folders[script.job]?.attempt ?? 0
      guard found <= script.attempt else { return Self.refusal(.anotherAttempt) }
      if found < script.attempt { folders[script.job] = Folder(attempt: script.attempt) }
    case "status":
      if let found = folders[script.job], found.attempt != script.attempt { return Self.refusal(.anotherAttempt) }
    case "inspect":
      return RemoteResult(exitCode: 0, standardOutput: Array("NVIDIA GeForce RTX 4090, 24564\n".utf8))
    case "lease":
      let isFirst = leaseUntil == nil
      leaseUntil = now + .seconds(script.leaseSeconds)
      return RemoteResult(exitCode: 0, standardOutput: Array("vastd-lease \(isFirst ? "begun" : "renewed")\n".utf8))
    default:
      guard var folder = folders[script.job] else { return Self.refusal(.notPrepared) }
      guard folder.attempt == script.attempt else { return Self.refusal(.anotherAttempt) }
      switch script.verb {
      case "receiveInputs": folder.hasInputs = true
      case "restore": if folder.launches == 0 { folder.isRestored = true }
      case "checkpoint":
        guard let mark = folder.mark(at: now), mark != script.known else { return Self.refusal(.nothingNew) }
        return RemoteResult(exitCode: 0, standardError: Array("vastd-mark \(mark)\n".utf8))
      case "install":
        if folder.launches == 0 {
          folder.work = script.work
          folder.resumes = script.resumes
        }
      case "launch":
        guard folder.work != nil else { return Self.refusal(.notPrepared) }
        if folder.launches == 0, !folder.isStopped {
          folder.launches = 1
          folder.startedAt = now
        }
      case "terminate":
        folder.isStopped = true
        if folder.isRunning(at: now) { folder.killedAt = now }
      default: return RemoteResult(exitCode: 127, standardError: Array("no verb \(script.verb)".utf8))
      }
      folders[script.job] = folder
    }
    return RemoteResult(exitCode: 0, standardOutput: Array(status(of: script.job, at: now).utf8))
  }

  static func refusal(_ refusal: RemoteWorkspace.Refusal) -> RemoteResult {
    RemoteResult(exitCode: refusal.rawValue, standardError: Array("refused".utf8))
  }
}

/// What there is to know of a script of `RemoteWorkspace` or `RemoteLease` without running it.
struct Script {
  var verb = ""
  var job = ""
  var attempt = 0
  var offset = 0
  var leaseSeconds = 0
  var work: Machine.Work?
  /// The mark of the last checkpoint, as `checkpoint` is told it.
  var known: String?
  var resumes = false

  init(_ text: String) {
    // Bytes: there are hundreds of lines in each script, and thousands of scripts.
    for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
      if let name = Self.rest(line, after: "# vastd ") {
        if verb.isEmpty { verb = String(Substring(name)) }
      } else if let path = Self.rest(line, after: "j=$HOME/vastd/") {
        job = String(Substring(path.prefix { $0 != UInt8(ascii: ";") }))
      } else if let number = Self.number(line, after: "[ \"$a\" = ")
        ?? Self.number(line, after: "[ -z \"$a\" ] || [ \"$a\" = ")
        ?? Self.number(line, after: "[ -n \"$a\" ] || { echo ")
      {
        attempt = number
      } else if verb == "follow", let number = Self.number(line, after: "o=") {
        offset = number
      } else if verb == "lease", let number = Self.number(line, after: "t=$((${u%%.*} + ") {
        leaseSeconds = number
      } else if verb == "checkpoint", let mark = Self.rest(line, after: "[ \"$m\" != '") {
        known = String(Substring(mark.prefix { $0 != UInt8(ascii: "'") }))
      } else if verb == "install", line.count > 14, line.suffix(14).elementsEqual("VASTD_RESUME=1".utf8) {
        resumes = true
      } else if let command = Self.rest(line, after: "put command.sh '") {
        work = Machine.Work(command: Substring(command.prefix { $0 != UInt8(ascii: "'") }))
      }
    }
  }

  private static func rest(_ line: Substring.UTF8View, after prefix: StaticString) -> Substring.UTF8View? {
    let isThere = prefix.withUTF8Buffer { line.starts(with: $0) }
    return isThere ? line.dropFirst(prefix.utf8CodeUnitCount) : nil
  }

  private static func number(_ line: Substring.UTF8View, after prefix: StaticString) -> Int? {
    rest(line, after: prefix).flatMap { rest in
      Int(Substring(rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }))
    }
  }
}
