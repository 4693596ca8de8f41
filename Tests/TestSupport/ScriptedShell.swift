package import Domain
import Locking

/// A remote shell whose machine is a few words of state: enough for the loops, no process and no network.
package final class ScriptedShell: RemoteShell {
  package struct State: Sendable {
    /// Whether an SSH banner shows.
    package var isReachable = true
    package var command = RemoteCommandState.notStarted
    package var launches = 0
    package var log: [UInt8] = []
    package var gpus = "RTX 4090, 24564\n"
    /// Thrown by the next runs, first first.
    package var failures: [RemoteShellError] = []
    package var scripts: [String] = []
    /// What the command comes to once it was launched; nil lets it run on.
    package var endsAs: RemoteCommandState? = .ended(code: 0, inSetup: false)
    package var terminations = 0
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
      return state.failures.isEmpty ? nil : state.failures.removeFirst()
    }
    if let failure { throw failure }
    switch Verb(command.script) {
    case .status: return RemoteResult(exitCode: 0, standardOutput: Array(snapshot.command.text.utf8))
    case .gpu: return RemoteResult(exitCode: 0, standardOutput: Array(snapshot.gpus.utf8))
    case .launch:
      state.withLock { state in
        guard state.command == .notStarted else { return }
        state.launches += 1
        state.command = state.endsAs ?? .running
      }
    case .follow:
      while snapshot.command == .running {
        let seen = ended.count
        if snapshot.command != .running { break }
        await ended.wait(after: seen)
        if Task.isCancelled { throw .cancelled }
      }
      let pieces = snapshot.log
      if case .pieces(let sink) = command.output, !pieces.isEmpty { _ = await sink(pieces) }
    case .terminate:
      change { state in
        state.terminations += 1
        if state.command == .running { state.command = .ended(code: 143, inSetup: false) }
      }
    case .other: break
    }
    return RemoteResult(exitCode: 0)
  }

  private enum Verb {
    case status, gpu, launch, follow, terminate, other

    init(_ script: String) {
      if script.contains("nvidia-smi") {
        self = .gpu
      } else if script.contains("echo vanished") {
        self = .status
      } else if script.contains("mkdir started") {
        self = .launch
      } else if script.contains("tail -c") {
        self = .follow
      } else if script.contains("kill -TERM") {
        self = .terminate
      } else {
        self = .other
      }
    }
  }
}

extension RemoteCommandState {
  fileprivate var text: String {
    switch self {
    case .notStarted: "not_started"
    case .running: "running"
    case .vanished: "vanished"
    case .ended(let code, let inSetup): "\(inSetup ? "setup_failed" : "ended") \(code)"
    }
  }
}
