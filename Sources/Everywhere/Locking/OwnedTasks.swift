/// Tasks with an owner: at most one for a key, all cancelled and awaited together at the end.
package final class OwnedTasks<Key: Hashable & Sendable>: Sendable {
  private struct State {
    var tasks: [Key: Task<Void, Never>] = [:]
    var isClosed = false
  }

  private let state = Locked(State())

  package init() {}

  /// Starts `body` unless one for `key` is under way or the owner is closing. Tells whether it did.
  @discardableResult
  package func start(_ key: Key, _ body: @escaping @Sendable () async -> Void) -> Bool {
    state.withLock { state in
      guard !state.isClosed, state.tasks[key] == nil else { return false }
      state.tasks[key] = Task {
        await body()
        self.state.withLock { $0.tasks[key] = nil }
      }
      return true
    }
  }

  package func isUnderWay(_ key: Key) -> Bool {
    state.withLock { $0.tasks[key] != nil }
  }

  package var count: Int { state.withLock { $0.tasks.count } }

  /// Takes no more, cancels all and returns when the last has ended.
  package func close() async {
    let tasks = state.withLock { state in
      state.isClosed = true
      return Array(state.tasks.values)
    }
    for task in tasks { task.cancel() }
    for task in tasks { await task.value }
  }
}
