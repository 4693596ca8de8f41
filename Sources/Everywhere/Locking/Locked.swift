import Glibc

/// A value that only one thread touches at a time.
///
/// A pthread mutex and not `Synchronization.Mutex`: the thread sanitizer cannot see into the runtime's futex lock on Linux
/// and reports races that are none; uncontended this one is no slower. Decide inside the lock, act outside, never `await` in it.
///
/// `@unchecked Sendable`: every access to `state` happens while `mutex` is held.
package final class Locked<State>: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private var state: State

  package init(_ state: State) {
    mutex = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    self.state = state
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  package func withLock<Result, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return try body(&state)
  }
}
