import Domain
import Logging
import Store

extension ChargeReconciler {
  /// As many instances are read, and written, at a time: a transaction of so many keeps other writes waiting for some ten
  /// milliseconds, one of a day with 10,000 instances for seconds.
  package static let portion = 100

  /// All of a UTC day, from a complete list of its charges. What is to be written is found by reading, and found again from
  /// what each transaction reads: a line may have come meanwhile.
  func reconcile(_ charges: [MarketCharge], of day: Timestamp) async throws(StoreError) -> Outcome {
    let now = now()
    var outcome = Outcome()
    var isSettled = true
    let listed = try await listed(charges, of: day, at: now)
    for portion in try instances(of: day, listed).inPortions {
      let looks = try store.read { (r) throws(StoreError) in try r.look(at: portion, of: day, listed, now: now) }
      outcome.examined += looks.count
      isSettled = isSettled && looks.allSatisfy(\.plan.isSettled)
      let due = looks.filter(\.isDue).map(\.instance.id)
      if !due.isEmpty {
        let change = try await store.write { (tx) throws(StoreError) in
          try tx.reconcile(due, of: day, listed, at: now)
        }
        outcome.changed += change.lines.count + change.events.count
        isSettled = isSettled && change.isSettled
        tell(change)
      }
      await Task.yield()
    }
    if isSettled, now - day.nextMidnight > DayReconciliation.lag { try await settle(day) }
    return outcome
  }

  /// What a list shows, by instance of ours.
  private func listed(
    _ charges: [MarketCharge], of day: Timestamp, at now: Timestamp
  ) async throws(StoreError) -> [ID<Instance>: ChargedDay] {
    var listed: [ID<Instance>: ChargedDay] = [:]
    for portion in charges.inPortions {
      let owners = try store.read { (r) throws(StoreError) in
        var owners: [ID<Instance>?] = []
        for charge in portion { owners.append(try r.instance(of: charge)?.id) }
        return owners
      }
      for case (let charge, let id?) in zip(portion, owners) {
        listed[id, default: ChargedDay(instanceID: id, day: day)].add(charge, seenAt: now)
      }
      await Task.yield()
    }
    return listed
  }

  /// Whom the day concerns, by this list, an earlier one, or the ledger.
  private func instances(
    of day: Timestamp, _ listed: [ID<Instance>: ChargedDay]
  ) throws(StoreError) -> [ID<Instance>] {
    let known = try store.read { (r) throws(StoreError) in
      try r.chargedDays(on: day).map(\.instanceID) + r.instancesInLedger(on: day)
    }
    return Set(known).union(listed.keys).sorted { $0.rawValue < $1.rawValue }
  }

  /// Goes one day on, when all before it were settled already.
  private func settle(_ day: Timestamp) async throws(StoreError) {
    let isNext = try store.read { (r) throws(StoreError) in try r.isNextToSettle(day) }
    guard isNext else { return }
    try await store.write { (tx) throws(StoreError) in
      guard try tx.isNextToSettle(day) else { return }
      var progress = try tx.chargeProgress()
      progress.settledBefore = day.nextMidnight
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

/// One instance's UTC day as the store has it, with what a list has beside that.
private struct DayLook: Sendable {
  let instance: Instance
  let charged: ChargedDay
  /// The list shows other figures than the store has, or shows them whole for the first time.
  let isNews: Bool
  let plan: DayReconciliation

  /// Something is to be written.
  var isDue: Bool { isNews || !plan.lines.isEmpty || plan.isDue(charged) }
}

/// What a portion changed.
private struct ChargeChange: Sendable {
  var isSettled = true
  var lines: [BillingEvent] = []
  var events: [FleetEvent] = []
}

extension StoreReader {
  fileprivate func look(
    at ids: [ID<Instance>], of day: Timestamp, _ listed: [ID<Instance>: ChargedDay], now: Timestamp
  ) throws(StoreError) -> [DayLook] {
    var looks: [DayLook] = []
    for id in ids {
      guard let look = try look(at: id, of: day, listed[id], now: now) else { continue }
      looks.append(look)
    }
    return looks
  }

  /// What an earlier list held and this one lacks stays: lists have lied.
  fileprivate func look(
    at id: ID<Instance>, of day: Timestamp, _ listed: ChargedDay?, now: Timestamp
  ) throws(StoreError) -> DayLook? {
    guard let instance = try instance(id) else { return nil }
    let stored = try chargedDay(of: id, on: day)
    var charged = listed ?? stored ?? ChargedDay(instanceID: id, day: day)
    charged.toldAt = stored?.toldAt
    var isNews = false
    if listed != nil {
      let isKnown = stored.map { $0.seenAt != nil && charged.hasFigures(of: $0) } ?? false
      isNews = !isKnown || (charged.isWhole(of: instance) && stored?.isWhole(of: instance) != true)
    }
    let plan = DayReconciliation(of: instance, charged: charged, known: try billingEvents(of: id), now: now)
    return DayLook(instance: instance, charged: charged, isNews: isNews, plan: plan)
  }

  fileprivate func isNextToSettle(_ day: Timestamp) throws(StoreError) -> Bool {
    guard let first = try firstInstanceAt() else { return false }
    return try chargeProgress().settledBefore ?? first.midnight == day
  }
}

extension StoreTransaction {
  fileprivate func reconcile(
    _ ids: [ID<Instance>], of day: Timestamp, _ listed: [ID<Instance>: ChargedDay], at now: Timestamp
  ) throws(StoreError) -> ChargeChange {
    var change = ChargeChange()
    for look in try look(at: ids, of: day, listed, now: now) {
      let (row, charged, plan) = (look.instance, look.charged, look.plan)
      change.isSettled = change.isSettled && plan.isSettled
      if look.isNews { try keep(charged) }
      for line in plan.lines { try append(line) }
      if !plan.lines.isEmpty { try addUp(row, at: now) }
      change.lines += plan.lines
      guard plan.isDue(charged) else { continue }
      let event = plan.event(about: row, charged, at: now)
      try append(event)
      try noteTold(charged, at: now)
      change.events.append(event)
    }
    return change
  }

  /// The instance's cost, and its job's, with the lines that were added.
  private func addUp(_ instance: Instance, at now: Timestamp) throws(StoreError) {
    var row = instance
    row.cost = try billingEvents(of: row.id).cost(until: now)
    guard row.cost != instance.cost, try update(&row) else { return }
    try addUpJob(of: row)
  }
}

extension Array {
  fileprivate var inPortions: [[Element]] {
    stride(from: 0, to: count, by: ChargeReconciler.portion).map { start in
      Array(self[start..<Swift.min(start + ChargeReconciler.portion, count)])
    }
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
