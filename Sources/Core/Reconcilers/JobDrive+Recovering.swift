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
    let hasNext = job.attempt < job.specification.maximumAttempts
    context.recovered(hasNext ? "lost" : "gave_up")
    return await failAttempt(job, failure)
  }

  /// The command is gone and the machine is not: cheaper than another machine is the next attempt on this one. Once for each
  /// machine: where it happens twice, the machine is to blame.
  func revive(_ job: Job, _ remote: RemoteJob, _ failure: Failure) async -> Progress {
    let turns = job.attempts.count { $0.instanceID == job.instanceID }
    guard job.specification.recovers, turns == 1, job.attempt < job.specification.maximumAttempts else {
      return await lose(job, remote, failure)
    }
    await finalCheckpoint(job, remote)
    context.recovered("revived")
    return await change(from: .running, on: .revived) { job, now in
      guard let last = job.attempts.last else { return }
      job.endAttempt(failure, at: now)
      job.attempt += 1
      job.attempts.append(
        .init(number: job.attempt, instanceID: last.instanceID, machineID: last.machineID, startedAt: now))
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
    let now = context.now()
    let (exclusions, lost) = try context.store.read { (r) throws(StoreError) in
      let lost = job.attempts.last { $0.failure?.isLossOfWork == true }
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
