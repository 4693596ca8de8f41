import CSystem
import Domain
import Locking

/// A program on this machine that says little and ends soon: ssh-keygen, or ssh until it goes into the background.
struct LocalCommand {
  var exit: ChildProcess.Exit
  var output: [UInt8]
  var error: [UInt8]

  /// Throws `.timedOut` and `.local`. Keeps 16 KiB of what it says.
  static func run(
    _ arguments: [String], environment: [String], patience: Duration
  ) async throws(RemoteShellError) -> LocalCommand {
    try await onThread("ssh-local") { () throws(RemoteShellError) in
      var output = ByteBudget(limit: 16 << 10)
      var error = ByteBudget(limit: 16 << 10)
      let child = try ChildProcess.start(arguments, environment: environment)
      let conversation = Conversation(
        deadline: csystem_monotonic_ns() + patience.nanoseconds, control: try ConversationControl(),
        onOutput: { piece in
          output.append(piece)
          return .more
        }, onError: { error.append($0) })
      switch conversation.hold(child) {
      case .exited(let exit): return LocalCommand(exit: exit, output: output.bytes, error: error.bytes)
      case .timedOut: throw .timedOut
      case .cancelled, .stopped: throw .cancelled
      case .failed(let detail): throw .local(detail: detail)
      }
    }
  }
}
