/// How much more, or less, than the ledger counted may have flowed on one UTC day while nobody looked.
///
/// A line whose change fell unseen stands at the end of the span; up to there the rates before it were counted. Had the change come
/// at the span's beginning, its own rate would have held for all of it. The truth lies between the two.
package struct UnseenShare: Sendable, Hashable {
  /// In micro-dollars beside the ledger; zero is within.
  package private(set) var gpu: ClosedRange<Int64> = 0...0
  package private(set) var storage: ClosedRange<Int64> = 0...0

  /// Nil when every change of the day was seen.
  /// - Parameter lines: all of one instance's, in any order.
  package init?(of day: Timestamp, in lines: some Sequence<BillingEvent>) {
    let rates = lines.filter(\.kind.isRate).sorted { $0.precedes($1) }
    let spans = rates.compactMap { line -> (start: Timestamp, end: Timestamp, line: BillingEvent)? in
      guard let unseenSince = line.unseenSince else { return nil }
      // Nothing flowed before the contract was made.
      let start = max(unseenSince, rates[0].at, day)
      let end = min(line.at, day.nextMidnight)
      return start < end ? (start, end, line) : nil
    }
    guard !spans.isEmpty else { return nil }
    // Where nothing begins or ends, the rates in question stay the same. Spans overlap: a machine is lost, then proved gone.
    let cuts = Set(spans.flatMap { [$0.start, $0.end] } + rates.map(\.at)).sorted()
    for (start, end) in zip(cuts, cuts.dropFirst()) {
      let possible = spans.filter { $0.start <= start && end <= $0.end }.map(\.line)
      guard !possible.isEmpty, let counted = rates.last(where: { $0.at <= start }) else { continue }
      gpu = gpu.widened(by: possible.map(\.gpuPerHour), insteadOf: counted.gpuPerHour, for: end - start)
      storage = storage.widened(by: possible.map(\.storagePerHour), insteadOf: counted.storagePerHour, for: end - start)
    }
  }
}

extension ClosedRange<Int64> {
  fileprivate func widened(by rates: [Money], insteadOf counted: Money, for span: Duration) -> ClosedRange<Int64> {
    let more = rates.map { $0.perHour(for: span).microdollars - counted.perHour(for: span).microdollars }
    return lowerBound + Swift.min(0, more.min() ?? 0)...upperBound + Swift.max(0, more.max() ?? 0)
  }

  /// The nearest within.
  package func clamp(_ value: Int64) -> Int64 { Swift.min(Swift.max(value, lowerBound), upperBound) }
}
