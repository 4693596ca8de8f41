/// What may be spent, by everything together or by what bears one label.
package struct Budget: Sendable, Hashable {
  /// On a UTC day. Nil here and below: no bound.
  package var daily: Money?
  /// In a UTC month.
  package var monthly: Money?
  /// By the hour, of all machines together.
  package var burnRate: Money?
  package var action: BudgetAction

  package init(daily: Money? = nil, monthly: Money? = nil, burnRate: Money? = nil, action: BudgetAction = .alert) {
    self.daily = daily
    self.monthly = monthly
    self.burnRate = burnRate
    self.action = action
  }

  /// The code of what a budget keeps back, or ends.
  package static let exceeded = "budget_exceeded"

  package var hasBound: Bool { daily != nil || monthly != nil || burnRate != nil }

  package func bound(_ limit: BudgetLimit) -> Money? {
    switch limit {
    case .daily: daily
    case .monthly: monthly
    case .burnRate: burnRate
    }
  }
}

/// What happens when a budget is used up. Raw values are stored and served; each does what those before it do.
package enum BudgetAction: String, Sendable, Hashable, CaseIterable {
  /// An event.
  case alert
  /// No new rentals.
  case block
  /// What runs is ended, with what it has to bring home.
  case stop
}

/// Raw values are stored and served.
package enum BudgetLimit: String, Sendable, Hashable, CaseIterable {
  case daily
  case monthly
  case burnRate = "burn_rate"

  package var words: String {
    switch self {
    case .daily: "daily budget"
    case .monthly: "monthly budget"
    case .burnRate: "burn rate"
    }
  }
}

/// All budgets that hold.
package struct Budgets: Sendable, Hashable {
  package var overall: Budget?
  package var labels: [String: Budget] = [:]

  package init() {}

  package var isEmpty: Bool { overall == nil && labels.isEmpty }

  /// The budgets that something with this label falls under; nil for the one of everything.
  package func holding(for label: String) -> [(label: String?, budget: Budget)] {
    var found: [(label: String?, budget: Budget)] = []
    if let overall { found.append((nil, overall)) }
    if let budget = labels[label] { found.append((label, budget)) }
    return found
  }

  package var all: [(label: String?, budget: Budget)] {
    var all: [(label: String?, budget: Budget)] = []
    if let overall { all.append((nil, overall)) }
    for (label, budget) in labels.sorted(by: { $0.key < $1.key }) { all.append((label, budget)) }
    return all
  }
}

/// How things stand under one budget.
package struct Spending: Sendable, Hashable {
  /// By the ledger, up to now, also while nothing is heard from the provider.
  package var today = Money.zero
  package var month = Money.zero
  /// What flows now, by the hour.
  package var burnRate = Money.zero
  /// What machines that are there, or ordered, may still cost today and this month.
  package var committedToday = Money.zero
  package var committedMonth = Money.zero
  /// What they cost by the hour once all of them run.
  package var committedRate = Money.zero

  package init() {}

  package func spent(_ limit: BudgetLimit) -> Money {
    switch limit {
    case .daily: today
    case .monthly: month
    case .burnRate: burnRate
    }
  }

  package func committed(_ limit: BudgetLimit) -> Money {
    switch limit {
    case .daily: committedToday
    case .monthly: committedMonth
    case .burnRate: max(.zero, Money(microdollars: committedRate.microdollars - burnRate.microdollars))
    }
  }
}

/// A breach that was told of, once in its period: of another bound it is another one.
package struct NotedBreach: Sendable, Hashable {
  /// Nil for the budget of everything.
  package var label: String?
  package var limit: BudgetLimit
  package var bound: Money
  /// When the day or the month began; of a rate, which has no period, 1970.
  package var period: Timestamp

  package init(label: String?, limit: BudgetLimit, bound: Money, period: Timestamp) {
    self.label = label
    self.limit = limit
    self.bound = bound
    self.period = period
  }

  package init(_ breach: BudgetBreach, label: String?, at now: Timestamp) {
    let period =
      switch breach.limit {
      case .daily: now.midnight
      case .monthly: now.monthStart
      case .burnRate: Timestamp(microseconds: 0)
      }
    self.init(label: label, limit: breach.limit, bound: breach.bound, period: period)
  }

  /// A rate that is within bounds again is news the next time; a day and a month are over for good.
  package func isOver(beside present: Set<NotedBreach>, at now: Timestamp) -> Bool {
    switch limit {
    case .burnRate: !present.contains(self)
    case .daily: period < now.midnight
    case .monthly: period < now.monthStart
    }
  }
}

