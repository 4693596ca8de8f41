import Domain
import Store
import TestSupport
import Testing

@Suite struct `An approved price` {
  /// A job that was approved at 40 cents and may cost 44.
  private func approved(_ world: World, _ edit: (inout JobSpecification) -> Void = { _ in }) async throws -> ID<Job> {
    var specification = JobSpecification(command: "true")
    specification.outputs = []
    specification.approval = .required
    edit(&specification)
    var job = Job(id: ID(at: world.now), specification: specification, state: .queued, createdAt: world.now)
    job.quote = Job.Quote(
      offerID: 1, gpuName: "RTX 4090", pricePerHour: Money(microdollars: 400_000), madeAt: world.now)
    job.quote?.ceiling = Money(microdollars: 440_000)
    let row = job
    try await world.store.write { (tx) throws(StoreError) in try tx.insert(row) }
    return job.id
  }

  private func placed(_ world: World, _ id: ID<Job>) async throws -> Instance? {
    _ = try await world.turn { try world.job(id).state != .queued }
    return try world.instances(of: id).first
  }

  @Test func `is not exceeded by what is rented`() async throws {
    let world = try World(offers: [.make(id: 5, dollars: 0.44)])
    #expect(try await placed(world, approved(world))?.order.offerID == 5)
    let dear = try World(offers: [.make(id: 5, dollars: 0.441)])
    let id = try await approved(dear)
    let ended = try await dear.turn { try dear.job(id).state.isFinal }
    #expect(ended)
    let failure = try #require(try dear.job(id).failure)
    #expect(failure.code == "no_offers_within_price")
    #expect(failure.detail.contains("$0.44 ") && failure.detail.contains("approval"))
    #expect(dear.market.count(.create) == 0)
  }

  @Test func `is not exceeded by the next offer when the first is taken`() async throws {
    let world = try World(offers: [.make(id: 1, dollars: 0.4), .make(id: 2, dollars: 0.5)])
    world.market.change { $0.failures[.create] = [.offerTaken(offerID: 1)] }
    let id = try await approved(world)
    let ended = try await world.turn { try world.job(id).state.isFinal }
    #expect(ended)
    #expect(try world.instances(of: id).allSatisfy { $0.order.offerID == 1 })
    #expect(world.market.snapshot.everCreated.isEmpty)
  }

  @Test func `leaves the job's own limit as it is`() async throws {
    let world = try World(offers: [.make(id: 1, dollars: 0.42), .make(id: 2, dollars: 0.44)])
    let id = try await approved(world) { $0.resources.maximumPricePerHour = Money(microdollars: 410_000) }
    _ = try await world.turn { try world.job(id).state.isFinal }
    #expect(try world.job(id).failure?.code == "no_offers_within_price")
    #expect(try world.job(id).failure?.detail.contains("approval") == false)
  }

  @Test func `counts the bid, and the disk of the machine that is taken`() async throws {
    var dearDisk = Offer.make(id: 1, dollars: 0.2)
    dearDisk.storagePricePerGigabyteMonth = 1.5
    var cheapDisk = Offer.make(id: 2, dollars: 0.3)
    cheapDisk.storagePricePerGigabyteMonth = 0.1
    let world = try World(offers: [dearDisk, cheapDisk])
    let id = try await approved(world) { specification in
      specification.resources.isInterruptible = true
      specification.resources.bidPerHour = Money(microdollars: 380_000)
    }
    let instance = try await placed(world, id)
    #expect(instance?.order.offerID == 2, "0.38 and 0.133 for the disk are above 0.44")
    #expect(instance?.query?.bidPerHour == Money(microdollars: 380_000), "for the offer after it, too")
  }

  @Test func `waits for the machine of another job of ours, which it may have been met by`() async throws {
    let world = try World(offers: [.make(id: 1, dollars: 0.4), .make(id: 2, dollars: 0.9)])
    // It runs on, and so keeps its machine.
    world.shell.change { $0.endsAs = nil }
    let first = try await approved(world)
    _ = try await world.turn {
      world.bootAll()
      return try world.job(first).state == .running
    }
    let second = try await approved(world)
    let isWaiting = try await world.turn { try world.job(second).failure != nil }
    #expect(isWaiting)
    #expect(try world.job(second).state == .queued)
    #expect(try world.job(second).failure?.code == "no_offers_within_price")
  }
}
