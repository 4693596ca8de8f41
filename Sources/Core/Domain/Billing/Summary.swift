/// What a summary of the ledger adds up by. Raw values are the API's.
package enum SummaryGrouping: String, Sendable, Hashable, CaseIterable {
  case day
  case gpuName = "gpu_name"
  case label
  case job
  case instance
}

/// Whole UTC days, from the first up to the last, without it.
package struct DayRange: Sendable, Hashable {
  package let start: Timestamp
  package let end: Timestamp

  /// Rounds outwards to whole days; nil for a span that does not run forwards.
  package init?(from start: Timestamp, to end: Timestamp) {
    guard start < end else { return nil }
    self.start = start.midnight
    self.end = end == end.midnight ? end : end.nextMidnight
  }

  package var days: Int { Int((end - start).microseconds / Duration.seconds(86_400).microseconds) }
}

/// The ledger over some days, added up.
package struct UsageSummary: Sendable {
  package var range: DayRange
  package var total = Usage()
  /// By the day in their order; else the dearest first.
  package var items: [Item] = []
  /// How many groups there are beside those in `items`, and what they come to.
  package var otherCount = 0
  package var others = Usage()

  package init(range: DayRange) { self.range = range }

  package struct Item: Sendable, Hashable {
    /// A day as `2026-11-28`, a GPU's name, a label, or an id; nil for what has none: instances without a job, for one.
    package var key: String?
    package var instances: Int
    package var usage: Usage

    package init(key: String?, instances: Int, usage: Usage) {
      self.key = key
      self.instances = instances
      self.usage = usage
    }
  }
}

/// Which lines of the ledger are asked for.
package struct LedgerFilter: Sendable, Hashable {
  package var instanceID: ID<Instance>?
  package var jobID: ID<Job>?
  package var from: Timestamp?
  /// Without it.
  package var to: Timestamp?

  package init() {}
}

/// A line of the ledger beside what its rates have come to.
package struct LedgerLine: Sendable, Hashable {
  package var event: BillingEvent
  /// When the next line of a rate took over; nil while this one holds, and for amounts.
  package var until: Timestamp?
  /// An amount, or what the rates come to until `until`, or up to the moment of reading.
  package var cost: Cost

  package init(event: BillingEvent, until: Timestamp?, cost: Cost) {
    self.event = event
    self.until = until
    self.cost = cost
  }
}

/// What bids have saved: the GPU time of interruptible machines, at what they cost and at what their kind cost on demand, at the
/// least, when they were ordered. Those for which no such price was found are left out.
package struct Savings: Sendable, Hashable {
  package var interruptible = Money.zero
  package var onDemand = Money.zero

  package init() {}

  package var saved: Money { Money(microdollars: onDemand.microdollars - interruptible.microdollars) }
}