/// A bound that is reached.
package struct BudgetBreach: Sendable, Hashable {
  package var limit: BudgetLimit
  package var bound: Money
  package var spent: Money

  package init(limit: BudgetLimit, bound: Money, spent: Money) {
    self.limit = limit
    self.bound = bound
    self.spent = spent
  }
}

extension BudgetBreach {
  /// Of what is ended for it.
  package func failure(label: String?) -> Failure {
    let whose = label.map { " of \"\($0)\"" } ?? ""
    let unit = limit == .burnRate ? " an hour" : ""
    return Failure(
      code: Budget.exceeded,
      detail: "The \(limit.words)\(whose) of $\(bound.decimal)\(unit) is used up: $\(spent.decimal).", isRetryable: true
    )
  }
}

extension Budget {
  /// The bounds that are reached now. A burn rate may be met exactly; money that is spent is spent.
  package func breaches(_ spending: Spending) -> [BudgetBreach] {
    BudgetLimit.allCases.compactMap { limit in
      guard let bound = bound(limit) else { return nil }
      let spent = spending.spent(limit)
      guard limit == .burnRate ? spent > bound : spent >= bound else { return nil }
      return BudgetBreach(limit: limit, bound: bound, spent: spent)
    }
  }

  /// See `BudgetRoom.refusal`.
  package func refusal(
    of rentals: [Commitment], _ spending: Spending, label: String?, at now: Timestamp
  ) -> Failure? {
    guard action != .alert else { return nil }
    let whose = label.map { " of \"\($0)\"" } ?? ""
    for limit in BudgetLimit.allCases {
      guard let bound = bound(limit) else { continue }
      let more = rentals.reduce(Money.zero) { $0 + $1.amount(limit, at: now) }
      let (spent, committed) = (spending.spent(limit), spending.committed(limit))
      guard spent + committed + more > bound || (limit != .burnRate && spent >= bound) else { continue }
      return Failure(
        code: Self.exceeded,
        detail: """
          The \(limit.words)\(whose) of $\(bound.decimal)\(limit == .burnRate ? " an hour" : "") has no room\
          \(rentals.isEmpty ? "" : " for up to $\(more.decimal) more"). GET /v1/billing/budget shows what is spent and committed.
          """, isRetryable: true)
    }
    return nil
  }
}

/// What the budgets that hold for something leave.
package struct BudgetRoom: Sendable {
  package var budgets: [(label: String?, budget: Budget, spending: Spending)] = []
  package let now: Timestamp

  package init(now: Timestamp) { self.now = now }

  /// Why rentals must wait, all of them or none: what is spent, what is bound to be, and they would pass a bound. Nil when they
  /// may go ahead. No rentals: whether there is room for any.
  package func refusal(of rentals: [Commitment]) -> Failure? {
    for (label, budget, spending) in budgets {
      if let refusal = budget.refusal(of: rentals, spending, label: label, at: now) { return refusal }
    }
    return nil
  }
}

/// What a machine may still cost.
package struct Commitment: Sendable, Hashable {
  /// GPUs and disk while it runs.
  package var pricePerHour: Money
  /// How long it may run yet.
  package var duration: Duration
  /// What its job's own bound leaves.
  package var rest: Money?

  package init(pricePerHour: Money, duration: Duration, rest: Money? = nil) {
    self.pricePerHour = pricePerHour
    self.duration = duration
    self.rest = rest
  }

  /// What is counted for a machine whose time nothing bounds. It may run on; then what it spends counts, hour by hour.
  package static let openEnded = Duration.seconds(3600)

  /// Of a job on a machine that costs this much.
  package init(for job: Job, pricePerHour: Money, at now: Timestamp) {
    self.pricePerHour = pricePerHour
    let elapsed = job.state == .running ? job.startedAt.map { now - $0 } ?? .zero : .zero
    duration = job.specification.maximumDuration.map { max(.zero, $0 - elapsed) } ?? Self.openEnded
    rest = job.specification.maximumCost.map { Money(microdollars: max(0, $0.microdollars - job.cost.microdollars)) }
  }

  /// Until the end of the day or the month, or by the hour.
  package func amount(_ limit: BudgetLimit, at now: Timestamp) -> Money {
    let end: Timestamp
    switch limit {
    case .daily: end = now.nextMidnight
    case .monthly: end = now.nextMonthStart
    case .burnRate: return pricePerHour
    }
    let cost = pricePerHour.perHour(for: min(duration, end - now))
    return rest.map { min($0, cost) } ?? cost
  }
}
