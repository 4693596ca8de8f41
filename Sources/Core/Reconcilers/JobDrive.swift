import Domain
import Locking
import Logging
import Store

/// One job on its way. Reads the row, takes the step that its state asks for, and again until it has ended.
struct JobDrive: Sendable {
  let id: ID<Job>
  let context: JobContext
  /// What an earlier drive of it found too dear for a budget.
  var refused: BudgetRest.Refused?

  /// What a step leads to.
  enum Progress: Sendable {
    /// The row changed: look again.
    case moved
    /// Nothing to do before news of the job come, or the span has passed.
    case waits(upTo: Duration)
    /// It waits for a budget, and leaves its place to others meanwhile.
    case rests(upTo: Duration, BudgetRest.Refused?)
  }

  /// Until the job has ended, or rests.
  func run() async -> BudgetRest? {
    let signal = context.jobNews.signal(for: id)
    while !Task.isCancelled {
      let seen = signal.count
      guard let job = read(), job.state.isActive else { return nil }
      switch await stepOrWait(job) {
      case .moved: break
      case .waits(let span): await signal.wait(after: seen, upTo: span, clock: context.clock)
      case .rests(let span, let refused):
        return BudgetRest(until: context.now() + span, news: signal, seen: seen, refused: refused)
      }
    }
    return nil
  }

  private func stepOrWait(_ job: Job) async -> Progress {
    do throws(StoreError) {
      return try await step(job)
    } catch {
      context.logger.error("job's instance cannot be read", metadata: metadata(["error": "\(error)"]))
      return .waits(upTo: context.settings.retryPause)
    }
  }

  /// Throws when the store cannot be read: an instance that cannot be looked up is not an instance that is gone.
  private func step(_ job: Job) async throws(StoreError) -> Progress {
    switch job.state {
    case .queued: try await place(job)
    case .provisioning: try await awaitInstance(job)
    case .starting: try await start(job)
    case .running: try await watch(job)
    case .collecting: try await collect(job)
    case .cleaningUp: try await cleanUp(job)
    case .awaitingApproval, .succeeded, .failed, .cancelled: .waits(upTo: .seconds(60))
    }
  }

  // MARK: The store

  func read() -> Job? {
    do throws(StoreError) {
      return try context.store.read { (r) throws(StoreError) in try r.job(id) }
    } catch {
      context.logger.error("job cannot be read", metadata: metadata(["error": "\(error)"]))
      return nil
    }
  }

  func instance(of job: Job) throws(StoreError) -> Instance? {
    guard let instanceID = job.instanceID else { return nil }
    return try context.store.read { (r) throws(StoreError) in try r.instance(instanceID) }
  }

  /// One transaction: the row as it is now, if it still stands in `state` and `condition` holds, the change, the move and
  /// its event. `also` writes what belongs to the same change. `unless` goes first: when it gives a reason against it, having
  /// written nothing, the job shows that and stays as it is.
  func change(
    from state: JobState, on event: JobEvent?, onlyIf condition: @escaping @Sendable (Job) -> Bool = { _ in true },
    unless refusal: @escaping @Sendable (StoreTransaction, inout Job, Timestamp) throws(StoreError) -> Failure? = {
      (_, _, _) throws(StoreError) in nil
    },
    also: @escaping @Sendable (StoreTransaction, inout Job, Timestamp) throws(StoreError) -> Void,
    _ mutate: @escaping @Sendable (inout Job, Timestamp) -> Void = { _, _ in }
  ) async -> Progress {
    let now = context.now()
    let id = id
    do throws(StoreError) {
      let change = try await context.store.write { (tx) throws(StoreError) -> JobChange? in
        guard var job = try tx.job(id), job.state == state, condition(job) else { return nil }
        let before = job
        if let failure = try refusal(tx, &job, now) {
          job = before
          job.failure = failure
          if job != before { _ = try tx.update(&job) }
          return JobChange(job: job, before: before, event: nil)
        }
        mutate(&job, now)
        if let event {
          do throws(IllegalTransition) {
            try job.apply(event, at: now)
          } catch {
            return nil
          }
        }
        try also(tx, &job, now)
        // Only a command that runs is worth another start of its machine.
        if before.state == .running, job.state != .running, event != .restarted {
          try tx.letRevive(job.instanceID, false)
        }
        guard job != before else { return JobChange(job: job, before: before, event: nil) }
        guard try tx.update(&job) else { return nil }
        guard job.state != before.state else { return JobChange(job: job, before: before, event: nil) }
        let told = job.event(at: now)
        try tx.append(told)
        return JobChange(job: job, before: before, event: told)
      }
      if let change { tell(change, at: now) }
      return .moved
    } catch {
      context.logger.error("job cannot be written", metadata: metadata(["error": "\(error)"]))
      return .waits(upTo: context.settings.retryPause)
    }
  }

