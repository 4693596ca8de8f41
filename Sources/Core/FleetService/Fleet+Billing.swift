package import Domain
import Locking
import Store

/// All budgets, and how things stand under each.
package struct BudgetReport: Sendable {
  package var budgets: Budgets
  /// Of everything; then of each label that has a budget, in the labels' order.
  package var standings: [Standing]

  package struct Standing: Sendable {
    package var label: String?
    package var spending: Spending
    package var breaches: [BudgetBreach]
  }
}

extension Fleet {
  /// Lines of the ledger, newest first.
  package func ledger(_ filter: LedgerFilter, _ page: PageRequest) throws(FleetError) -> Page<LedgerLine> {
    let now = now()
    return try read { (r) throws(StoreError) in try r.ledger(filter, page, now: now) }
  }

  package func summary(
    _ range: DayRange, by grouping: SummaryGrouping, limit: Int
  ) throws(FleetError) -> SummaryReport {
    let now = now()
    return try read { (r) throws(StoreError) in
      SummaryReport(
        summary: try r.summary(range, by: grouping, limit: limit, now: now), burnRate: try r.burnRate(),
        savings: try r.savings(range, now: now), asOf: now)
    }
  }

  package func budgets() throws(FleetError) -> BudgetReport {
    let now = now()
    return try read { (r) throws(StoreError) in
      let budgets = try r.budgets()
      let view = try r.budgetView(now: now)
      var report = BudgetReport(budgets: budgets, standings: [])
      for label in [nil] + budgets.labels.keys.sorted().map(Optional.some) {
        let budget = label.map { budgets.labels[$0] } ?? budgets.overall
        let spending = try r.spending(view, label: label)
        report.standings.append(
          .init(label: label, spending: spending, breaches: budget?.breaches(spending) ?? []))
      }
      return report
    }
  }

  /// Replaces all budgets. They hold when this returns; jobs that wait for one look again.
  package func setBudgets(_ budgets: Budgets) async throws(FleetError) {
    try await write { (tx) throws(StoreError) in try tx.set(budgets) }
    connections.wakeBudgets()
    for job in try read({ (r) throws(StoreError) in try r.activeJobs() }) { connections.jobNews.raise(job.id) }
  }

  /// What flows now, by the hour, and how long the account's credit lasts at that; nil while nothing flows.
  package func timeLeft(of account: MarketAccount) throws(FleetError) -> (burnRate: Money, timeLeft: Duration?) {
    let ours = try read { (r) throws(StoreError) in try r.burnRate() }
    let now = now()
    let spend = connections.accountReading().map { $0.burnRate(ours: ours, at: now) } ?? ours
    let reading = AccountReading(
      account, MarketSpend(gpuPerHour: spend, storagePerHour: .zero, asOf: account.asOf))
    return (reading.burnRate(ours: spend, at: now), reading.timeLeft(ours: spend, at: now))
  }
}

package struct SummaryReport: Sendable {
  package var summary: UsageSummary
  package var burnRate: Money
  package var savings: Savings
  package var asOf: Timestamp
}
