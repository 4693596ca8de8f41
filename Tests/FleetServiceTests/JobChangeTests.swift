import Domain
import FleetService
import Locking
import Store
import TestSupport
import Testing

private let moving: [JobState] = [.queued, .provisioning, .starting, .running, .collecting, .cleaningUp]

@Suite struct `Changing a job` {
  @Test(arguments: moving.filter { $0 != .cleaningUp })
  func `cancel is written down in every phase, and the runner is told`(state: JobState) async throws {
    let world = try FleetWorld()
    let id = try await world.job()
    try await world.bring(id, to: state)
    let signal = world.jobNews.signal(for: id)
    let job = try await world.fleet.cancel(id)
    #expect(job.isCancelRequested)
    #expect(job.state == state, "the runner carries it out")
    #expect(signal.count == 1)
    #expect(try await world.fleet.cancel(id).version == job.version, "twice is harmless")
  }

  @Test func `cancel ends a job that waits for approval at once, with its event and without its secrets`()
    async throws
  {
    let world = try FleetWorld()
    let id = try await world.job { specification in
      specification.approval = .required
      specification.secrets = ["TOKEN": "s"]
    }
    let job = try await world.fleet.cancel(id)
    #expect(job.state == .cancelled)
    #expect(job.finishedAt != nil)
    #expect(job.specification.secrets.isEmpty)
    #expect(try await world.fleet.cancel(id).version == job.version)
    let events = try world.store.read { (r) throws(StoreError) in try r.events(after: 0, limit: 10) }
    #expect(events.map(\.event.type) == ["job.awaiting_approval", "job.cancelled"])
  }

  @Test func `a job whose work is over and whose machine is going cannot be cancelled any more`() async throws {
    let world = try FleetWorld()
    let id = try await world.job()
    try await world.bring(id, to: .cleaningUp)
    #expect(try await fault { try await world.fleet.cancel(id) }?.conflictCode == "job_ending")
    #expect(try world.fleet.job(id).isCancelRequested == false)
  }

  @Test(arguments: [JobState.succeeded, .failed])
  func `an ended job cannot be cancelled`(state: JobState) async throws {
    let world = try FleetWorld()
    let id = try await world.job()
    try await world.bring(id, to: state)
    #expect(try await fault { try await world.fleet.cancel(id) }?.conflictCode == "job_ended")
    #expect(try world.fleet.job(id).isCancelRequested == false)
  }

  @Test(arguments: moving)
  func `approving what does not wait for it changes nothing`(state: JobState) async throws {
    let world = try FleetWorld()
    let id = try await world.job()
    try await world.bring(id, to: state)
    let before = try world.fleet.job(id)
    #expect(try await world.fleet.approve(id) == before)
    #expect(try world.fleet.job(id) == before)
  }

  @Test(arguments: [JobState.succeeded, .failed, .cancelled])
  func `an ended job cannot be approved`(state: JobState) async throws {
    let world = try FleetWorld()
    let id = try await world.job()
    try await world.bring(id, to: state)
    #expect(try await fault { try await world.fleet.approve(id) }?.conflictCode == "job_ended")
  }

  @Test func `a job that was cancelled cannot be approved after all`() async throws {
    let world = try FleetWorld()
    let id = try await world.job { $0.approval = .required }
    _ = try await world.fleet.cancel(id)
    #expect(try await fault { try await world.fleet.approve(id) }?.conflictCode == "job_ended")
    #expect(try world.fleet.job(id).state == .cancelled)
  }

  @Test func `cancel and approve at once never leave a job that runs though it was cancelled`() async throws {
    let world = try FleetWorld()
    for _ in 0..<20 {
      let id = try await world.job { $0.approval = .required }
      async let cancelled = fault { try await world.fleet.cancel(id) }
      async let approved = fault { try await world.fleet.approve(id) }
      _ = try await (cancelled, approved)
      let job = try world.fleet.job(id)
      #expect(job.state == .cancelled || (job.state == .queued && job.isCancelRequested))
    }
  }

  @Test func `what is not there is not found`() async throws {
    let world = try FleetWorld()
    let nobody = ID<Job>(at: world.now)
    let missing = FleetError.notFound(what: "job")
    #expect(try await fault { try await world.fleet.cancel(nobody) } == missing)
    #expect(try await fault { try await world.fleet.approve(nobody) } == missing)
    #expect(try await fault { try await world.fleet.retry(nobody, idempotency: nil) } == missing)
    #expect(try await fault { try world.fleet.job(nobody) } == missing)
    #expect(try await fault { try world.fleet.jobVersion(nobody) } == missing)
    #expect(try await fault { try world.fleet.report(on: nobody) } == missing)
  }
}

@Suite struct `Retrying a job` {
  @Test(arguments: [JobState.failed, .cancelled])
  func `makes a new job of the same work`(state: JobState) async throws {
    let world = try FleetWorld()
    let id = try await world.job { specification in
      specification.name = "again"
      specification.environment = ["A": "1"]
      specification.maximumCost = Money(microdollars: 5)
    }
    try await world.bring(id, to: state)
    let again = try await world.fleet.retry(id, idempotency: nil).made
    let old = try world.fleet.job(id)
    #expect(again.id != id)
    #expect(again.state == .queued)
    #expect(again.attempt == 0)
    #expect(again.specification == old.specification)
    #expect(old.state == state)
  }

  @Test(arguments: moving + [.succeeded])
  func `is only for what failed or was cancelled`(state: JobState) async throws {
    let world = try FleetWorld()
    let id = try await world.job()
    try await world.bring(id, to: state)
    #expect(try await fault { try await world.fleet.retry(id, idempotency: nil) }?.conflictCode == "job_not_ended")
    #expect(try world.jobCount() == 1)
  }

  @Test func `is refused once the job's secrets are wiped, for it would run without them`() async throws {
    let world = try FleetWorld()
    let secret = try await world.job { $0.secrets = ["TOKEN": "s"] }
    let login = try await world.job {
      $0.registryLogin = RegistryLogin(server: "registry.example", user: "u", password: "p")
    }
    for id in [secret, login] {
      try await world.bring(id, to: .failed)
      let error = try await fault { try await world.fleet.retry(id, idempotency: nil) }
      #expect(error?.conflictCode == "secrets_wiped")
    }
    #expect(try world.jobCount() == 2)
  }

  @Test func `under one key makes one job`() async throws {
    let world = try FleetWorld()
    let id = try await world.job()
    try await world.bring(id, to: .failed)
    _ = try await world.fleet.retry(id, idempotency: .make(.make("k")))
    #expect(try await world.fleet.retry(id, idempotency: .make(.make("k"))).replayed != nil)
    #expect(try world.jobCount() == 2)
  }

  @Test func `names the upload that is gone`() async throws {
    let world = try FleetWorld()
    let upload = try await world.upload().made
    let id = try await world.job { $0.inputUploadID = upload.id }
    try await world.bring(id, to: .failed)
    try await world.store.write { (tx) throws(StoreError) in try tx.delete(upload: upload.id) }
    let error = try await fault { try await world.fleet.retry(id, idempotency: nil) }
    guard case .invalid(let problems) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(problems.map(\.pointer) == ["/input_upload_id"])
  }
}
