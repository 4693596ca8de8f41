import Locking
package import Domain
import Store

extension Fleet {
  /// Accepts a job: it is durable when this returns. A named upload must exist.
  package func submit(
    _ specification: JobSpecification, idempotency: IdempotentRequest<Job>?
  ) async throws(FleetError) -> Creation<Job> {
    var quote: Job.Quote?
    if specification.approval == .required {
      if let replayed = try replay(idempotency) { return replayed }
      quote = await self.quote(for: specification)
    }
    let now = now()
    let found = quote
    let creation = try await create(idempotency) { (tx) throws(StoreError) -> Result<Job, FleetError> in
      // Here and not before: an upload that has had its time may go at any moment.
      if let upload = specification.inputUploadID, try tx.upload(upload) == nil {
        let detail = "There is no upload \(upload). Uploads that no job needs are kept for a day."
        return .failure(.invalid([FieldProblem(pointer: "/input_upload_id", detail: detail)]))
      }
      let state = specification.approval == .required ? JobState.awaitingApproval : .queued
      var job = Job(id: ID(at: now), specification: specification, state: state, createdAt: now)
      job.quote = found
      try tx.insert(job)
      try tx.append(job.event(at: now))
      return .success(job)
    }
    if case .made = creation { connections.wakeJobs() }
    return creation
  }

  package func job(_ id: ID<Job>) throws(FleetError) -> Job {
    guard let job = try read({ (r) throws(StoreError) in try r.job(id) }) else { throw .notFound(what: "job") }
    return job
  }

  /// The version of one job, a point read: for who keeps a rendering of it.
  package func jobVersion(_ id: ID<Job>) throws(FleetError) -> Int64 {
    guard let version = try read({ (r) throws(StoreError) in try r.jobVersion(id) }) else {
      throw .notFound(what: "job")
    }
    return version
  }

  package func jobs(_ filter: JobFilter, _ page: PageRequest) throws(FleetError) -> Page<Job> {
    try read { (r) throws(StoreError) in try r.jobs(filter, page) }
  }

  /// Which jobs a page holds and which version each has, read from an index alone.
  package func jobVersions(_ filter: JobFilter, _ page: PageRequest) throws(FleetError) -> Page<JobVersion> {
    try read { (r) throws(StoreError) in try r.jobVersions(filter, page) }
  }

  /// Asks for the end of a job in any phase. The answer shows the request; the runner carries it out. Twice is harmless.
  package func cancel(_ id: ID<Job>) async throws(FleetError) -> Job {
    let job = try await change(id) { (job, now) throws(FleetError) in
      if job.state == .cancelled || job.isCancelRequested { return }
      if job.state.isFinal {
        throw .conflict(code: "job_ended", detail: "The job is \(job.state.rawValue) already.")
      }
      guard job.state != .cleaningUp else {
        let outcome = job.outcome?.rawValue ?? "over"
        throw .conflict(
          code: "job_ending", detail: "The job's work is \(outcome); only its machine is still being destroyed.")
      }
      job.isCancelRequested = true
      guard job.state == .awaitingApproval else { return }
      // Nothing was rented: it ends here.
      job.outcome = .cancelled
      job.moved(by: .gaveUp, at: now)
      job.moved(by: .finishedCancelled, at: now)
    }
    connections.jobNews.raise(id)
    connections.wakeJobs()
    return job
  }

  /// Runs an ended job's work again as a new job.
  package func retry(
    _ id: ID<Job>, idempotency: IdempotentRequest<Job>?
  ) async throws(FleetError) -> Creation<Job> {
    let job = try job(id)
    guard job.state == .failed || job.state == .cancelled else {
      throw .conflict(
        code: "job_not_ended",
        detail: "Only a failed or cancelled job can be retried; this one is \(job.state.rawValue).")
    }
    guard !job.specification.areSecretsWiped else {
      throw .conflict(
        code: "secrets_wiped",
        detail: "The job's secrets were wiped when it ended. Post it again with its secrets.")
    }
    return try await submit(job.specification, idempotency: idempotency)
  }

  /// Reads, changes and writes one job in one transaction, with the event of its new state.
  func change(
    _ id: ID<Job>, _ body: @escaping @Sendable (inout Job, Timestamp) throws(FleetError) -> Void
  ) async throws(FleetError) -> Job {
    let now = now()
    let result = try await write { (tx) throws(StoreError) -> Result<Job, FleetError> in
      guard var job = try tx.job(id) else { return .failure(.notFound(what: "job")) }
      let before = job
      do throws(FleetError) {
        try body(&job, now)
      } catch {
        return .failure(error)
      }
      guard job != before else { return .success(job) }
      _ = try tx.update(&job)
      if job.state != before.state { try tx.append(job.event(at: now)) }
      return .success(job)
    }
    return try result.get()
  }
}

extension Job {
  /// A move that the states checked just before allow.
  mutating func moved(by event: JobEvent, at moment: Timestamp) {
    do {
      try apply(event, at: moment)
    } catch {
      preconditionFailure("\(error)")
    }
  }
}
