import Domain
import FleetService
import Store
import TestSupport
import Testing

@Suite struct `Planning a job` {
  private func plan(_ world: FleetWorld, _ edit: (inout JobSpecification) -> Void = { _ in }) async throws -> JobPlan {
    var specification = JobSpecification(command: "true")
    edit(&specification)
    return try await world.fleet.plan(specification)
  }

  @Test func `shows the offers in their order, the chosen one and its price, and does nothing`() async throws {
    let world = try FleetWorld()
    let plan = try await plan(world) { $0.resources.diskGigabytes = 72 }
    #expect(plan.candidates.map(\.id) == [1, 2, 3])
    #expect(plan.chosen?.id == 1)
    #expect(plan.estimate?.pricePerHour == Money(microdollars: 400_000))
    // 0.15 dollars for a gigabyte and 720 hours.
    #expect(plan.estimate?.storagePerHour == Money(microdollars: 15_000))
    #expect(plan.estimate?.total == nil, "an unbounded job has no total")
    #expect(try world.jobCount() == 0)
    #expect(world.market.snapshot.calls == [.search])
  }

  @Test func `has a total when the job bounds its time`() async throws {
    let plan = try await plan(try FleetWorld()) { $0.maximumDuration = .seconds(5400) }
    #expect(plan.estimate?.total == Money(microdollars: 600_000))
  }

  @Test func `prices the data that is expected to move by the offer, in the total too`() async throws {
    var offer = Offer.make(dollars: 0.4)
    offer.uploadPricePerGigabyte = 0.02
    offer.downloadPricePerGigabyte = 0.005
    let world = try FleetWorld(offers: [offer])
    let unbounded = try await plan(world) { specification in
      specification.expectedTransfer.upGigabytes = 10
      specification.expectedTransfer.downGigabytes = 100
    }
    #expect(unbounded.estimate?.transfer == Money(microdollars: 700_000))
    #expect(unbounded.estimate?.total == nil)
    let bounded = try await plan(world) { specification in
      specification.expectedTransfer.upGigabytes = 10
      specification.expectedTransfer.downGigabytes = 100
      specification.maximumDuration = .seconds(1800)
    }
    #expect(bounded.estimate?.total == Money(microdollars: 900_000))
  }

  @Test func `shows the image of the job's kind`() async throws {
    #expect(try await plan(try FleetWorld()) { $0.kind = .vllm }.specification.image == "vllm/vllm-openai:latest")
    #expect(try await plan(try FleetWorld()) { $0.templateHash = "ff" }.specification.image == nil)
  }

  @Test func `fills in the bid that would be made, and says that it is the offer's`() async throws {
    var offer = Offer.make(dollars: 0.4)
    offer.minimumBidPerHour = Money(microdollars: 150_000)
    let plan = try await plan(try FleetWorld(offers: [offer])) { specification in
      specification.resources.isInterruptible = true
      specification.resources.diskGigabytes = 72
    }
    #expect(plan.specification.resources.bidPerHour == Money(microdollars: 150_000))
    #expect(plan.defaults == [AppliedDefault("bid_per_hour_usd", .money(Money(microdollars: 150_000)), .offer)])
    #expect(plan.estimate?.pricePerHour == Money(microdollars: 165_000))
  }

  @Test func `a bid that is dearer with the disk than the job's price finds nothing`() async throws {
    let plan = try await plan(try FleetWorld()) { specification in
      specification.resources.isInterruptible = true
      specification.resources.bidPerHour = Money(microdollars: 490_000)
      specification.resources.maximumPricePerHour = Money(microdollars: 500_000)
      specification.resources.diskGigabytes = 72
    }
    #expect(plan.candidates.isEmpty, "0.49 and 0.015 for the disk")
  }

  @Test(arguments: [(OfferSelection.cheapest, [2, 3, 1]), (.secondCheapest, [3, 2, 1])])
  func `leaves machines that failed others for the last, as placing does`(
    selection: OfferSelection, order: [Int64]
  ) async throws {
    let world = try FleetWorld()
    try await world.store.write { [now = world.now] (tx) throws(StoreError) in
      try tx.insert(
        Exclusion(id: ID(at: now), machineID: 10, hostID: 100, reason: "preempted", jobID: nil, createdAt: now))
    }
    #expect(try await plan(world) { $0.resources.selection = selection }.candidates.map(\.id) == order)
  }

  @Test func `takes what an instance of ours holds after the rest`() async throws {
    let world = try FleetWorld()
    _ = try await world.instance(for: nil, [.orderSent, .created])
    #expect(try await plan(world).candidates.map(\.id) == [2, 3, 1])
  }

  @Test func `prices an interruptible job by its bid and its disk`() async throws {
    let plan = try await plan(try FleetWorld()) { specification in
      specification.resources.isInterruptible = true
      specification.resources.bidPerHour = Money(microdollars: 100_000)
      specification.resources.diskGigabytes = 72
    }
    #expect(plan.estimate?.pricePerHour == Money(microdollars: 115_000))
  }

  @Test func `follows the selection`() async throws {
    #expect(try await plan(try FleetWorld()) { $0.resources.selection = .secondCheapest }.chosen?.id == 2)
  }

