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
    var machines: [BudgetView.Machine] = []
    for instance in try liveInstances() {
      let job: Job? = if let id = instance.jobID { try job(id) } else { nil }
      machines.append(.init(instance: instance, job: job))
    }
    return BudgetView(machines: machines, now: now)
  }

  /// How things stand under the budget of everything (nil) or of a label.
  package func spending(_ view: BudgetView, label: String?) throws(StoreError) -> Spending {
    let now = view.now
    return view.spending(
      label: label, today: try usage(since: now.midnight, label: label, now: now).cost.total,
      month: try usage(since: now.monthStart, label: label, now: now).cost.total,
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

  /// Why a machine must be given up, by a budget that stops what runs; nil while none asks for it.
  package func budgetStop(of id: ID<Instance>, label: String, now: Timestamp) throws(StoreError) -> Failure? {
    let holding = try budgets().holding(for: label).filter { $0.budget.action == .stop }
    guard !holding.isEmpty else { return nil }
    let view = try budgetView(now: now)
    for (label, budget) in holding {
      for breach in budget.breaches(try spending(view, label: label)) {
        if breach.limit == .burnRate, !view.toStop(label: label, until: breach.bound).contains(id) { continue }
        return breach.failure(label: label)
      }
    }
    return nil
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

extension BudgetBreach {
  fileprivate func failure(label: String?) -> Failure {
    let whose = label.map { " of \"\($0)\"" } ?? ""
    let unit = limit == .burnRate ? " an hour" : ""
    return Failure(
      code: "budget_exceeded",
      detail: "The \(limit.words)\(whose) of $\(bound.decimal)\(unit) is used up: $\(spent.decimal).", isRetryable: true
    )
  }
}
