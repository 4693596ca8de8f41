import Synchronization

/// A total that only grows. Kept as an integer of its unit, so that a hot path pays one atomic addition and no float drifts.
package final class Counter: Sendable {
  /// What one step stands for. Prometheus wants base units; the text divides when it is written.
  package enum Unit: Int, Sendable {
    case one = 1
    /// Served as US dollars.
    case microdollars = 1_000_000
    /// Served as seconds.
    case nanoseconds = 1_000_000_000
  }

  let unit: Unit
  private let total = Atomic<Int>(0)

  package init(unit: Unit = .one) { self.unit = unit }

  package var value: Int { total.load(ordering: .relaxed) }

  /// Adds a number of units that is not negative.
  package func increment(by amount: Int = 1) {
    total.wrappingAdd(amount, ordering: .relaxed)
  }

  /// For a total that is kept elsewhere, such as the ledger's sum: takes it over when it is larger, never goes back.
  package func raise(to newTotal: Int) {
    var seen = total.load(ordering: .relaxed)
    while seen < newTotal {
      let (exchanged, original) = total.weakCompareExchange(expected: seen, desired: newTotal, ordering: .relaxed)
      if exchanged { return }
      seen = original
    }
  }
}
