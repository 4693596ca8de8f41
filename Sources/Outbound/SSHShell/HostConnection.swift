import Domain
import Glibc
import Locking

/// The one connection to a host that all its sessions share, made when it is first needed and made again when it has gone.
///
/// The master is no child of ours: ssh puts itself into the background once the login was accepted, so its exit status is
/// the news that sessions can start, and a vastd that dies by kill -9 leaves at most a master that ends by itself.
final class HostConnection: Sendable {
  /// The server's `MaxSessions` is 10 by default, and above that the client silently makes connections of its own.
  let sessions: SessionLimiter
  let options: SSHOptions
  private let persistenceSeconds: Int
  private let loginPatience: Duration
  private let state = Locked(State())
  private let change = Signal()

  private struct State {
    var phase = Phase.down
    /// Counts the tries to connect.
    var attempt: UInt64 = 0
  }

  private enum Phase {
    case down
    case connecting
    case up
    /// Who waited for this try takes it as the answer; who comes later tries again.
    case failed(RemoteShellError)
  }

  init(options: SSHOptions, sessionLimit: Int, persistenceSeconds: Int, loginPatience: Duration) {
    sessions = SessionLimiter(limit: sessionLimit)
    self.options = options
    self.persistenceSeconds = persistenceSeconds
    self.loginPatience = loginPatience
  }

  /// The options for a session; the host's key is pinned by now.
  var sessionOptions: SSHOptions {
    var options = options
    options.isFirstContact = false
    return options
  }

  /// Returns once a master answers. Costs a look at its socket when one does.
  func makeReady(logins: SessionLimiter) async throws(RemoteShellError) {
    enum Step {
      case ready
      case connect
      case wait
      case fail(RemoteShellError)
    }
    var awaited: UInt64?
    while true {
      let seen = change.count
      let step: Step = state.withLock { state in
        switch state.phase {
        case .connecting:
          awaited = state.attempt
          return .wait
        case .failed(let error) where awaited == state.attempt: return .fail(error)
        // Asked inside the lock, so that nobody replaces a master that another has just made; the call does not block.
        case .up where ControlSocket.isAnswering(options.controlPath): return .ready
        case .up, .down, .failed:
          state.phase = .connecting
          state.attempt += 1
          awaited = state.attempt
          return .connect
        }
      }
      switch step {
      case .ready: return
      case .fail(let error): throw error
      case .wait: break
      case .connect:
        // Not the caller's own task: others wait for the same connection, and it must not end with one of them.
        Task { await connect(logins: logins) }
      }
      await change.wait(after: seen)
      if Task.isCancelled { throw .cancelled }
    }
  }

  /// Ends the master and every session over it. The next command makes a new one.
  func close() {
    ControlSocket.terminate(options.controlPath)
  }

  private func connect(logins: SessionLimiter) async {
    let outcome: Phase
    do throws(RemoteShellError) {
      try await logins.enter()
      defer { logins.leave() }
      try await startMaster()
      outcome = .up
    } catch {
      outcome = .failed(error)
    }
    state.withLock { $0.phase = outcome }
    change.raise()
  }

  private func startMaster() async throws(RemoteShellError) {
    // A socket without an owner: its master died, or was killed with us.
    unlink(options.controlPath)
    var options = options
    options.isFirstContact = (Files.size(options.knownHostsFile) ?? 0) == 0
    let ended: LocalCommand
    do {
      ended = try await LocalCommand.run(
        options.master(persistenceSeconds: persistenceSeconds), environment: SSHOptions.environment,
        patience: loginPatience)
    } catch .timedOut {
      throw .unreachable(detail: "no login within \(loginPatience)")
    }
    guard ended.exit == .code(0) else { throw SSHFailure.classify(ended.error, exit: ended.exit) }
    if options.isFirstContact {
      // ssh goes on when it could not write the key down; we do not, since the next contact would take any other.
      guard (Files.size(options.knownHostsFile) ?? 0) > 0 else {
        ControlSocket.terminate(options.controlPath)
        throw .local(detail: "the host's key could not be kept in \(options.knownHostsFile)")
      }
    }
    // Not at the first contact alone: a life that was killed between that and this leaves a file that nobody flushed.
    try Files.synchronize(options.knownHostsFile)
    try Files.synchronize(Files.folder(of: options.knownHostsFile))
    guard ControlSocket.isAnswering(options.controlPath) else {
      throw .unreachable(detail: "the connection ended right after the login")
    }
  }
}
