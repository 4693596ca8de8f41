import Artifacts
import Domain
import Locking
import Store

extension JobDrive {
  /// running → collecting: follows the log until the command has ended, or its time, its money or its machine has.
  func watch(_ job: Job) async throws(StoreError) -> Progress {
    let instance = try instance(of: job)
    if let instance, instance.isRestarting { return await awaitRestart(job, instance.failure ?? .machineGone) }
    guard let instance, let remote = RemoteJob(job, on: instance, context: context) else {
      return await lose(job, nil, .machineGone)
    }
    let followed = await guarded {
      await self.withCheckpoints(of: job, on: remote) { await self.follow(remote, job) }
    }
    // With the next state the log counts as complete, and its machine may go.
    await remote.synchronizeLog()
    switch followed {
    case .success(let ending):
      return await ended(job, ending, remote)
    case .failure(let step):
      switch step.by {
      case .cancelled:
        await atPresent(remote, job).terminate()
        return await giveUp(job, .cancelled, nil)
      case .machineLost(let failure) where failure.code == "host_offline":
        // Nobody answers there: no last checkpoint is tried.
        return await lose(job, nil, failure)
      case .machineLost(let failure):
        return await lose(job, remote, failure)
      case .machineStopped(let failure):
        return await awaitRestart(job, failure)
      case .timeUp:
        // It may have ended in time while nobody looked.
        if let ending = await atPresent(remote, job).endingSoFar(), !ending.isOurs {
          return await ended(job, ending, remote)
        }
        return await cutShort(job, remote, job.tooLong)
      case .overBudget:
        return await cutShort(job, remote, job.tooCostly)
      case .budgetStop(let failure):
        return await endNoting(job, remote, failure)
      case .gpuIdle(let failure):
        return await endNoting(job, remote, failure)
      case nil:
        return .waits(upTo: .seconds(1))
      }
    }
  }

  /// The machine's own fault, or a hang that another machine may not have: it has its turn while attempts are left. In the
  /// last one, what the command left behind is brought home.
  private func tryElsewhere(_ job: Job, _ remote: RemoteJob, _ failure: Failure) async -> Progress {
    guard job.attempt < job.specification.maximumAttempts else { return await cutShort(job, remote, failure) }
    let remote = atPresent(remote, job)
    await remote.terminate()
    await remote.fetchRestOfLog()
    return await failAttempt(job, failure)
  }

  /// Ends the command, takes the rest of its output and the last that it has kept, and goes on to what it left behind.
  private func cutShort(_ job: Job, _ remote: RemoteJob, _ failure: Failure) async -> Progress {
    let remote = atPresent(remote, job)
    await remote.terminate()
    await remote.fetchRestOfLog()
    await finalCheckpoint(job, remote)
    return await change(from: .running, on: .ended) { job, now in
      job.outcome = .failed
      job.failure = failure
      job.endedAt = now
    }
  }

  /// For what a later look may not show: the reason is written down before the command is told to end. Not tried elsewhere: the
  /// next machine would be as idle, or cost as much.
  private func endNoting(_ job: Job, _ remote: RemoteJob, _ failure: Failure) async -> Progress {
    if let ending = await atPresent(remote, job).endingSoFar(), !ending.isOurs {
      return await ended(job, ending, remote)
    }
    let noted = await change(from: .running) { job, _ in job.failure = failure }
    guard case .moved = noted else { return noted }
    return await cutShort(job, remote, failure)
  }

  private func ended(_ job: Job, _ ending: RemoteJob.Ending, _ remote: RemoteJob) async -> Progress {
    switch ending {
    case .exited(_, _, isOurs: true):
      return await endedByUs(job, remote)
    case .exited(let code, false, _) where job.wasKilled(by: code):
      return await revive(
        job, remote,
        Failure(
          code: "command_killed", detail: "The command was killed from outside (exit code \(code)); see the log.",
          isRetryable: true), exitCode: code)
    case .exited(let code, let setupFailed, _):
      return await change(from: .running, on: .ended) { job, now in
        job.exitCode = code
        job.endedAt = now
        job.outcome = code == 0 ? .succeeded : .failed
        let failed =
          setupFailed
          ? Failure(code: "setup_failed", detail: "The setup ended with exit code \(code); see the log.")
          : Failure(code: "command_failed", detail: "The command ended with exit code \(code); see the log.")
        job.failure = code == 0 ? nil : failed
      }
    case .diskFull:
      return await tryElsewhere(
        job, remote, .diskFull("the command ended badly and less than 16 MiB are free; ask for a larger disk_gb."))
    case .vanished:
      let failure = Failure(
        code: "command_vanished",
        detail: "The command is gone without an exit code: it was killed, or the machine restarted.", isRetryable: true)
      return await revive(job, remote, failure)
    case .neverStarted:
      return await lose(job, nil, .workspaceGone)
    case .silent(let span):
      return await tryElsewhere(job, remote, .silent(span))
    case .unreachable(let failure):
      return Task.isCancelled ? .waits(upTo: .seconds(1)) : await lose(job, nil, failure)
    }
  }

