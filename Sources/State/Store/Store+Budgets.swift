package import Domain

extension StoreReader {
  package func budgets() throws(StoreError) -> Budgets {
    var budgets = Budgets()
    try connection.forEachRow("SELECT label, daily, monthly, burn_rate, action FROM budgets", []) {
      row throws(StoreError) in
      var row = RowReader(row)
      let label = row.text()
      let budget = Budget(
        daily: row.optionalMoney(), monthly: row.optionalMoney(), burnRate: row.optionalMoney(),
        action: try row.choice())
      if label.isEmpty { budgets.overall = budget } else { budgets.labels[label] = budget }
    }
    return budgets
  }

  /// The machines that budgets count: all that are neither destroyed nor failed.
  package func budgetView(now: Timestamp) throws(StoreError) -> BudgetView {
    let jobs = Dictionary(try jobsWithMachines().map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    return BudgetView(
      machines: try liveInstances().map { .init(instance: $0, job: $0.jobID.flatMap { jobs[$0] }) }, now: now)
  }

  /// How things stand under the budget of everything (nil) or of a label.
  package func spending(_ view: BudgetView, label: String?) throws(StoreError) -> Spending {
    let now = view.now
    return view.spending(
      label: label, today: try cost(since: now.midnight, label: label, now: now),
      month: try cost(since: now.monthStart, label: label, now: now),
      burnRate: try burnRate(label: label))
  }

  /// What budgets leave for rentals under a label. Read in the transaction that writes their rows: writes come one after
  /// another, so two that fit alone and not together cannot both be let through.
  package func budgetRoom(label: String, now: Timestamp) throws(StoreError) -> BudgetRoom {
    var room = BudgetRoom(now: now)
    let holding = try budgets().holding(for: label).filter { $0.budget.action != .alert }
    guard !holding.isEmpty else { return room }
    let view = try budgetView(now: now)
    for (label, budget) in holding {
      room.budgets.append((label: label, budget: budget, spending: try spending(view, label: label)))
    }
    return room
  }

  /// What was told of already.
  package func notedBreaches() throws(StoreError) -> Set<NotedBreach> {
    Set(
      try connection.all("SELECT label, bound_kind, bound, period FROM budget_breaches") { row throws(StoreError) in
        var row = RowReader(row)
        let label = row.text()
        return NotedBreach(
          label: label.isEmpty ? nil : label, limit: try row.choice(), bound: row.money(), period: row.moment())
      })
  }
}

extension StoreTransaction {
  package func set(_ budgets: Budgets) throws(StoreError) {
    try connection.run("DELETE FROM budgets")
    for (label, budget) in budgets.all {
      try connection.run(
        "INSERT INTO budgets (label, daily, monthly, burn_rate, action) VALUES ($1, $2, $3, $4, $5)",
        [
          .text(label ?? ""), .money(budget.daily), .money(budget.monthly), .money(budget.burnRate),
          .text(budget.action.rawValue),
        ])
    }
  }

  package func insert(_ breach: NotedBreach, at now: Timestamp) throws(StoreError) {
    try connection.run(
      "INSERT INTO budget_breaches (label, bound_kind, bound, period, at) VALUES ($1, $2, $3, $4, $5)",
      breach.columns + [.moment(now)])
  }

  package func delete(_ breach: NotedBreach) throws(StoreError) {
    try connection.run(
      "DELETE FROM budget_breaches WHERE label = $1 AND bound_kind = $2 AND bound = $3 AND period = $4", breach.columns)
  }
}

extension NotedBreach {
  fileprivate var columns: [SQLValue] {
    [.text(label ?? ""), .text(limit.rawValue), .money(bound), .moment(period)]
  }
}