  @discardableResult
  func change(
    from state: JobState, on event: JobEvent? = nil, _ mutate: @escaping @Sendable (inout Job, Timestamp) -> Void
  ) async -> Progress {
    await change(from: state, on: event, also: { (_, _, _) throws(StoreError) in }, mutate)
  }

  private func tell(_ change: JobChange, at now: Timestamp) {
    guard let event = change.event else { return }
    context.counted(event)
    if let phase = change.before.phases.last {
      context.finishedPhase(phase.name, now - phase.startedAt)
    }
    context.logger.info(
      "job moved",
      metadata: metadata([
        "state": "\(change.job.state.rawValue)", "attempt": "\(change.job.attempt)",
        "code": "\(change.job.failure?.code ?? "")",
      ]))
    context.instances.raise()
    context.logNews.raise(id)
  }

  func metadata(_ more: Logger.Metadata = [:]) -> Logger.Metadata {
    more.filter { $0.value != "" }.merging(["job_id": "\(id)"]) { $1 }
  }

  // MARK: Failing

  /// This machine came to nothing: it is destroyed, never tried again for this job, and the next one has its turn while
  /// attempts are left.
  func failAttempt(_ job: Job, _ failure: Failure) async -> Progress {
    let triesAgain = job.attempt < job.specification.maximumAttempts
    return await change(
      from: job.state, on: triesAgain ? .attemptFailed : .gaveUp,
      also: { (tx, job, now) throws(StoreError) in
        try tx.exclude(machineOf: job.attempts.last, failure, of: job, at: now)
        try tx.unwant(job.instanceID)
      }
    ) { job, now in
      job.failure = failure
      job.closeAttempt(failure, at: now)
      if !triesAgain { job.outcome = .failed }
    }
  }

  /// The job as such comes to nothing: clean up, then end with the outcome on record.
  func giveUp(_ job: Job, _ outcome: JobOutcome, _ failure: Failure?) async -> Progress {
    await change(from: job.state, on: .gaveUp) { job, now in
      job.outcome = outcome
      job.failure = failure
      job.closeAttempt(failure, at: now)
    }
  }
}

private struct JobChange: Sendable {
  var job: Job
  var before: Job
  var event: FleetEvent?
}

extension Job {
  /// Puts the end of the present machine's turn on record.
  mutating func closeAttempt(_ failure: Failure?, at now: Timestamp) {
    guard endAttempt(failure, at: now) || awaitsRestart else { return }
    if let failure, failure.blamesMachine, let machineID = attempts[attempts.count - 1].machineID {
      failedMachines.insert(machineID)
    }
  }
}

extension Job {
  /// The same without a word about the machine. False when there is none that goes on.
  @discardableResult
  mutating func endAttempt(_ failure: Failure?, at now: Timestamp) -> Bool {
    guard !attempts.isEmpty, attempts[attempts.count - 1].finishedAt == nil else { return false }
    attempts[attempts.count - 1].finishedAt = now
    attempts[attempts.count - 1].failure = failure
    return true
  }
}

extension Failure {
  /// Whether the same thing would likely happen on that machine again.
  fileprivate var blamesMachine: Bool {
    ![
      "cancelled", "command_failed", "setup_failed", "max_duration_exceeded", "max_cost_exceeded", Idleness.code,
      Budget.exceeded,
    ].contains(code)
  }
}

extension StoreTransaction {
  /// Wants an instance gone; the instance loop sees to it.
  func unwant(_ id: ID<Instance>?) throws(StoreError) {
    guard let id, var instance = try instance(id), !instance.state.isFinal, instance.desired != .destroyed else {
      return
    }
    instance.desired = .destroyed
    _ = try update(&instance)
  }
}
