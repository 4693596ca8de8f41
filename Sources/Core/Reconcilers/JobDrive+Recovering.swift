import Domain
import Locking
import Store

extension JobDrive {
  /// The machine or the command is gone, and the work is not to blame. Another machine takes over while attempts are left; a
  /// job that does not want that ends here.
  func lose(_ job: Job, _ remote: RemoteJob?, _ failure: Failure) async -> Progress {
    guard job.specification.recovers, failure.isLossOfWork else { return await giveUp(job, .failed, failure) }
    // The old machine goes once its data is safe, or cannot be had.
    if let remote { await finalCheckpoint(job, remote) }
    guard job.attempt < job.specification.maximumAttempts else {
      context.recovered("gave_up")
      // Nothing is unwanted here: whether the machine is kept is the caller's word, see `cleanUp`.
      return await change(
        from: job.state, on: .gaveUp,
        also: { (tx, job, now) throws(StoreError) in
          try tx.exclude(machineOf: job.attempts.last, failure, of: job, at: now)
        }
      ) { job, now in
        job.outcome = .failed
        job.failure = failure
        job.closeAttempt(failure, at: now)
      }
    }
    context.recovered("lost")
    return await failAttempt(job, failure)
  }

  /// The command is gone and the machine is not: cheaper than another machine is the next attempt on this one. Once for each
  /// machine: where it happens twice, the machine is to blame. After the last attempt, what the command left behind is brought home.
  func revive(_ job: Job, _ remote: RemoteJob, _ failure: Failure, exitCode: Int32? = nil) async -> Progress {
    guard job.specification.recovers, job.attempt < job.specification.maximumAttempts else {
      if job.specification.recovers { context.recovered("gave_up") }
      return await change(from: .running, on: .ended) { job, now in
        job.exitCode = exitCode
        job.endedAt = now
        job.outcome = .failed
        job.failure = failure
      }
    }
    let turns = job.attempts.count { $0.instanceID == job.instanceID }
    guard turns == 1 else { return await lose(job, remote, failure) }
    await finalCheckpoint(job, remote)
    context.recovered("revived")
    return await change(from: .running, on: .revived) { job, now in
      job.endAttempt(failure, at: now)
      job.beginNextAttempt(at: now)
    }
  }

  /// The machine stopped and is asked to run again. The next attempt begins when it does: one that does not costs none.
  func awaitRestart(_ job: Job, _ failure: Failure) async -> Progress {
    context.recovered("revived")
    return await change(from: .running, on: .restarted) { job, now in
      job.endAttempt(failure, at: now)
      job.failure = failure
    }
  }

  /// How long the next machine has to wait, so that a loop of losses does not burn money; nil when it need not.
  func pauseBeforeRecovery(_ job: Job) async -> Progress? {
    let now = context.now()
    let plan = RecoveryPlan(attempts: job.attempts, now: now)
    guard let moment = plan.notBefore else { return nil }
    if plan.isLimited {
      let limited = Failure(
        code: "recovery_limited",
        detail:
          "\(RecoveryPlan.lossesPerHour) machines were lost within an hour; the next is rented at \(moment.rfc3339).",
        isRetryable: true)
      if job.failure != limited { await change(from: .queued) { job, _ in job.failure = limited } }
    }
    return .waits(upTo: max(.milliseconds(50), moment - now))
  }

  /// Searches that fit the job's next machine, best first.
  func queries(for job: Job) throws(StoreError) -> [OfferQuery] {
    var query = job.specification.resources.query
    query.excludedMachines.formUnion(job.failedMachines)
    // What was approved is a price.
    query.maximumPricePerHour = [query.maximumPricePerHour, job.quote?.ceiling].compactMap { $0 }.min()
    let now = context.now()
    let (exclusions, lost) = try context.store.read { (r) throws(StoreError) in
      let lost = job.attempts.last(where: \.lostWork)
      return (
        Exclusions(try r.exclusions(at: now)),
        try lost.flatMap { (attempt) throws(StoreError) in try r.instance(attempt.instanceID)?.gpuName }
      )
    }
    var queries = lost == nil ? [query] : RecoveryPlan.queries(query, lostGPU: lost)
    guard !exclusions.isEmpty else { return queries }
    // What failed others is the last that is taken, and taken before nothing at all.
    let careful = queries.map { query in
      var query = query
      query.excludedMachines.formUnion(exclusions.machines)
      query.excludedHosts.formUnion(exclusions.hosts)
      return query
    }
    queries = careful + [query]
    return queries
  }
}

extension StoreTransaction {
  /// Has all jobs leave a machine alone for a while.
  func exclude(machineOf attempt: Job.Attempt?, _ failure: Failure, of job: Job, at now: Timestamp) throws(StoreError) {
    guard failure.warnsOthers, let attempt, let machineID = attempt.machineID else { return }
    let hostID = try instance(attempt.instanceID)?.hostID
    try insert(
      Exclusion(
        id: ID(at: now), machineID: machineID, hostID: hostID, reason: failure.code, jobID: job.id, createdAt: now))
  }
}

extension Job {
  /// Its machine had its turn and is to have another: no attempt is under way meanwhile.
  var awaitsRestart: Bool { state == .provisioning && attempts.last?.finishedAt != nil }

  /// Whether its machine is worth another turn when it stops: once for each machine, as long as attempts are left.
  var mayRevive: Bool {
    specification.recovers && attempt < specification.maximumAttempts
      && attempts.count { $0.instanceID == instanceID } == 1
  }

  /// The same machine once more.
  mutating func beginNextAttempt(at now: Timestamp) {
    guard let last = attempts.last else { return }
    attempt += 1
    failure = nil
    attempts.append(.init(number: attempt, instanceID: last.instanceID, machineID: last.machineID, startedAt: now))
  }
}

extension StoreTransaction {
  /// Tells the instance loop whether a stop is to be answered by a start.
  func letRevive(_ id: ID<Instance>?, _ mayRevive: Bool) throws(StoreError) {
    guard let id, var instance = try instance(id), !instance.state.isFinal, instance.mayRevive != mayRevive else {
      return
    }
    instance.mayRevive = mayRevive
    _ = try update(&instance)
  }
}
