import Locking
import Domain
import Logging
import Store

extension InstanceReconciler {
  /// One transaction: the row as it is now, if it still stands where the plan saw it, the move, its event and its line of
  /// the ledger. False when the row moved on meanwhile, and when `unless` says so of it.
  func change(
    _ planned: Instance, event: InstanceEvent?,
    onlyIf condition: @escaping @Sendable (Instance) -> Bool = { _ in true },
    unless isRefused: @escaping @Sendable (StoreTransaction, Instance, Timestamp) throws(StoreError) -> Bool = {
      (_, _, _) throws(StoreError) in false
    },
    _ mutate: @escaping @Sendable (inout Instance, Timestamp) -> Void
  ) async -> Bool? {
    let now = now()
    do throws(StoreError) {
      let change = try await store.write { (tx) throws(StoreError) -> InstanceChange? in
        guard var row = try tx.instance(planned.id), row.state == planned.state, condition(row),
          try !isRefused(tx, row, now)
        else { return nil }
        let before = row
        mutate(&row, now)
        if let event {
          do throws(IllegalTransition) {
            try row.apply(event)
          } catch {
            return nil
          }
        }
        return try tx.record(row, before: before, event: event, at: now)
      }
      guard let change else { return false }
      tell(change)
      return true
    } catch {
      logger.error("instance cannot be written", metadata: metadata(planned, ["error": "\(error)"]))
      return false
    }
  }

  private func tell(_ change: InstanceChange) {
    for event in change.events { signals.counted(event) }
    if change.hasMoved {
      logger.info(
        "instance moved",
        metadata: metadata(
          change.row,
          ["state": "\(change.row.state.rawValue)", "code": "\(change.row.failure?.code ?? "")"]))
      signals.instances.raise()
    }
    if let jobID = change.row.jobID { signals.jobs.raise(jobID) }
  }

  func metadata(_ instance: Instance, _ more: Logger.Metadata = [:]) -> Logger.Metadata {
    var metadata: Logger.Metadata = ["instance_id": "\(instance.id)"]
    if let marketID = instance.marketID { metadata["provider_id"] = "\(marketID)" }
    if let jobID = instance.jobID { metadata["job_id"] = "\(jobID)" }
    return metadata.merging(more.filter { $0.value != "" }) { $1 }
  }
}

struct InstanceChange: Sendable {
  var row: Instance
  var events: [FleetEvent]
  var hasMoved: Bool
}

extension StoreTransaction {
  /// Writes a changed row with what follows from the change: events, ledger, and what it has cost so far.
  func record(
    _ changed: Instance, before: Instance, event: InstanceEvent?, at now: Timestamp
  ) throws(StoreError) -> InstanceChange? {
    var row = changed
    if let entry = row.ledgerEntry(after: event, before: before, at: now) {
      try append(entry.following(try lastRate(of: row.id)))
    }
    row.cost = try usage(of: row.id, now: now).cost.total
    guard try update(&row) else { return nil }
    if row.cost != before.cost { try addUpJob(of: row) }
    let events = row.events(
      after: event, before: before, job: try row.jobID.flatMap { (id) throws(StoreError) in try job(id) }, at: now)
    for event in events { try append(event) }
    return InstanceChange(
      row: row, events: events, hasMoved: row.state != before.state || row.desired != before.desired)
  }

  /// What an instance's job has cost, after the instance's own cost changed.
  func addUpJob(of row: Instance) throws(StoreError) {
    guard let jobID = row.jobID, var job = try job(jobID) else { return }
    let others = try instances(ofJob: jobID).filter { $0.id != row.id }
    job.cost = others.reduce(row.cost) { $0 + $1.cost }
    _ = try update(&job)
  }
}

extension Instance {
  /// Events in Vast's own words for what was seen, and ours for what it means.
  fileprivate func events(
    after event: InstanceEvent?, before: Instance, job: Job?, at now: Timestamp
  ) -> [FleetEvent] {
    var events: [FleetEvent] = []
    if let from = before.marketStatus, let to = marketStatus, from != to {
      events.append(self.event("\(from)_to_\(to)", at: now))
    }
    switch event {
    case .created: events.append(self.event("created", at: now))
    case .booted: events.append(self.event("running", at: now))
    // A start that came to nothing ends nothing that was not told of before.
    case .vanished where before.isStartedAgain: break
    case .stopSeen where before.state == .stopping: events.append(idleStopEvent(at: now))
    case .stopSeen, .vanished: events.append(ending(before: before, job: job, at: now))
    case .goneProven, .cancelled: events.append(self.event("destroyed", at: now))
    case .orderSent, .offerTaken, .orderReturned, .refused, .neverCreated, .stopAsked, .startAsked, .destroyAsked, nil:
      break
    }
    return events
  }

