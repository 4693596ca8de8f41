import Domain
import Locking

/// Lets so many in at once, the others in the order they came.
final class SessionLimiter: Sendable {
  private struct State {
    var free: Int
    var nextTicket: UInt64 = 0
    /// In order of arrival; nil once admitted or cancelled.
    var queue: [(ticket: UInt64, continuation: CheckedContinuation<Bool, Never>)] = []
    var cancelled: Set<UInt64> = []
  }

  private let state: Locked<State>

  init(limit: Int) { state = Locked(State(free: limit)) }

  /// Throws `.cancelled` when the task is cancelled before its turn. Who got in must `leave`.
  func enter() async throws(RemoteShellError) {
    let ticket = state.withLock { state in
      state.nextTicket += 1
      return state.nextTicket
    }
    let isAdmitted = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let answer: Bool? = state.withLock { state in
          if state.cancelled.remove(ticket) != nil { return false }
          if state.free > 0 {
            state.free -= 1
            return true
          }
          state.queue.append((ticket, continuation))
          return nil
        }
        if let answer { continuation.resume(returning: answer) }
      }
    } onCancel: {
      let waiter = state.withLock { state in
        guard let index = state.queue.firstIndex(where: { $0.ticket == ticket }) else {
          state.cancelled.insert(ticket)
          return nil as CheckedContinuation<Bool, Never>?
        }
        return state.queue.remove(at: index).continuation
      }
      waiter?.resume(returning: false)
    }
    // A cancel that came after the admission left its mark.
    _ = state.withLock { $0.cancelled.remove(ticket) }
    if !isAdmitted { throw .cancelled }
  }

  func leave() {
    let next = state.withLock { state in
      if state.queue.isEmpty {
        state.free += 1
        return nil as CheckedContinuation<Bool, Never>?
      }
      return state.queue.removeFirst().continuation
    }
    next?.resume(returning: true)
  }
}
