import CCurl
import Locking

/// How callers reach the loop's thread: a list of commands and a wake-up.
final class TransferInbox: Sendable {
  enum Command {
    case start(Transfer)
    case cancel(UInt64)
  }

  struct Mail {
    var commands: [Command]
    var isShutDown: Bool
  }

  private struct State {
    var commands: [Command] = []
    var isShutDown = false
    /// Nil before the first request, and again once the loop has taken the news of its end.
    var multi: MultiHandle?

    /// In the lock, so that the handle cannot be freed meanwhile. It writes one byte to a socket pair.
    func wake() {
      if let multi { _ = ccurl_multi_wakeup(multi.pointer) }
    }
  }

  private let state = Locked(State())

  /// Leaves a command; false when the client is shut down. `start` is called, under the lock, for the first command: it
  /// makes the multi handle and the thread.
  func post(_ command: Command, starting start: () -> MultiHandle) -> Bool {
    state.withLock { state in
      guard !state.isShutDown else { return false }
      if state.multi == nil { state.multi = start() }
      state.commands.append(command)
      state.wake()
      return true
    }
  }

  func shutDown() {
    state.withLock { state in
      state.isShutDown = true
      state.wake()
    }
  }

  /// For the loop. After mail that says `isShutDown` nobody touches the multi handle but the loop, which may free it.
  func take() -> Mail {
    state.withLock { state in
      defer { state.commands = [] }
      if state.isShutDown { state.multi = nil }
      return Mail(commands: state.commands, isShutDown: state.isShutDown)
    }
  }
}

/// `@unchecked Sendable`: only `curl_multi_wakeup`, which is made for it, is called off the loop's thread.
struct MultiHandle: @unchecked Sendable {
  let pointer: UnsafeMutableRawPointer
}
