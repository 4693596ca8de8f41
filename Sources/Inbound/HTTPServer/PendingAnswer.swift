import CMicrohttpd
import Locking

/// The meeting point of an asynchronous handler and its suspended connection. Whoever comes second brings the connection
/// back: the task that finishes, or the library's thread that finds it finished already.
///
/// The state is decided under the lock; suspending and resuming happen outside, and each exactly once.
final class PendingAnswer: Sendable {
  enum Outcome: Sendable {
    case answer(Response)
    case clientLeft
  }

  private enum Phase {
    /// The task runs and the connection is not suspended (yet).
    case running
    case suspended
    case done(Outcome)
    /// The outcome was taken.
    case over
  }

  private struct State {
    var phase = Phase.running
    var task: Task<Void, Never>?
  }

  private let state = Locked(State())
  private let resume: @Sendable () -> Void

  init(resume: @escaping @Sendable () -> Void) { self.resume = resume }

  /// Settles the request unless it is settled, in which case an answer is thrown away.
  /// - Parameter cancelling: whether the handler's task, which is not the one that calls, has become useless.
  func settle(_ outcome: Outcome, cancelling: Bool) {
    let (settled, wasSuspended, task) = state.withLock { state -> (Bool, Bool, Task<Void, Never>?) in
      switch state.phase {
      case .running:
        state.phase = .done(outcome)
        return (true, false, state.task)
      case .suspended:
        state.phase = .done(outcome)
        return (true, true, state.task)
      case .done, .over:
        return (false, false, nil)
      }
    }
    if cancelling { task?.cancel() }
    if wasSuspended { resume() }
    if !settled, case .answer(let response) = outcome { response.discard() }
  }

  /// Remembers the handler's task, so that it can be cancelled. A task that was settled around is cancelled now, and so is one
  /// that settled by itself, which is over.
  func remember(_ task: Task<Void, Never>) {
    let settled = state.withLock { state in
      state.task = task
      switch state.phase {
      case .running, .suspended: return false
      case .done, .over: return true
      }
    }
    if settled { task.cancel() }
  }

  /// Called on the library's thread after it suspended the connection.
  /// - Returns: false when the outcome came first, and the caller has to resume the connection itself.
  func suspended() -> Bool {
    state.withLock { state in
      guard case .running = state.phase else { return false }
      state.phase = .suspended
      return true
    }
  }

  /// Takes the outcome; nil while there is none.
  func take() -> Outcome? {
    state.withLock { state in
      guard case .done(let outcome) = state.phase else { return nil }
      state.phase = .over
      state.task = nil
      return outcome
    }
  }
}
