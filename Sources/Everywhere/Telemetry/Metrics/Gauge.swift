import CSystem
import Synchronization

/// A value that goes up and down. Until it is set for the first time it is left out of the text: an unknown credit is not 0.
package final class Gauge: Sendable {
  private let bits = Atomic<UInt64>(Double.nan.bitPattern)

  package init() {}

  /// Nil when never set, or when forgotten.
  package var value: Double? {
    let value = Double(bitPattern: bits.load(ordering: .relaxed))
    return value.isNaN ? nil : value
  }

  package func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }

  /// Takes the series out of the text until it is set again.
  package func forget() { set(.nan) }
}

/// Seconds since something last happened, worked out when it is read, so that it grows even when its source hangs.
package final class ElapsedGauge: Sendable {
  private static let never = Int64.min
  private let markedAt = Atomic<Int64>(never)
  private let now: @Sendable () -> Int64

  /// `now` gives monotonic nanoseconds.
  package init(now: @escaping @Sendable () -> Int64 = { csystem_monotonic_ns() }) { self.now = now }

  /// It happened just now.
  package func mark() { markedAt.store(now(), ordering: .relaxed) }

  /// Nil before the first mark.
  package var seconds: Double? {
    let marked = markedAt.load(ordering: .relaxed)
    return marked == Self.never ? nil : Double(max(0, now() - marked)) / 1e9
  }
}
