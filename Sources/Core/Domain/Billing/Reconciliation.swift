/// One instance's UTC day as a report shows it.
package struct ReconciledDay: Sendable, Hashable {
  package var marketID: MarketID?
  package var label: String
  package var jobID: ID<Job>?
  /// Up to now, while the day runs.
  package var ledger: Cost
  package var charged: ChargedDay
  package var isSettled: Bool
  /// A change of the day fell while nobody looked.
  package var hasUnseenGap: Bool
  package let comparison: ChargeComparison

  package init(
    marketID: MarketID?, label: String, jobID: ID<Job>?, ledger: Cost, charged: ChargedDay, isSettled: Bool,
    hasUnseenGap: Bool
  ) {
    self.marketID = marketID
    self.label = label
    self.jobID = jobID
    self.ledger = ledger
    self.charged = charged
    self.isSettled = isSettled
    self.hasUnseenGap = hasUnseenGap
    comparison = ChargeComparison(ledger: ledger, charged: charged)
  }
}

/// The ledger of some days against the provider's charges.
package struct Reconciliation: Sendable {
  package var range: DayRange
  /// Of all of `range`, on every page.
  package var totals = Totals()
  /// The newest day first.
  package var page: Page<ReconciledDay>
  package var lastRunAt: Timestamp?
  /// Why the last run ended early.
  package var failure: Failure?

  package init(range: DayRange, page: Page<ReconciledDay>) {
    self.range = range
    self.page = page
  }

  package struct Totals: Sendable, Hashable {
    package var ledger = Money.zero
    package var charged = Money.zero
    package var difference = Money.zero
    package var explained = Money.zero
    package var rest = Money.zero

    package init() {}

    package mutating func add(_ day: ReconciledDay) {
      ledger += day.ledger.total
      charged += day.charged.amount
      difference += day.comparison.difference
      explained += day.comparison.explained
      rest += day.comparison.rest
    }
  }
}

/// How far the comparison with the provider's charges has come.
package struct ChargeProgress: Sendable, Hashable {
  /// Every day before this one was compared after it had settled.
  package var settledBefore: Timestamp?
  /// When all due days were last read.
  package var lastRunAt: Timestamp?
  /// Why that did not go through since.
  package var failure: Failure?

  package init() {}

  /// As many days as one run asks for beside yesterday and today: a call or more each. A longer downtime takes several runs.
  package static let mostDays = MarketCharge.mostDays

  /// The days to be asked for: yesterday and today, which no older one may hold up, then all since the last settled one, oldest
  /// first.
  /// - Parameter first: when the first instance was made.
  package func dueDays(since first: Timestamp, now: Timestamp) -> [Timestamp] {
    let today = now.midnight
    let recent = [(today - .seconds(86_400)), today].filter { $0 >= first.midnight }
    guard let end = recent.first else { return [] }
    var older: [Timestamp] = []
    var day = settledBefore ?? first.midnight
    while day < end, older.count < Self.mostDays {
      older.append(day)
      day = day.nextMidnight
    }
    return recent + older
  }
}