  /// What became of a machine that nobody here wanted to end, and what is done about it.
  private func ending(before: Instance, job: Job?, at now: Timestamp) -> FleetEvent {
    var event = self.event(failure?.code == "preempted" ? "preempted" : "exited", at: now)
    event.data["expected"] = .flag(before.desired == .destroyed)
    if let job, let failure {
      let answer = job.answer(to: failure)
      event.data["action"] = .text(mayRevive ? "it is started once more; if that fails, \(answer)" : answer)
    }
    return event
  }

  /// It ran before and was asked to run again.
  private var isStartedAgain: Bool { state == .loading && runningAt != nil }

  /// The line that the ledger needs after a change: money flows from the contract's making until it was seen gone, at rates that
  /// follow what the machine does.
  fileprivate func ledgerEntry(after event: InstanceEvent?, before: Instance, at now: Timestamp) -> BillingEvent? {
    let (gpu, storage) = billedRates
    func entry(_ kind: BillingEvent.Kind, at moment: Timestamp, unseenSince: Timestamp? = nil) -> BillingEvent {
      BillingEvent(
        instanceID: id, jobID: jobID, kind: kind, at: moment, gpuPerHour: gpu, storagePerHour: storage,
        unseenSince: unseenSince.flatMap { moment - $0 > BillingEvent.longestLook ? $0 : nil })
    }
    switch event {
    // An order that is found again was filled at the moment that the provider tells.
    case .created: return entry(.start, at: contractStart(before: now))
    // Since the first of the lists that were confirmed: it was gone by then, and what was seen once more is not there any more.
    case .goneProven: return entry(.stop, at: before.absentSince ?? now, unseenSince: before.lastSeenAt)
    default:
      guard marketID != nil, !state.isFinal, billedRates != before.billedRates else { return nil }
      let lookedAt = before.lastSeenAt ?? before.unseenBefore
      // The provider tells when a container began, and not when it ended. A read may have seen it run since, which says nothing of
      // its boot; one that was down or silent meanwhile counts from when it was seen so.
      let isFirstBoot = before.state == .loading && before.runningAt == nil
      let wasUp = [nil, "created", "loading", "running"].contains(before.marketStatus)
      let idleSince = isFirstBoot && wasUp ? before.unseenBefore : lookedAt
      if gpu > .zero, before.billedRates.gpu == .zero, let bootedAt, bootedAt < now, bootedAt > idleSince ?? now {
        return entry(.rateChanged, at: bootedAt)
      }
      // The whole contract is gone: no GPU ran after the first list that lacked it, however long the proof took.
      let goneAt = event == .vanished && marketStatus == nil && gpu < before.billedRates.gpu ? before.absentSince : nil
      return entry(.rateChanged, at: goneAt ?? now, unseenSince: lookedAt)
    }
  }

  /// Since when one that was never seen may have done anything: an order that is found again may have run for long by then.
  private var unseenBefore: Timestamp? { [contractStartedAt, acceptedAt].compactMap { $0 }.min() }

  /// Not before the order left, nor after `now`: what is told of it is not our own clock's.
  private func contractStart(before now: Timestamp) -> Timestamp {
    guard let contractStartedAt, let orderedAt else { return now }
    return max(orderedAt, min(contractStartedAt, now))
  }
}

extension Job {
  /// What the job runner does when its machine is lost, in words.
  fileprivate func answer(to failure: Failure) -> String {
    guard state == .running else { return "the job goes on as it can" }
    guard specification.recovers, failure.isLossOfWork else { return "the job fails: it is not to be recovered" }
    guard attempt < specification.maximumAttempts else { return "the job fails: this was its last attempt" }
    return specification.checkpoint == nil
      ? "another machine begins anew" : "another machine goes on from the last checkpoint"
  }
}
