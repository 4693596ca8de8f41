import Locking
import Logging
import Artifacts
import Domain
import Glibc
import Store

extension JobDrive {
  /// collecting → cleaning_up: brings the outputs home. The machine costs money meanwhile, so this has a bound.
  func collect(_ job: Job) async throws(StoreError) -> Progress {
    guard let instance = try instance(of: job), let remote = RemoteJob(job, on: instance, context: context) else {
      return await loseResults(job, .machineGone)
    }
    switch await guarded({ await self.fetchResults(remote, job) }) {
    case .success(.success(let results)):
      return await change(from: .collecting, on: .collected) { job, now in
        job.results = results
        job.closeAttempt(nil, at: now)
      }
    case .success(.failure(let failure)):
      return Task.isCancelled ? .waits(upTo: .seconds(1)) : await loseResults(job, failure.failure)
    case .failure(let step):
      switch step.by {
      case .cancelled: return await giveUp(job, .cancelled, nil)
      case .machineLost(let failure): return await loseResults(job, failure)
      case .machineStopped, .timeUp, .overBudget, .budgetStop, .gpuIdle, nil: return .waits(upTo: .seconds(1))
      }
    }
  }

  private func fetchResults(_ first: RemoteJob, _ job: Job) async -> Result<Job.Results, RemoteJobError> {
    let giveUpAt = context.now() + first.collectionTimeout
    var remote = first
    while true {
      do throws(RemoteJobError) {
        return .success(try await remote.collect(job.specification.outputs))
      } catch {
        guard case .broken(let cause) = error, cause.isTransient, context.now() < giveUpAt, !Task.isCancelled else {
          return .failure(error)
        }
        if cause == .permissionDenied { await remote.attachKey() }
        await pause(context.settings.retryPause)
        remote = atPresent(remote, job)
      }
    }
  }

  /// The command's own failure, if any, tells more than the loss of its outputs.
  private func loseResults(_ job: Job, _ failure: Failure) async -> Progress {
    // Up to a hundred gigabytes that nobody will ask for.
    unlink(ResultsFile.partialPath(for: context.data.resultsPath(job.id)))
    let lost = Failure(
      code: "results_lost", detail: "The results could not be brought back: \(failure.detail)",
      isRetryable: failure.isRetryable)
    return await giveUp(job, .failed, job.outcome == .succeeded ? lost : job.failure ?? lost)
  }

  /// cleaning_up → the end: the instance is destroyed and proved gone, or kept where the caller asked for that.
  func cleanUp(_ job: Job) async throws(StoreError) -> Progress {
    let outcome = job.outcome ?? .failed
    // What was ended for its cost is not kept to go on costing.
    let isTooDear = [Budget.exceeded, "max_cost_exceeded"].contains(job.failure?.code)
    let keeps = outcome == .failed && job.specification.onFailure == .keep && !isTooDear
    let instance = try instance(of: job)
    if let instance, !instance.state.isFinal {
      let keepable = keeps && instance.desired == .running && (instance.state == .running || instance.state == .loading)
      guard keepable else {
        if instance.desired != .destroyed {
          return await change(
            from: .cleaningUp, on: nil, also: { (tx, job, _) throws(StoreError) in try tx.unwant(job.instanceID) }
          ).waking(context)
        }
        return .waits(upTo: .seconds(60))
      }
      context.logger.notice("instance kept after failure", metadata: metadata(["instance_id": "\(instance.id)"]))
    }
    if job.specification.checkpoint != nil { sweepCheckpoints(of: job) }
    let verifiedAt = instance?.destroyedAt
    return await change(
      from: .cleaningUp, on: outcome.event,
      also: { (tx, job, now) throws(StoreError) in
        job.cost = .zero
        for instance in try tx.instances(ofJob: job.id) {
          job.cost += try tx.usage(of: instance.id, now: now).cost.total
        }
      }
    ) { job, _ in
      job.verifiedAt = verifiedAt
    }
  }
}

extension JobDrive.Progress {
  fileprivate func waking(_ context: JobContext) -> Self {
    context.instances.raise()
    return self
  }
}
