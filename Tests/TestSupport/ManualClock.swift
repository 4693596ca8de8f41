import Locking

/// A clock that moves only when the test says so.
///
/// `advance(by:)` wakes everyone whose time has come, in the order of their deadlines, before it returns; what the woken
/// tasks do next happens on their own threads. So the pattern is: start the work, `await clock.sleepers(1)`, `advance`, look.
package final class ManualClock: Clock, Sendable {
  package struct Instant: InstantProtocol {
    package var offset: Duration
    package func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }
    package func duration(to other: Instant) -> Duration { other.offset - offset }
    package static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
  }

  private struct Sleeper {
    let deadline: Instant
    let continuation: CheckedContinuation<Void, any Error>
  }

  private struct State {
    var now = Instant(offset: .zero)
    var nextID = 0
    var sleepers: [Int: Sleeper] = [:]
    var cancelled: Set<Int> = []
    var watchers: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []

    /// Takes out the watchers who have what they wait for.
    mutating func satisfiedWatchers() -> [CheckedContinuation<Void, Never>] {
      let count = sleepers.count
      let satisfied = watchers.filter { $0.count <= count }
      watchers.removeAll { $0.count <= count }
      return satisfied.map(\.continuation)
    }
  }

  private let state = Locked(State())

  package init() {}

  /// How far it was moved so far.
  package var elapsed: Duration { now.offset }

  package var now: Instant { state.withLock { $0.now } }
  package var minimumResolution: Duration { .nanoseconds(1) }

  /// How many tasks sleep now.
  package var sleeperCount: Int { state.withLock { $0.sleepers.count } }

  /// How long until the first sleeper wakes; nil when nobody sleeps.
  package var untilNextDeadline: Duration? {
    state.withLock { state in
      state.sleepers.values.map(\.deadline).min().map { state.now.duration(to: $0) }
    }
  }

  package func sleep(until deadline: Instant, tolerance: Duration?) async throws {
    try Task.checkCancellation()
    let id = state.withLock { state in
      state.nextID += 1
      return state.nextID
    }
    // A cancellation that comes after the waking has nobody to wake; forget it.
    defer { state.withLock { _ = $0.cancelled.remove(id) } }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        enum Next { case wakes, isCancelled, sleeps([CheckedContinuation<Void, Never>]) }
        let next = state.withLock { state -> Next in
          if state.cancelled.remove(id) != nil { return .isCancelled }
          if deadline <= state.now { return .wakes }
          state.sleepers[id] = Sleeper(deadline: deadline, continuation: continuation)
          return .sleeps(state.satisfiedWatchers())
        }
        switch next {
        case .wakes: continuation.resume()
        case .isCancelled: continuation.resume(throwing: CancellationError())
        case .sleeps(let watchers): for watcher in watchers { watcher.resume() }
        }
      }
    } onCancel: {
      let sleeper = state.withLock { state -> Sleeper? in
        if let sleeper = state.sleepers.removeValue(forKey: id) { return sleeper }
        state.cancelled.insert(id)
        return nil
      }
      sleeper?.continuation.resume(throwing: CancellationError())
    }
  }

  /// Moves time forward and wakes the sleepers whose deadline has come, earliest first.
  package func advance(by duration: Duration) {
    let woken = state.withLock { state in
      state.now = state.now.advanced(by: duration)
      let due = state.sleepers.filter { $0.value.deadline <= state.now }
      for id in due.keys { state.sleepers[id] = nil }
      return due.sorted { ($0.value.deadline, $0.key) < ($1.value.deadline, $1.key) }.map(\.value.continuation)
    }
    for continuation in woken { continuation.resume() }
  }

  /// Returns once at least so many tasks sleep on this clock.
  package func sleepers(_ count: Int) async {
    await withCheckedContinuation { continuation in
      let isThere = state.withLock { state in
        if state.sleepers.count >= count { return true }
        state.watchers.append((count, continuation))
        return false
      }
      if isThere { continuation.resume() }
    }
  }
}