  /// We ended it, and died before that was on record, or could not write it: what it was ended for is found again.
  private func endedByUs(_ job: Job, _ remote: RemoteJob) async -> Progress {
    if job.isCancelRequested { return await giveUp(job, .cancelled, nil) }
    if let deadline = job.deadline, context.now() >= deadline { return await cutShort(job, remote, job.tooLong) }
    if let bound = job.specification.maximumCost, costNow(of: job) >= bound {
      return await cutShort(job, remote, job.tooCostly)
    }
    if let failure = job.failure, [Idleness.code, Budget.exceeded].contains(failure.code) {
      return await cutShort(job, remote, failure)
    }
    if let span = job.specification.idleTimeout { return await tryElsewhere(job, remote, .silent(span)) }
    return await cutShort(
      job, remote, Failure(code: "command_ended", detail: "The command was ended by vastd; why is not on record."))
  }

  /// Follows through broken connections; only a long silence of SSH ends it.
  private func follow(_ first: RemoteJob, _ job: Job) async -> RemoteJob.Ending {
    var silentSince: Timestamp?
    var remote = first
    while true {
      do throws(RemoteJobError) {
        return try await remote.followToEnd(idleTimeout: job.specification.idleTimeout)
      } catch {
        guard case .broken(let cause) = error, cause.isTransient, !Task.isCancelled else {
          return .unreachable(error.failure)
        }
        let since = silentSince ?? context.now()
        silentSince = remote.lastContact.map { max($0, since) } ?? since
        guard context.now() - (silentSince ?? since) < context.settings.silenceTimeout else {
          return .unreachable(
            Failure(
              code: "ssh_lost",
              detail:
                "SSH has been deaf for \(Int(context.settings.silenceTimeout.inSeconds)) s while Vast.ai says that the machine runs.",
              isRetryable: true))
        }
        if cause == .permissionDenied { await remote.attachKey() }
        await pause(context.settings.retryPause)
        remote = atPresent(remote, job)
      }
    }
  }

  /// The same job where its machine is to be found now: its ports change when its host comes back.
  func atPresent(_ remote: RemoteJob, _ job: Job) -> RemoteJob {
    do throws(StoreError) {
      guard let instance = try instance(of: job), let moved = RemoteJob(job, on: instance, context: context),
        moved.host != remote.host
      else { return remote }
      return moved
    } catch {
      // The store is in trouble: the address that was good a moment ago is the best there is.
      return remote
    }
  }
}

extension Job {
  /// Ended by a signal that was not ours, of a job that has something to go on from: a host that was restarted, or short of
  /// memory. Without checkpoints it is the command's own end.
  fileprivate func wasKilled(by code: Int32) -> Bool {
    specification.recovers && specification.checkpoint != nil && (code == 137 || code == 143)
  }
}

extension Job {
  fileprivate var tooLong: Failure {
    let bound = Int(specification.maximumDuration?.inSeconds ?? 0)
    return Failure(code: "max_duration_exceeded", detail: "The command ran longer than \(bound) s and was ended.")
  }

  fileprivate var tooCostly: Failure {
    let bound = specification.maximumCost?.dollars ?? 0
    return Failure(code: "max_cost_exceeded", detail: "The job reached its bound of $\(bound).")
  }
}

extension Failure {
  fileprivate static func silent(_ span: Duration) -> Failure {
    Failure(
      code: "idle_timeout", detail: "The command wrote nothing for \(Int(span.inSeconds)) s and was ended.",
      isRetryable: true)
  }

  static let machineGone = Failure(
    code: "instance_lost", detail: "The machine is gone or cannot be addressed.", isRetryable: true)
}
