/// One line of the ledger. Append-only; `key` makes a repeated write harmless.
///
/// Lines of a rate say what an instance costs by the hour from `at` until its next such line. Lines of an amount stand for
/// themselves: traffic, and what the provider's own figures put right.
package struct BillingEvent: Sendable, Hashable {
  package var instanceID: ID<Instance>
  package var jobID: ID<Job>?
  package var kind: Kind
  package var at: Timestamp
  /// By the hour; zero in a line of an amount.
  package var gpuPerHour = Money.zero
  package var storagePerHour = Money.zero
  /// At once; zero in a line of a rate. Below zero where less was charged than the ledger had.
  package var amount = Cost.zero
  /// Nobody looked between this moment and `at`, and the change fell somewhere in between.
  package var unseenSince: Timestamp?
  /// What tells two amounts of one moment apart.
  package var discriminator = ""

  /// Between two looks at a machine this is usual: the slowest poll, and a call that takes its time. After a longer pause nobody
  /// knows when a change fell.
  package static let longestLook = Duration.seconds(90)

  package enum Kind: String, Sendable, Hashable, CaseIterable {
    /// Money begins to flow.
    case start = "billing.start"
    case rateChanged = "billing.rate_changed"
    /// Nothing is charged any more.
    case stop = "billing.stop"
    /// Bytes that the provider charged for.
    case transfer = "billing.transfer"
    /// What the provider charged otherwise than the ledger had while nobody looked.
    case adjusted = "billing.adjusted"

    package var isRate: Bool {
      switch self {
      case .start, .rateChanged, .stop: true
      case .transfer, .adjusted: false
      }
    }
  }

  /// A line of a rate.
  package init(
    instanceID: ID<Instance>, jobID: ID<Job>?, kind: Kind, at: Timestamp, gpuPerHour: Money, storagePerHour: Money,
    unseenSince: Timestamp? = nil
  ) {
    self.instanceID = instanceID
    self.jobID = jobID
    self.kind = kind
    self.at = at
    self.gpuPerHour = gpuPerHour
    self.storagePerHour = storagePerHour
    self.unseenSince = unseenSince
  }

  /// A line of an amount. The same discriminator at the same moment is the same fact.
  package init(
    instanceID: ID<Instance>, jobID: ID<Job>?, kind: Kind, at: Timestamp, amount: Cost, discriminator: String
  ) {
    self.instanceID = instanceID
    self.jobID = jobID
    self.kind = kind
    self.at = at
    self.amount = amount
    self.discriminator = discriminator
  }

  /// Equal for the same fact observed twice.
  package var key: String {
    let base = "\(instanceID)/\(kind.rawValue)/\(at.microseconds)"
    return discriminator.isEmpty ? base : base + "/" + discriminator
  }

  /// The same after the instance's last line of a rate: two facts of one microsecond would be taken for one, and none goes
  /// back in time.
  package func following(_ last: BillingEvent?) -> BillingEvent {
    guard let last, at <= last.at else { return self }
    var event = self
    event.at = last.at + .microseconds(1)
    return event
  }

  /// Lines of a rate in their order, whoever wrote them first.
  package func precedes(_ other: BillingEvent) -> Bool { (at, key) < (other.at, other.key) }
}

extension BillingEvent {
  /// What this line's rates come to up to `end`, for each UTC day that they touch, oldest first. GPU and disk are rounded for
  /// each day, so that the days of a span add up to what the ledger says of it.
  package func accrual(until end: Timestamp) -> [DayUsage] {
    guard kind.isRate, gpuPerHour != .zero || storagePerHour != .zero else { return [] }
    var days: [DayUsage] = []
    var start = at
    while start < end {
      let next = Swift.min(start.nextMidnight, end)
      let span = next - start
      var usage = Usage()
      usage.cost.gpu = gpuPerHour.perHour(for: span)
      usage.cost.storage = storagePerHour.perHour(for: span)
      if gpuPerHour > .zero { usage.gpuTime = span }
      days.append(DayUsage(day: start.midnight, usage: usage))
      start = next
    }
    return days
  }
}

extension Sequence<BillingEvent> {
  /// What one instance's lines, in any order, come to until `moment`, by UTC day.
  package func usage(until moment: Timestamp) -> [Timestamp: Usage] {
    var days: [Timestamp: Usage] = [:]
    var open: BillingEvent?
    for line in sorted(by: { $0.precedes($1) }) where line.at <= moment {
      guard line.kind.isRate else {
        days[line.at.midnight, default: Usage()].cost += line.amount
        continue
      }
      for day in open?.accrual(until: line.at) ?? [] { days[day.day, default: Usage()] += day.usage }
      open = line
    }
    for day in open?.accrual(until: moment) ?? [] { days[day.day, default: Usage()] += day.usage }
    return days
  }

  /// The same in one sum.
  package func cost(until moment: Timestamp) -> Money {
    usage(until: moment).values.reduce(.zero) { $0 + $1.cost.total }
  }
}
