package import Domain
package import Locking
package import Logging
package import Store

/// Makes instances what they should be: rents what is requested, follows what runs, destroys what is unwanted and proves it
/// gone. Touches only rows of ours; what the list holds besides is somebody else's.
package final class InstanceReconciler: Reconciler {
  package let name = "instances"

  let store: Store
  let marketplace: any Marketplace
  let shell: any RemoteShell
  let observation: @Sendable () -> MarketObservation?
  let settings: InstanceSettings
  let signals: InstanceSignals
  let now: @Sendable () -> Timestamp
  let logger: Logger
  /// Calls to the provider under way, one per instance: creates wait for their turn and must not hold up a destroy.
  let calls = OwnedTasks<ID<Instance>>()
  let lastDestroyCalls = Locked<[ID<Instance>: Timestamp]>([:])
  /// The list that the last direct read of an instance followed.
  let lastProofs = Locked<[ID<Instance>: Timestamp]>([:])
  private let watchedSince: Timestamp
  let lastOrders = Locked<[ID<Instance>: Timestamp]>([:])

  package init(
    store: Store, marketplace: any Marketplace, shell: any RemoteShell,
    observation: @escaping @Sendable () -> MarketObservation?, settings: InstanceSettings, signals: InstanceSignals,
    now: @escaping @Sendable () -> Timestamp, logger: Logger
  ) {
    self.store = store
    self.marketplace = marketplace
    self.shell = shell
    self.observation = observation
    self.settings = settings
    self.signals = signals
    self.now = now
    self.logger = logger
    watchedSince = now()
  }

  package func activate() async -> Outcome {
    var outcome = Outcome()
    let instances: [Instance]
    do throws(StoreError) {
      instances = try store.read { (r) throws(StoreError) in try r.liveInstances() }
    } catch {
      logger.error("instances cannot be read", metadata: ["error": "\(error)"])
      outcome.failures = 1
      return outcome
    }
    let observation = observation()
    outcome.examined = instances.count
    await withTaskGroup(of: Bool?.self) { group in
      for instance in instances where !calls.isUnderWay(instance.id) {
        let plan = InstancePlan(
          for: instance, observation: observation, lastDestroyCall: lastDestroyCalls.withLock { $0[instance.id] },
          watchedSince: watchedSince, unusedSince: unusedSince(instance), now: now(), settings: settings)
        if plan.step == .wait || (plan.step == .create && isPausing(instance.id)) { continue }
        group.addTask { await self.perform(plan.step, on: instance, observation: observation) }
      }
      for await changed in group {
        switch changed {
        case true?: outcome.changed += 1
        case false?: outcome.raced += 1
        case nil: break
        }
      }
    }
    return outcome
  }

  /// Stops the calls under way; what they did not finish is found again by tag and state.
  package func close() async { await calls.close() }

  /// True when the row changed, false when somebody was faster, nil when a call went under way.
  private func perform(
    _ step: InstancePlan.Step, on instance: Instance, observation: MarketObservation?
  ) async -> Bool? {
    switch step {
    case .wait:
      return nil
    case .cancel:
      _ = lastOrders.withLock { $0.removeValue(forKey: instance.id) }
      return await change(instance, event: .cancelled) { $0.destroyedAt = $1 }
    case .create:
      calls.start(instance.id) { await self.order(instance) }
      return nil
    case .adopt(let seen):
      logger.notice("lost answer found by its tag", metadata: metadata(instance, ["provider_id": "\(seen.id)"]))
      return await accept(instance, as: seen.id, startedAt: seen.startedAt, failure: nil)
    case .noteAbsence:
      return await change(instance, event: nil) { row, now in
        let listedAt = observation?.startedAt ?? now
        // While an order is looked for, lists count, and one that did not leaves no trace; later only direct reads count, see
        // `confirmAbsence`.
        if row.state == .creating { row.absences = 1 }
        row.absentSince = row.state == .creating ? listedAt : row.absentSince ?? listedAt
      }
    case .giveUpSearching:
      let detail =
        "Vast.ai gave no clear answer to the order, and complete lists did not show it for \(Int(settings.settlingTime.inSeconds)) s."
      return await change(instance, event: .neverCreated) { row, _ in
        row.failure = Failure(code: "never_created", detail: detail, isRetryable: true)
      }
    case .record(let seen, let event, let failure):
      return await record(seen, of: instance, event: event, failure: failure)
    case .fail(let seen, let failure):
      return await change(instance, event: nil) { row, now in
        if let seen { row.observe(seen, at: now) }
        row.failure = failure
        row.desired = .destroyed
      }
    case .start:
      calls.start(instance.id) { await self.start(instance) }
      return nil
    case .wantStopped(let seen, let idleness):
      return await change(instance, event: nil, onlyIf: { $0.desired == .running }) { row, now in
        row.observe(seen, at: now)
        row.wantStopped(for: idleness)
      }
    case .wantRunning(let seen):
      return await change(instance, event: nil, onlyIf: { $0.desired == .stopped }) { row, now in
        row.observe(seen, at: now)
        row.wantRunning()
      }
    case .stop:
      calls.start(instance.id) { await self.stop(instance) }
      return nil
    case .confirmAbsence:
      guard let listedAt = observation?.startedAt, isNewProof(listedAt, for: instance.id) else { return nil }
      calls.start(instance.id) { await self.confirmAbsence(of: instance, listedAt: listedAt) }
      return nil
    case .destroy:
      calls.start(instance.id) { await self.destroy(instance) }
      return nil
    }
  }

  /// Each direct read must follow a list of its own: two reads after one list are one witness.
  private func isNewProof(_ listedAt: Timestamp, for id: ID<Instance>) -> Bool {
    lastProofs.withLock { proofs in
      guard proofs[id].map({ $0 < listedAt }) ?? true else { return false }
      proofs[id] = listedAt
      return true
    }
  }

  private func record(
    _ seen: MarketInstance, of instance: Instance, event: InstanceEvent?, failure: Failure?
  ) async -> Bool? {
    await change(instance, event: event) { row, now in
      row.observe(seen, at: now)
      if let failure { row.failure = failure }
      switch event {
      case .booted:
        row.runningAt = now
        // Whatever it stopped for is over.
        row.failure = nil
        if row.desired == .stopped { row.wantRunning() }
      case .stopSeen, .vanished: row.stoppedAt = now
      default: break
      }
    }
  }
}

/// Whom the instance loop tells what.
package struct InstanceSignals: Sendable {
  /// Instances changed: the loop itself and the poller look again.
  package var instances: Signal
  /// Jobs may go on.
  package var jobs: KeyedSignals<ID<Job>>
  /// Counts an event for the metrics.
  package var counted: @Sendable (FleetEvent) -> Void

  package init(
    instances: Signal, jobs: KeyedSignals<ID<Job>>, counted: @escaping @Sendable (FleetEvent) -> Void = { _ in }
  ) {
    self.instances = instances
    self.jobs = jobs
    self.counted = counted
  }
}
