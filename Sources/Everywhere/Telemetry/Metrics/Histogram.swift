/// Durations counted by size. One observation costs a short scan and two atomic additions.
package final class Histogram: Sendable {
  /// Upper bounds in nanoseconds, ascending; the last bucket, without bound, is not in the list.
  let bounds: [Int]
  private let buckets: AtomicCells
  private let sum = Counter(unit: .nanoseconds)

  package init(bounds: HistogramBounds) {
    self.bounds = bounds.nanoseconds
    buckets = AtomicCells(count: bounds.nanoseconds.count + 1)
  }

  /// A duration below zero, from a clock that was set back, counts as zero.
  package func observe(nanoseconds: Int64) {
    let duration = Int(max(0, nanoseconds))
    var index = 0
    while index < bounds.count, duration > bounds[index] { index += 1 }
    buckets.add(1, at: index)
    sum.increment(by: duration)
  }

  package func observe(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    observe(nanoseconds: seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
  }

  /// Observations at or below each bound, and in the end all of them.
  var cumulativeCounts: [Int] {
    var total = 0
    return (0..<buckets.count).map { index in
      total += buckets[index]
      return total
    }
  }

  var sumNanoseconds: Int { sum.value }
}

/// Where the buckets of a histogram end.
package struct HistogramBounds: Sendable {
  let nanoseconds: [Int]

  private init(seconds: [Double]) { nanoseconds = seconds.map { Int(($0 * 1e9).rounded()) } }

  /// Our own answers: most take well under a millisecond, a slow one waits for Vast.
  package static let request = HistogramBounds(
    seconds: [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10])
  /// Calls to Vast: 50 ms at best, ended by the client's time-out of 30 s.
  package static let provider = HistogramBounds(
    seconds: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30])
  /// Phases of a job: a step of cleaning takes a second, a training run a day.
  package static let phase = HistogramBounds(
    seconds: [0.5, 1, 5, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 14_400, 86_400])
}
