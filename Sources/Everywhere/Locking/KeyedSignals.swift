/// Signals by name: whoever waits for one job's news is not woken by another's. A signal lives as long as somebody holds it.
package final class KeyedSignals<Key: Hashable & Sendable>: Sendable {
  private struct WeakSignal {
    weak var signal: Signal?
  }

  private struct State {
    var signals: [Key: WeakSignal] = [:]
    /// The table is swept when it has grown to this size.
    var sweepAt = 64
  }

  private let state = Locked(State())

  package init() {}

  package func signal(for key: Key) -> Signal {
    state.withLock { state in
      if let signal = state.signals[key]?.signal { return signal }
      if state.signals.count >= state.sweepAt {
        state.signals = state.signals.filter { $0.value.signal != nil }
        state.sweepAt = max(64, state.signals.count * 2)
      }
      let signal = Signal()
      state.signals[key] = WeakSignal(signal: signal)
      return signal
    }
  }

  /// Wakes those who wait for `key`; costs nothing when nobody does.
  package func raise(_ key: Key) {
    state.withLock { $0.signals[key]?.signal }?.raise()
  }
}
