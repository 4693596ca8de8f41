package import Domain
package import Locking
package import Logging
package import Store

/// Holds what is spent against the budgets, by our own clock and ledger: nothing here asks the provider. Tells of a budget that
/// is used up once in its period, and decides which machines' jobs it ends.
package final class BudgetKeeper: Reconciler {
  package let name = "budgets"

  /// What the events are about when it is no label.
  package static let subject = "budget"

  private let store: Store
  private let jobNews: KeyedSignals<ID<Job>>
  private let counted: @Sendable (FleetEvent) -> Void
  private let now: @Sendable () -> Timestamp
  private let logger: Logger
  private let stops = Locked<[ID<Instance>: Failure]>([:])

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

  /// Why an instance must be given up, as of the last look; nil while no budget asks for it.
  package func stop(of id: ID<Instance>) -> Failure? { stops.withLock { $0[id] } }

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
      let ends = found.flatMap(\.ends)
      stops.withLock { stops in
        stops = Dictionary(ends.map { ($0.instanceID, $0.failure) }, uniquingKeysWith: { first, _ in first })
      }
      for end in ends { jobNews.raise(end.jobID) }
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
  var ends: [End]

  /// A job that it ends.
  struct End: Sendable {
    var instanceID: ID<Instance>
    var jobID: ID<Job>
    var failure: Failure
  }
}

extension StoreReader {
  /// Under each budget; without breaches where there are none.
  fileprivate func breaches(_ budgets: Budgets, now: Timestamp) throws(StoreError) -> [Breaches] {
    guard !budgets.isEmpty else { return [] }
    let view = try budgetView(now: now)
    var all: [Breaches] = []
    for (label, budget) in budgets.all {
      let breaches = budget.breaches(try spending(view, label: label))
      var ends: [Breaches.End] = []
      for breach in breaches where budget.action == .stop {
        let stopped = view.toStop(label: label, for: breach)
        for machine in view.machines where stopped.contains(machine.instance.id) {
          guard let job = machine.job else { continue }
          ends.append(
            .init(instanceID: machine.instance.id, jobID: job.id, failure: breach.failure(label: label)))
        }
      }
      all.append(Breaches(label: label, budget: budget, breaches: breaches, ends: ends))
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
