import Domain
import Locking
import Store

extension JobDrive {
  /// provisioning → starting: waits for the instance to run, then for its SSH server to show itself.
  func awaitInstance(_ job: Job) async throws(StoreError) -> Progress {
    switch try interruption(of: job) {
    case .cancelled: return await giveUp(job, .cancelled, nil)
    case .machineLost(let failure): return await failProvisioning(job, failure)
    case .budgetStop(let failure): return await giveUp(job, .failed, failure)
    case .machineStopped, .timeUp, .overBudget, .gpuIdle, nil: break
    }
    guard let instance = try instance(of: job), instance.state == .running else { return .waits(upTo: .seconds(30)) }
    let timeout = context.settings.sshTimeout
    let candidates = instance.sshCandidates
    let shell = context.shell
    // Addresses may come a poll later than `running`.
    guard !candidates.isEmpty else {
      let waited = context.now() - (instance.runningAt ?? context.now())
      return waited < timeout ? .waits(upTo: .seconds(1)) : await failAttempt(job, .deafSSH(timeout))
    }
    switch await guarded({ await shell.reachableAddress(among: candidates, patience: timeout) }) {
    case .success(let address?):
      return await change(
        from: .provisioning, on: .ready,
        also: { (tx, job, _) throws(StoreError) in
          guard let id = job.instanceID, var row = try tx.instance(id) else { return }
          row.sshAddress = address
          _ = try tx.update(&row)
        }
      ) { job, now in
        if job.awaitsRestart { job.beginNextAttempt(at: now) }
      }
    case .success(nil):
      return Task.isCancelled ? .waits(upTo: .seconds(1)) : await failAttempt(job, .deafSSH(timeout))
    case .failure: return .moved
    }
  }

  /// What can never work on any machine is not tried on the next one.
  private func failProvisioning(_ job: Job, _ failure: Failure) async -> Progress {
    switch failure.code {
    case "provider_unauthorized", "insufficient_credit", "provider_refused":
      return await giveUp(job, .failed, failure)
    case Budget.exceeded:
      // The order was held back before it left: no machine had its turn.
      return await change(from: .provisioning, on: .attemptFailed) { job, _ in
        job.failure = failure
        job.attempts.removeAll { $0.instanceID == job.instanceID }
        job.attempt -= 1
      }
    default:
      if job.awaitsRestart { context.recovered("lost") }
      return await failAttempt(job, failure)
    }
  }

  /// starting → running: checks the GPU, sends the inputs, starts the command once. Each step may be repeated.
  func start(_ job: Job) async throws(StoreError) -> Progress {
    let checkpoint = try await checkpointToRestore(of: job)
    guard let instance = try instance(of: job),
      let remote = RemoteJob(job, on: instance, context: context, restoring: checkpoint)
    else {
      return await failAttempt(job, .deafSSH(context.settings.sshTimeout))
    }
    switch await guarded({ await self.prepare(remote) }) {
    case .success(.started):
      return await launched(job, remote)
    case .success(.failed(let failure)):
      return Task.isCancelled ? .waits(upTo: .seconds(1)) : await failAttempt(job, failure)
    case .success(.hopeless(let failure)): return await giveUp(job, .failed, failure)
    case .failure(let step): return await interrupted(job, by: step.by)
    }
  }

  /// Until now nothing of this machine is in the log: its size is where this attempt's part begins.
  private func launched(_ job: Job, _ remote: RemoteJob) async -> Progress {
    do throws(RemoteJobError) {
      let logStart = try remote.beginLog()
      let checkpointID = remote.checkpointToRestore?.id
      let lost = job.attempts.openLoss
      let progress = await change(
        from: .starting, on: .launched,
        also: { (tx, job, now) throws(StoreError) in
          if let lost { try tx.append(job.recovery(of: lost, at: now)) }
          try tx.letRevive(job.instanceID, job.mayRevive)
        }
      ) { job, now in
        job.startedAt = now
        guard !job.attempts.isEmpty else { return }
        job.attempts[job.attempts.count - 1].hasLaunched = true
        job.attempts[job.attempts.count - 1].logStart = logStart
        job.attempts[job.attempts.count - 1].checkpointID = checkpointID
      }
      if lost != nil, case .moved = progress { context.recovered("recovered") }
      return progress
    } catch {
      return await giveUp(job, .failed, error.failure)
    }
  }

  private enum Preparation: Sendable {
    case started
    case failed(Failure)
    case hopeless(Failure)
  }

  private func prepare(_ remote: RemoteJob) async -> Preparation {
    let giveUpAt = context.now() + context.settings.preparationTimeout
    var deafUntil = context.now() + context.settings.sshTimeout
    while true {
      do throws(RemoteJobError) {
        try await remote.start()
        return .started
      } catch {
        switch error {
        case .failed(let failure): return .failed(failure)
        case .hopeless(let failure): return .hopeless(failure)
        case .broken(let cause):
          let failure = error.failure
          guard cause.isTransient, !Task.isCancelled else { return .failed(failure) }
          if cause == .permissionDenied { await remote.attachKey() }
          if cause == .timedOut { deafUntil = context.now() + context.settings.sshTimeout }
          guard context.now() < min(deafUntil, giveUpAt) else { return .failed(failure) }
          await pause(context.settings.retryPause)
        }
      }
    }
  }

  func pause(_ span: Duration) async {
    do { try await context.clock.pause(for: span) } catch { return }
  }

  /// What an interruption means while a command may not yet, or may already, have been started.
  func interrupted(_ job: Job, by interruption: Interruption?) async -> Progress {
    switch interruption {
    case .cancelled: return await giveUp(job, .cancelled, nil)
    case .machineLost(let failure): return await failAttempt(job, failure)
    case .budgetStop(let failure): return await giveUp(job, .failed, failure)
    case .machineStopped, .timeUp, .overBudget, .gpuIdle, nil: return .waits(upTo: .seconds(1))
    }
  }
}

extension Job {
  /// The event of the instance that goes on with what another lost.
  fileprivate func recovery(of lost: Attempt, at now: Timestamp) -> FleetEvent {
    var facts: [String: EventFact] = ["attempt": .integer(Int64(attempt))]
    facts.note("label", specification.name)
    if lost.instanceID != instanceID { facts.note("replaces", lost.instanceID.rawValue) }
    facts.note("checkpoint_id", attempts.last?.checkpointID?.rawValue)
    return FleetEvent(
      type: "instance.recovered", subject: instanceID?.rawValue ?? id.rawValue, instanceID: instanceID, jobID: id,
      at: now, data: facts)
  }
}

extension Failure {
  fileprivate static func deafSSH(_ timeout: Duration) -> Failure {
    Failure(
      code: "ssh_timeout", detail: "No SSH server answered within \(Int(timeout.inSeconds)) s of running.",
      isRetryable: true)
  }
}
