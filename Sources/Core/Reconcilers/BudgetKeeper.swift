package import Domain
package import Locking
package import Logging
package import Store

/// Holds what is spent against the budgets, by our own clock and ledger: nothing here asks the provider. Tells of a budget that
/// is used up once in its period, and wakes the jobs that it ends.
package struct BudgetKeeper: Reconciler {
  package let name = "budgets"

  /// What the events are about when it is no label.
  package static let subject = "budget"

  private let store: Store
  private let jobNews: KeyedSignals<ID<Job>>
  private let counted: @Sendable (FleetEvent) -> Void
  private let now: @Sendable () -> Timestamp
  private let logger: Logger

  /// - Parameter counted: told each event that was recorded.
  package init(
    store: Store, jobNews: KeyedSignals<ID<Job>>, counted: @escaping @Sendable (FleetEvent) -> Void = { _ in },
    now: @escaping @Sendable () -> Timestamp, logger: Logger
  ) {
    self.store = store
    self.jobNews = jobNews
    self.counted = counted
    self.now = now
    self.logger = logger
  }

  package func activate() async -> Outcome {
    var outcome = Outcome()
    do throws(StoreError) {
      let now = now()
      let (found, noted) = try store.read { (r) throws(StoreError) in
        (try r.breaches(try r.budgets(), now: now), try r.notedBreaches())
      }
      outcome.examined = found.count
      let present = Set(found.flatMap { one in one.breaches.map { NotedBreach($0, label: one.label, at: now) } })
      let over = noted.filter { $0.isOver(beside: present, at: now) }
      if !over.isEmpty || !present.isSubset(of: noted) {
        for event in try await record(found, forgetting: over, at: now) {
          counted(event)
          outcome.changed += 1
          logger.warning("budget exceeded", metadata: ["path": "\(event.subject)"])
        }
      }
      for job in found.flatMap(\.jobsToEnd) { jobNews.raise(job) }
    } catch {
      logger.error("budgets cannot be checked", metadata: ["error": "\(error)"])
      outcome.failures = 1
    }
    return outcome
  }

  private func record(
    _ found: [Breaches], forgetting over: Set<NotedBreach>, at now: Timestamp
  ) async throws(StoreError) -> [FleetEvent] {
    try await store.write { (tx) throws(StoreError) in
      for breach in over { try tx.delete(breach) }
      let noted = try tx.notedBreaches()
      var events: [FleetEvent] = []
      for one in found {
        for breach in one.breaches {
          let note = NotedBreach(breach, label: one.label, at: now)
          guard !noted.contains(note) else { continue }
          try tx.insert(note, at: now)
          let event = one.event(breach, note, at: now)
          try tx.append(event)
          events.append(event)
        }
      }
      return events
    }
  }
}

/// What is used up under one budget.
struct Breaches: Sendable {
  var label: String?
  var budget: Budget
  var breaches: [BudgetBreach]
  /// Jobs whose machines it ends.
  var jobsToEnd: [ID<Job>]
}

extension StoreReader {
  /// Under each budget; without breaches where there are none.
  fileprivate func breaches(_ budgets: Budgets, now: Timestamp) throws(StoreError) -> [Breaches] {
    guard !budgets.isEmpty else { return [] }
    let view = try budgetView(now: now)
    var all: [Breaches] = []
    for (label, budget) in budgets.all {
      let breaches = budget.breaches(try spending(view, label: label))
      var jobs: [ID<Job>] = []
      if budget.action == .stop, !breaches.isEmpty {
        jobs = view.machines.filter { label == nil || $0.instance.label == label }.compactMap(\.instance.jobID)
      }
      all.append(Breaches(label: label, budget: budget, breaches: breaches, jobsToEnd: jobs))
    }
    return all
  }
}

extension Breaches {
  func event(_ breach: BudgetBreach, _ note: NotedBreach, at now: Timestamp) -> FleetEvent {
    var facts: [String: EventFact] = [
      "limit": .text(breach.limit.rawValue), "limit_usd": .money(breach.bound), "spent_usd": .money(breach.spent),
      "action": .text(budget.action.rawValue),
    ]
    facts.note("label", label)
    if breach.limit != .burnRate { facts["period"] = .text(note.period.date) }
    return FleetEvent(type: "budget.exceeded", subject: label ?? BudgetKeeper.subject, at: now, data: facts)
  }
}
