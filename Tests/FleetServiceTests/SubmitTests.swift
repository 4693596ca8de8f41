import Artifacts
import Domain
import FleetService
import Locking
import SQLiteDriver
import Store
import TestSupport
import Testing

@Suite struct `Submitting a job` {
  @Test func `what was accepted is there after the store was closed and opened again`() async throws {
    let world = try FleetWorld()
    let made = try await world.submit { specification in
      specification.name = "train"
      specification.secrets = ["TOKEN": "s"]
      specification.priority = 3
    }.made
    #expect(made.state == .queued)
    #expect(world.surroundings.withLock { $0.jobWakings } == 1, "the runner is told")
    await world.store.close()
    let again = try Store(
      driver: SQLiteDriver(path: world.data.databasePath), owner: nil, now: { Timestamp(seconds: 1_800_000_100) })
    let kept = try again.read { (r) throws(StoreError) in try r.job(made.id) }
    let events = try again.read { (r) throws(StoreError) in try r.events(after: 0, limit: 10) }
    await again.close()
    #expect(kept == made)
    #expect(events.map(\.event.type) == ["job.queued"], "the event is of the same transaction")
  }

  @Test func `an upload that is not there is refused by its pointer, and no job is made`() async throws {
    let world = try FleetWorld()
    let missing = ID<Upload>(at: world.now)
    let error = try await fault { try await world.submit { $0.inputUploadID = missing } }
    guard case .invalid(let problems) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(problems.map(\.pointer) == ["/input_upload_id"])
    #expect(problems.first?.detail.contains(missing.rawValue) == true)
    #expect(try world.jobCount() == 0)
    #expect(world.surroundings.withLock { $0.jobWakings } == 0)
  }

  @Test func `a refused submit does not use up its key`() async throws {
    let world = try FleetWorld()
    let missing = ID<Upload>(at: world.now)
    let key = IdempotencyKey.make("k")
    #expect(try await fault { try await world.submit(key: key) { $0.inputUploadID = missing } } != nil)
    #expect(try await world.submit(key: key).replayed == nil)
  }

  @Test func `an upload that is there is taken`() async throws {
    let world = try FleetWorld()
    let upload = try await world.upload().made
    let id = try await world.job { $0.inputUploadID = upload.id }
    #expect(try world.fleet.job(id).specification.inputUploadID == upload.id)
  }

  @Test func `approval stops a job with the best offer as its quote, and approving it queues it`() async throws {
    let world = try FleetWorld()
    let job = try await world.submit { $0.approval = .required }.made
    #expect(job.state == .awaitingApproval)
    #expect(job.quote?.offerID == 1)
    #expect(job.quote?.pricePerHour == Money(microdollars: 400_000))
    let approved = try await world.fleet.approve(job.id)
    #expect(approved.state == .queued)
    #expect(try world.fleet.job(job.id).state == .queued)
    #expect(try await world.fleet.approve(job.id).version == approved.version, "twice is harmless")
  }

  @Test func `a job waits for approval without a quote while Vast cannot be asked or has nothing`() async throws {
    let world = try FleetWorld()
    world.market.change { $0.failures[.search] = [.unavailable(detail: "down")] }
    let first = try await world.submit { $0.approval = .required }.made
    let second = try await world.submit { specification in
      specification.approval = .required
      specification.resources.gpuName = "RTX 9999"
    }.made
    for job in [first, second] {
      #expect(job.state == .awaitingApproval)
      #expect(job.quote == nil)
    }
  }

  @Test func `no job but one to be approved asks Vast for anything`() async throws {
    let world = try FleetWorld()
    _ = try await world.submit()
    #expect(world.market.snapshot.calls.isEmpty)
  }

  @Test func `higher priority goes first, then the older`() async throws {
    let world = try FleetWorld()
    let plain = try await world.job()
    let low = try await world.job { $0.priority = -5 }
    let high = try await world.job { $0.priority = 9 }
    let later = try await world.job()
    let order = try world.store.read { (r) throws(StoreError) in try r.activeJobs() }.map(\.id)
    #expect(order == [high, plain, later, low])
  }
}
