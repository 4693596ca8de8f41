package import Domain
import Glibc
import Locking

/// A remote shell whose machine is a few words of state: enough for the loops, no process and no network.
package final class ScriptedShell: RemoteShell {
  package struct State: Sendable {
    /// Whether an SSH banner shows.
    package var isReachable = true
    package var command = RemoteStatus.State.notStarted
    package var launches = 0
    package var log: [UInt8] = []
    package var gpus = "RTX 4090, 24564\n"
    /// Thrown by the next runs, first first.
    package var failures: [RemoteShellError] = []
    package var scripts: [String] = []
    /// What the command comes to once it was launched; nil lets it run on.
    package var endsAs: RemoteStatus.State? = .ended(exitCode: 0)
    package var terminations = 0
    /// The machines whose lease was renewed, in turn.
    package var leases: [RemoteHost] = []
    /// Whether a machine that is prepared for the first time has no command yet, whatever the one before came to; and one that is
    /// prepared again has none once its command is gone, as an older attempt's folder is wiped.
    package var isNewOnEachMachine = false
    package var prepared: Set<RemoteHost> = []
    package var freeBytes: Int64 = 1_000_000_000
    /// What the next follows come to while the command runs on: these bytes, then their time is over; or, for nil, the
    /// connection breaks.
    package var cutFollows: [[UInt8]?] = []
    /// So many of the next follows never come to anything.
    package var hangingFollows = 0
    /// What a renewal ends with.
    package var leaseExit: Int32 = 0
    /// What a command writes whose output goes to a file.
    package var fileOutput: [UInt8]?
    /// What a verb of `RemoteWorkspace` says instead, by its name.
    package var answers: [String: RemoteResult] = [:]
    package var forgotten: [RemoteHost] = []
  }

  private let state = Locked(State())
  private let ended = Signal()

  package init() {}

  package func change<R>(_ body: (inout State) -> R) -> R {
    defer { ended.raise() }
    return state.withLock { body(&$0) }
  }

  package var snapshot: State { state.withLock { $0 } }

  package func publicKey() async throws(RemoteShellError) -> String { "ssh-ed25519 AAAA vastd" }

  package func reachableAddress(among addresses: [SSHAddress], patience: Duration) async -> SSHAddress? {
    snapshot.isReachable ? addresses.first : nil
  }

  package func forget(_ host: RemoteHost) async { state.withLock { $0.forgotten.append(host) } }

  package func run(_ command: RemoteCommand, on host: RemoteHost) async throws(RemoteShellError) -> RemoteResult {
    let failure = state.withLock { state -> RemoteShellError? in
      state.scripts.append(command.script)
      if command.script.contains("# vastd prepare"), state.isNewOnEachMachine {
        let isFirst = state.prepared.insert(host).inserted
        if isFirst || state.command == .vanished { state.command = .notStarted }
      }
      return state.failures.isEmpty ? nil : state.failures.removeFirst()
    }
    if let failure { throw failure }
    if case .file(let path, _) = command.output, let bytes = snapshot.fileOutput, let file = fopen(path, "w") {
      fwrite(bytes, 1, bytes.count, file)
      fclose(file)
    }
    if let answer = snapshot.answers.first(where: { command.script.hasPrefix("# vastd \($0.key)\n") }) {
      return answer.value
    }
    switch Verb(command.script) {
    case .status: break
    case .lease:
      return state.withLock { state in
        let isFirst = !state.leases.contains(host)
        state.leases.append(host)
        return RemoteResult(
          exitCode: state.leaseExit, standardOutput: Array("vastd-lease \(isFirst ? "begun" : "renewed")\n".utf8))
      }
    case .gpu: return RemoteResult(exitCode: 0, standardOutput: Array(snapshot.gpus.utf8))
    case .launch:
      state.withLock { state in
        guard state.command == .notStarted else { return }
        state.launches += 1
        state.command = state.endsAs ?? Self.running
      }
    case .follow:
      let cut = state.withLock { state -> [UInt8]?? in
        guard state.command == Self.running, !state.cutFollows.isEmpty else { return nil }
        return .some(state.cutFollows.removeFirst())
      }
      if let cut {
        guard let cut else { throw .unreachable(detail: "scripted break") }
        if case .pieces(let sink) = command.output, !cut.isEmpty { _ = await sink(cut) }
        throw .timedOut
      }
      let hangs = state.withLock { state in
        defer { state.hangingFollows = max(0, state.hangingFollows - 1) }
        return state.hangingFollows > 0
      }
      if hangs {
        await Signal().wait(after: 0)
        throw .cancelled
      }
      while snapshot.command == Self.running {
        let seen = ended.count
        if snapshot.command != Self.running { break }
        await ended.wait(after: seen)
        if Task.isCancelled { throw .cancelled }
      }
      let pieces = snapshot.log
      if case .pieces(let sink) = command.output, !pieces.isEmpty { _ = await sink(pieces) }
      return RemoteResult(exitCode: 0, standardError: statusLine)
    case .terminate:
      change { state in
        state.terminations += 1
        if state.command == Self.running { state.command = .ended(exitCode: 143) }
      }
    }
    return RemoteResult(exitCode: 0, standardOutput: statusLine)
  }

  private static let running = RemoteStatus.State.running(process: 7)

  private var statusLine: [UInt8] {
    let free = snapshot.freeBytes
    let state = snapshot.command
    let end = if case .ended(let code) = state { String(code) } else { "-" }
    let isStarted = state == .notStarted ? 0 : 1
    let text =
      "vastd-status state=\(state.word) pid=7 code=\(end) prepared=1 inputs=\(isStarted) installed=\(isStarted) setup_failed=0 told=\(snapshot.terminations > 0 ? 1 : 0) log=0 idle=0 free=\(free)\n"
    return Array(text.utf8)
  }

  private enum Verb {
    case status, gpu, launch, follow, terminate, lease

    init(_ script: String) {
      // Marks that only this verb's script has.
      if script.contains("# vastd lease") {
        self = .lease
      } else if script.contains("nvidia-smi") {
        self = .gpu
      } else if script.contains("setsid -f") {
        self = .launch
      } else if script.contains("o=$z") {
        self = .follow
      } else if script.contains("kill -s TERM") {
        self = .terminate
      } else {
        self = .status
      }
    }
  }
}

extension RemoteStatus.State {
  fileprivate var word: String {
    switch self {
    case .notStarted: "not_started"
    case .running: "running"
    case .vanished: "vanished"
    case .ended: "ended"
    }
  }
}
