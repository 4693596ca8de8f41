package import Domain
package import Logging
package import Store

/// Holds the ledger against what the provider charged, day by day: adds the traffic, corrects what fell while nobody looked, and
/// tells of every other difference.
package struct ChargeReconciler: Reconciler {
  package let name = "charges"

  private let store: Store
  private let marketplace: any Marketplace
  private let counted: @Sendable (FleetEvent) -> Void
  private let now: @Sendable () -> Timestamp
  private let logger: Logger

  /// - Parameter counted: told each event that was recorded.
  package init(
    store: Store, marketplace: any Marketplace, counted: @escaping @Sendable (FleetEvent) -> Void = { _ in },
    now: @escaping @Sendable () -> Timestamp, logger: Logger
  ) {
    self.store = store
    self.marketplace = marketplace
    self.counted = counted
    self.now = now
    self.logger = logger
  }

  package func activate() async -> Outcome {
    var outcome = Outcome()
    do throws(StoreError) {
      for day in try dueDays() {
        let charges: [MarketCharge]
        do throws(MarketplaceError) {
          charges = try await marketplace.charges(from: day, to: day.nextMidnight)
        } catch {
          if error != .cancelled {
            outcome.failures += 1
            try await note(error, day)
          }
          return outcome
        }
        let change = try await store.write { [now] (tx) throws(StoreError) in
          try tx.reconcile(charges, of: day, at: now())
        }
        outcome.examined += change.examined
        outcome.changed += change.lines.count + change.events.count
        tell(change)
      }
      try await store.write { [now] (tx) throws(StoreError) in
        var progress = try tx.chargeProgress()
        progress.lastRunAt = now()
        progress.failure = nil
        try tx.keep(progress)
      }
    } catch {
      logger.error("charges cannot be recorded", metadata: ["error": "\(error)"])
      outcome.failures += 1
    }
    return outcome
  }

  /// None before anything was rented.
  private func dueDays() throws(StoreError) -> [Timestamp] {
    let now = now()
    return try store.read { (r) throws(StoreError) in
      guard let first = try r.firstInstanceAt() else { return [] }
      return try r.chargeProgress().dueDays(since: first, now: now)
    }
  }

  private func note(_ error: MarketplaceError, _ day: Timestamp) async throws(StoreError) {
    logger.warning("charges not read", metadata: ["day": "\(day.date)", "code": "\(error.code)"])
    try await store.write { (tx) throws(StoreError) in
      var progress = try tx.chargeProgress()
      progress.failure = Failure(code: error.code, detail: error.detail, isRetryable: error.isTransient)
      try tx.keep(progress)
    }
  }

  private func tell(_ change: ChargeChange) {
    for line in change.lines {
      logger.info(
        "ledger follows the charges",
        metadata: [
          "instance_id": "\(line.instanceID)", "kind": "\(line.kind.rawValue)", "day": "\(line.at.date)",
          "amount_usd": "\(line.amount.total.decimal)",
        ])
    }
    for event in change.events {
      counted(event)
      logger.warning(
        "ledger and charges differ",
        metadata: [
          "instance_id": "\(event.subject)", "day": "\(event.data["day"]?.text ?? "")",
          "rest_usd": "\(event.data["rest_usd"]?.text ?? "")",
        ])
    }
  }
}

/// What a day's charges changed.
private struct ChargeChange: Sendable {
  var examined = 0
  var lines: [BillingEvent] = []
  var events: [FleetEvent] = []
}

extension StoreTransaction {
  /// All of a UTC day, from a complete list of its charges. What an earlier list held and this one lacks stays: lists have lied.
  fileprivate func reconcile(
    _ charges: [MarketCharge], of day: Timestamp, at now: Timestamp
  ) throws(StoreError) -> ChargeChange {
    var change = ChargeChange()
    var listed: [ID<Instance>: ChargedDay] = [:]
    for charge in charges {
      guard let id = try instance(of: charge)?.id else { continue }
      listed[id, default: ChargedDay(instanceID: id, day: day)].add(charge, seenAt: now)
    }
    for charged in listed.values { try keep(charged) }
    var known: [ID<Instance>: ChargedDay] = [:]
    for charged in try chargedDays(on: day) { known[charged.instanceID] = charged }
    for id in try instancesInLedger(on: day) where known[id] == nil {
      known[id] = ChargedDay(instanceID: id, day: day)
    }
    var isSettled = true
    for (id, charged) in known.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
      guard let row = try instance(id) else { continue }
      change.examined += 1
      let plan = DayReconciliation(of: row, charged: charged, known: try billingEvents(of: id), now: now)
      isSettled = isSettled && plan.isSettled
      for line in plan.lines { try append(line) }
      if !plan.lines.isEmpty { try addUp(row, at: now) }
      change.lines += plan.lines
      guard plan.isDue(charged) else { continue }
      let event = plan.event(about: row, charged, at: now)
      try append(event)
      try noteTold(charged, at: now)
      change.events.append(event)
    }
    if isSettled, now - day.nextMidnight > DayReconciliation.lag { try settle(day) }
    return change
  }

  /// The instance's cost, and its job's, with the lines that were added.
  private func addUp(_ instance: Instance, at now: Timestamp) throws(StoreError) {
    var row = instance
    row.cost = try billingEvents(of: row.id).cost(until: now)
    guard row.cost != instance.cost, try update(&row) else { return }
    try addUpJob(of: row)
  }

  /// Goes one day on, when all before it were settled already.
  private func settle(_ day: Timestamp) throws(StoreError) {
    var progress = try chargeProgress()
    guard let first = try firstInstanceAt(), (progress.settledBefore ?? first.midnight) == day else { return }
    progress.settledBefore = day.nextMidnight
    try keep(progress)
  }
}

extension DayReconciliation {
  fileprivate func event(about instance: Instance, _ charged: ChargedDay, at now: Timestamp) -> FleetEvent {
    FleetEvent(
      type: "billing.discrepancy", subject: instance.id.rawValue, instanceID: instance.id, jobID: instance.jobID,
      at: now,
      data: [
        "label": .text(instance.label), "day": .text(charged.day.date), "ledger_usd": .money(ledger.total),
        "charged_usd": .money(charged.amount), "rest_usd": .money(comparison.rest),
      ])
  }
}
