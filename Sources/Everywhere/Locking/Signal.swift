/// Wakes whoever waits for "something changed": a level, not a queue. A raise between looking and waiting is not lost,
/// because the waiter names the count that it saw before it looked.
package final class Signal: Sendable {
  private struct State {
    var count: UInt64 = 0
    var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
    var nextWaiter: UInt64 = 0
    var cancelled: Set<UInt64> = []
  }

  private let state = Locked(State())

  package init() {}

  /// How often it was raised so far; read it before looking at what it tells of.
  package var count: UInt64 { state.withLock { $0.count } }

  package func raise() {
    let waiters = state.withLock { state in
      state.count += 1
      defer { state.waiters = [:] }
      return state.waiters
    }
    for waiter in waiters.values { waiter.resume() }
  }

  /// Returns once the count differs from `seen`, or when the task is cancelled.
  package func wait(after seen: UInt64) async {
    let id = state.withLock { state in
      state.nextWaiter += 1
      return state.nextWaiter
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let resumesNow = state.withLock { state in
          if state.count != seen || state.cancelled.remove(id) != nil { return true }
          state.waiters[id] = continuation
          return false
        }
        if resumesNow { continuation.resume() }
      }
    } onCancel: {
      let waiter = state.withLock { state in
        if let waiter = state.waiters.removeValue(forKey: id) { return waiter as CheckedContinuation<Void, Never>? }
        state.cancelled.insert(id)
        return nil
      }
      waiter?.resume()
    }
    _ = state.withLock { $0.cancelled.remove(id) }
  }
}