  @Test func `without an offer has no price, and is an answer all the same`() async throws {
    let plan = try await plan(try FleetWorld()) { $0.resources.gpuName = "RTX 9999" }
    #expect(plan.chosen == nil)
    #expect(plan.estimate == nil)
    #expect(plan.candidates.isEmpty)
  }

  @Test func `shows what runs already, and not what is gone`() async throws {
    let world = try FleetWorld()
    let live = try await world.instance(for: nil, [.orderSent, .created])
    _ = try await world.instance(for: nil, [.cancelled])
    #expect(try await plan(world).active.map(\.id) == [live.id])
  }

  @Test func `says that Vast cannot be asked`() async throws {
    let world = try FleetWorld()
    world.market.change { $0.failures[.search] = [.quotaExceeded(retryAfter: .seconds(60))] }
    let error = try await fault { try await plan(world) }
    #expect(error == .market(.quotaExceeded(retryAfter: .seconds(60))))
  }
}

@Suite struct `Planning instances` {
  private func plan(
    _ world: FleetWorld, count: Int = 1, _ edit: (inout InstanceRequest) -> Void = { _ in }
  ) async throws -> RentalPlan {
    var request = InstanceRequest(diskGigabytes: 72)
    edit(&request)
    return try await world.fleet.plan(request, count: count)
  }

  @Test func `shows what would be rented and its price, and does nothing`() async throws {
    let world = try FleetWorld()
    let plan = try await plan(world)
    #expect(plan.candidates.map(\.id) == [1, 2, 3])
    #expect(plan.chosen.map(\.id) == [1])
    #expect(plan.estimate?.pricePerHour == Money(microdollars: 400_000))
    #expect(plan.estimate?.storagePerHour == Money(microdollars: 15_000))
    #expect(plan.estimate?.total == nil, "nothing bounds an instance's time")
    #expect(try world.liveInstances().isEmpty)
    #expect(world.market.count(.create) == 0)
  }

  @Test func `adds up several, and chooses none when there are too few`() async throws {
    let world = try FleetWorld()
    let two = try await plan(world, count: 2) { $0.expectedTransfer.upGigabytes = 1 }
    #expect(two.chosen.map(\.id) == [1, 2])
    #expect(two.estimate?.pricePerHour == Money(microdollars: 900_000))
    #expect(two.estimate?.storagePerHour == Money(microdollars: 30_000))
    let four = try await plan(world, count: 4)
    #expect(four.chosen.isEmpty)
    #expect(four.estimate == nil)
    #expect(four.candidates.count == 3)
  }

  @Test func `chooses what the request itself would rent`() async throws {
    let world = try FleetWorld()
    var request = InstanceRequest(diskGigabytes: 72)
    request.offerID = 3
    let plan = try await world.fleet.plan(request, count: 1)
    let made = try await world.fleet.createInstances(request, count: 1, idempotency: nil).made
    #expect(plan.chosen.map(\.id) == made.map(\.order.offerID))
    #expect(plan.estimate?.pricePerHour == made.first?.pricePerHour)
    #expect(plan.request.label == made.first?.label)
  }

  @Test func `says where the label comes from`() async throws {
    let world = try FleetWorld()
    let named = try await plan(world) { $0.label = "mine" }
    #expect(named.request.label == "mine")
    #expect(named.defaults.isEmpty)
    #expect(try await plan(world).defaults == [AppliedDefault("label", .text("tester"), .accountNickname)])
    world.market.change { $0.failures[.account] = [.unavailable(detail: "down")] }
    #expect(try await plan(world).defaults == [AppliedDefault("label", .text("vast-user"), .contract)])
  }

  @Test(
    arguments: [
      ("ada", "a@example.com", "ada", .accountNickname),
      (nil, "ada.l@example.com", "ada.l", .accountEmail), ("", "ada.l@example.com", "ada.l", .accountEmail),
      (nil, nil, "vast-user", .contract), ("", "", "vast-user", .contract),
    ] as [(String?, String?, String, AppliedDefault.Source)])
  func `the label is the nickname, else the local part of the address, else a plain one`(
    nickname: String?, email: String?, label: String, source: AppliedDefault.Source
  ) async throws {
    let world = try FleetWorld()
    world.market.change { state in
      state.nickname = nickname
      state.email = email
    }
    #expect(try await plan(world).defaults == [AppliedDefault("label", .text(label), source)])
    let made = try await world.fleet.createInstances(
      InstanceRequest(diskGigabytes: 10), count: 1, idempotency: nil
    ).made
    #expect(made.first?.label == label)
  }

  @Test func `shows what runs already`() async throws {
    let world = try FleetWorld()
    let live = try await world.instance(for: nil, [.orderSent, .created])
    #expect(try await plan(world).active.map(\.id) == [live.id])
  }

  @Test func `says that Vast cannot be asked`() async throws {
    let world = try FleetWorld()
    world.market.change { $0.failures[.search] = [.unavailable(detail: "down")] }
    #expect(try await fault { try await plan(world) } == .market(.unavailable(detail: "down")))
  }
}
