import Artifacts
import Domain
import Glibc
import Locking
import Logging
import Store

extension JobDrive {
  /// Copies a job has kept: the last, and the one before it in case that a fault is in the last.
  static let keptCheckpoints = 2

  /// Runs an operation with the copying of checkpoints beside it.
  func withCheckpoints<Result: Sendable>(
    of job: Job, on remote: RemoteJob, _ operation: @escaping @Sendable () async -> Result
  ) async -> Result {
    guard let policy = job.specification.checkpoint else { return await operation() }
    return await withTaskGroup(of: Result?.self) { group in
      group.addTask { await operation() }
      group.addTask {
        await keepCheckpoints(of: job, on: remote, policy)
        return nil
      }
      defer { group.cancelAll() }
      while let next = await group.next() { if let result = next { return result } }
      preconditionFailure("the operation gives a result")
    }
  }

  /// Until it is cancelled. The interval goes on across restarts: it counts from the last copy, or from the command's start.
  private func keepCheckpoints(of job: Job, on first: RemoteJob, _ policy: CheckpointPolicy) async {
    sweepCheckpoints(of: job)
    var hasFailed = false
    var last = latestCheckpoint(of: job)
    let since = last.flatMap { $0.attempt == job.attempt ? $0.createdAt : nil } ?? job.startedAt ?? context.now()
    var rest = max(.zero, since + policy.interval - context.now())
    while !Task.isCancelled {
      await pause(rest)
      if Task.isCancelled { return }
      let remote = atPresent(first, job)
      do throws(RemoteJobError) {
        if let new = try await take(policy, of: job, on: remote, known: last) { last = new }
        hasFailed = false
      } catch {
        if Task.isCancelled { return }
        context.logger.warning("checkpoint not taken", metadata: metadata(["error": "\(error.failure.detail)"]))
        // Told once; a line that is down for an hour is one fact.
        if !hasFailed { await tellOfFailure(error.failure) }
        hasFailed = true
      }
      rest = policy.interval
    }
  }

  /// One more try when the machine is being lost: most often in vain, and worth seconds.
  func finalCheckpoint(_ job: Job, _ first: RemoteJob) async {
    guard let policy = job.specification.checkpoint else { return }
    let remote = atPresent(first, job)
    do throws(RemoteJobError) {
      _ = try await take(
        policy, of: job, on: remote, known: latestCheckpoint(of: job), patience: context.settings.lastCheckpointTimeout)
    } catch {
      context.logger.notice("no last checkpoint", metadata: metadata(["error": "\(error.failure.detail)"]))
    }
  }

  /// What the next attempt goes on from: the last copy whose bytes are what they were.
  func checkpointToRestore(of job: Job) async throws(StoreError) -> Checkpoint? {
    guard job.specification.checkpoint != nil, job.attempt > 1 else { return nil }
    for checkpoint in try context.store.read({ (r) throws(StoreError) in try r.checkpoints(ofJob: job.id) }) {
      let path = context.data.checkpointPath(checkpoint.id, of: job.id)
      if await ResultsFile.isIntact(path: path, sha256: checkpoint.sha256) { return checkpoint }
      context.logger.error("checkpoint is damaged", metadata: metadata(["checkpoint_id": "\(checkpoint.id)"]))
    }
    return nil
  }

  /// Removes files that no row names: a process that died in between leaves copies behind, and each may be large.
  func sweepCheckpoints(of job: Job) {
    do throws(StoreError) {
      let kept = try context.store.read { (r) throws(StoreError) in try r.checkpoints(ofJob: job.id) }
      context.data.removeCheckpoints(of: job.id, except: Set(kept.map(\.id)))
    } catch {
      context.logger.error("checkpoints cannot be read", metadata: metadata(["error": "\(error)"]))
    }
  }

  private func latestCheckpoint(of job: Job) -> Checkpoint? {
    do throws(StoreError) {
      return try context.store.read { (r) throws(StoreError) in try r.checkpoints(ofJob: job.id).first }
    } catch {
      context.logger.error("checkpoints cannot be read", metadata: metadata(["error": "\(error)"]))
      return nil
    }
  }

  /// Nil when there is nothing new.
  private func take(
    _ policy: CheckpointPolicy, of job: Job, on remote: RemoteJob, known: Checkpoint?, patience: Duration? = nil
  ) async throws(RemoteJobError) -> Checkpoint? {
    // Another attempt's mark says nothing about this machine's files.
    let mark = known.flatMap { $0.attempt == job.attempt ? $0.mark : nil }
    let id = ID<Checkpoint>(at: context.now())
    guard let file = try await remote.fetchCheckpoint(policy, known: mark, as: id, patience: patience) else {
      return nil
    }
    let checkpoint = Checkpoint(
      id: id, jobID: job.id, attempt: job.attempt, mark: file.mark, sizeBytes: file.sizeBytes, sha256: file.sha256,
      createdAt: context.now())
    guard let dropped = await record(checkpoint) else {
      unlink(context.data.checkpointPath(id, of: job.id))
      return nil
    }
    // After the commit: a row without its file would be worse than a file without its row.
    for old in dropped { unlink(context.data.checkpointPath(old.id, of: job.id)) }
    return checkpoint
  }

  /// The row, its event, and the end of those that are older than what is kept; nil when the job has moved on meanwhile or the
  /// store could not write.
  private func record(_ checkpoint: Checkpoint) async -> [Checkpoint]? {
    let now = context.now()
    let id = id
    do throws(StoreError) {
      let outcome = try await context.store.write { (tx) throws(StoreError) -> (FleetEvent, [Checkpoint])? in
        guard let job = try tx.job(id), job.state == .running, job.attempt == checkpoint.attempt else { return nil }
        try tx.insert(checkpoint)
        let dropped = Array(try tx.checkpoints(ofJob: id).dropFirst(Self.keptCheckpoints))
        for old in dropped { try tx.delete(checkpoint: old.id) }
        let event = FleetEvent(
          type: "job.checkpoint", subject: id.rawValue, instanceID: job.instanceID, jobID: id, at: now,
          data: [
            "checkpoint_id": .text(checkpoint.id.rawValue), "attempt": .integer(Int64(checkpoint.attempt)),
            "size_bytes": .integer(checkpoint.sizeBytes),
          ])
        try tx.append(event)
        return (event, dropped)
      }
      guard let (event, dropped) = outcome else { return nil }
      context.counted(event)
      context.logger.info(
        "checkpoint taken",
        metadata: metadata(["checkpoint_id": "\(checkpoint.id)", "bytes": "\(checkpoint.sizeBytes)"]))
      return dropped
    } catch {
      context.logger.error("checkpoint cannot be recorded", metadata: metadata(["error": "\(error)"]))
      return nil
    }
  }

  private func tellOfFailure(_ failure: Failure) async {
    let (now, id) = (context.now(), id)
    do throws(StoreError) {
      let event = try await context.store.write { (tx) throws(StoreError) -> FleetEvent? in
        guard let job = try tx.job(id), job.state == .running else { return nil }
        let event = FleetEvent(
          type: "job.checkpoint_failed", subject: id.rawValue, instanceID: job.instanceID, jobID: id, at: now,
          data: ["code": .text(failure.code), "detail": .text(failure.detail)])
        try tx.append(event)
        return event
      }
      if let event { context.counted(event) }
    } catch {
      context.logger.error("event cannot be recorded", metadata: metadata(["error": "\(error)"]))
    }
  }
}
