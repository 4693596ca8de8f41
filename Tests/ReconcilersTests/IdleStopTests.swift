import Domain
import Store
import TestSupport
import Testing

@Suite struct `Idle machines without a job` {
  private func world() throws -> World { try World(idleGPUStop: .seconds(60)) }

  private func stops(_ world: World, _ id: ID<Instance>) async throws -> Bool {
    try await world.turn(rounds: 150) { try world.instance(id).state == .stopped }
  }

  @Test func `is stopped after its time, told once, and only its disk is paid for`() async throws {
    let world = try world()
    let (id, market) = try await world.rentedByHand(0)
    let begun = world.now
    #expect(try await stops(world, id))
    #expect(world.now - begun >= .seconds(60) && world.now - begun < .seconds(80))
    _ = await world.turn(rounds: 30) { false }
    let row = try world.instance(id)
    #expect(row.state == .stopped && row.desired == .stopped && row.failure == nil)
    #expect(row.idleTime >= .seconds(58) && row.idleCost > .zero)
    #expect(world.market.count(.stop) == 1 && world.market.count(.start) == 0)
    #expect(world.market.snapshot.instances[market]?.actualStatus == "exited")
    let events = try world.events().map(\.event)
    let told = events.filter { $0.type == "instance.stopped_idle" }
    #expect(told.count == 1 && told[0].subject == id.rawValue && told[0].data["idle_s"] == .integer(60))
    #expect(told.first?.data["idle_cost_usd"] == .money(try #require(row.idleStop).idleness.cost))
    #expect(!events.contains { $0.type == "instance.exited" || $0.type == "instance.preempted" })
    let bills = try world.store.read { (r) throws(StoreError) in try r.billingEvents(of: id) }
    #expect(bills.last?.gpuPerHour == .zero && bills.last?.storagePerHour == Money(microdollars: 10_000))
  }

  @Test(arguments: [50, nil] as [Double?])
  func `runs on while it works, and while nobody knows`(utilization: Double?) async throws {
    let world = try world()
    let (id, _) = try await world.rentedByHand(utilization)
    _ = await world.turn(rounds: 150) { false }
    let row = try world.instance(id)
    #expect(row.state == .running && row.desired == .running && row.idleTime == .zero)
    #expect((row.watchedTime > .seconds(100)) == (utilization != nil))
    #expect(world.market.count(.stop) == 0)
  }

  @Test func `runs on for ever where nobody asked for a stop`() async throws {
    let world = try World()
    let (id, _) = try await world.rentedByHand(0)
    _ = await world.turn(rounds: 150) { false }
    let row = try world.instance(id)
    #expect(row.state == .running && row.idleTime > .seconds(100))
    #expect(world.market.count(.stop) == 0)
  }

  @Test func `is left alone when it works again before the stop was sent`() async throws {
    let world = try world()
    let (id, market) = try await world.rentedByHand(0)
    #expect(try await world.turn { try world.instance(id).desired == .stopped })
    #expect(world.market.count(.stop) == 0)
    #expect(try world.instance(id).state == .running)
    world.utilize(market, 80)
    _ = await world.turn(rounds: 30) { false }
    let row = try world.instance(id)
    #expect(row.state == .running && row.desired == .running && row.idleStop == nil)
    #expect(world.market.count(.stop) == 0)
  }

  @Test func `a stop that did not arrive is asked for again`() async throws {
    let world = try world()
    world.market.change { $0.failures[.stop] = [.unavailable(detail: "down"), .rateLimited(retryAfter: nil)] }
    let (id, _) = try await world.rentedByHand(0)
    #expect(try await stops(world, id))
    #expect(world.market.count(.stop) == 3)
    #expect(try world.events().filter { $0.event.type == "instance.stopped_idle" }.count == 1)
  }

  @Test func `a stop whose answer was lost is seen and not asked for again`() async throws {
    let world = try world()
    world.market.change { $0.lostStops = [.unavailable(detail: "cut")] }
    let (id, _) = try await world.rentedByHand(0)
    #expect(try await stops(world, id))
    #expect(world.market.count(.stop) == 1)
  }

  @Test func `a vastd that died before the call left asks again`() async throws {
    let world = try world()
    world.market.change { $0.failures[.stop] = [.cancelled] }
    let (id, _) = try await world.rentedByHand(0)
    #expect(try await world.turn { try world.instance(id).state == .stopping && world.market.count(.stop) == 1 })
    try await world.restart()
    #expect(try await stops(world, id))
    #expect(world.market.count(.stop) == 2)
    #expect(try world.instance(id).failure == nil)
  }

  @Test(arguments: [true, false])
  func `a vastd that comes back after a while looks before it stops anything`(isBusy: Bool) async throws {
    let world = try world()
    let (id, market) = try await world.rentedByHand(0)
    #expect(try await world.turn { try world.instance(id).desired == .stopped })
    try await world.restart(after: {
      world.utilize(market, isBusy ? 80 : 0)
      world.clock.advance(by: .seconds(3600))
    })
    _ = await world.turn(rounds: 20) { false }
    #expect(try world.instance(id).desired == .running, "nobody knows of the time between")
    #expect(world.market.count(.stop) == 0)
    #expect(try await stops(world, id) == !isBusy)
  }

  @Test func `what somebody starts again runs, and has its whole time`() async throws {
    let world = try world()
    let (id, market) = try await world.rentedByHand(0)
    #expect(try await stops(world, id))
    try await world.market.start(market)
    world.market.boot(market)
    let begun = world.now
    #expect(try await world.turn { try world.instance(id).state == .running })
    #expect(try world.instance(id).desired == .running)
    #expect(try await stops(world, id))
    #expect(world.now - begun >= .seconds(60))
  }

  @Test func `a stopped one is destroyed when it is unwanted`() async throws {
    let world = try world()
    let (id, _) = try await world.rentedByHand(0)
    #expect(try await stops(world, id))
    try await world.store.write { (tx) throws(StoreError) in
      guard var row = try tx.instance(id) else { return }
      row.desired = .destroyed
      _ = try tx.update(&row)
    }
    #expect(try await world.turn { try world.instance(id).state == .destroyed })
    #expect(world.market.snapshot.instances.isEmpty)
  }

  @Test func `a machine that a failed job left behind is stopped, after its time from the job's end`() async throws {
    let world = try world()
    let (job, market) = try await world.runningJob { specification in
      specification.onFailure = .keep
      specification.maximumGPUIdle = .seconds(600)
    }
    world.utilize(market, 0)
    // Idle for longer than the bound of machines without a job, and its job's own bound is longer.
    _ = await world.turn(rounds: 100) { false }
    #expect(try world.job(job).state == .running && world.market.count(.stop) == 0)
    world.shell.change { $0.command = .ended(exitCode: 1) }
    #expect(try await world.turn(rounds: 1500) { try world.job(job).state == .failed })
    let left = try #require(try world.job(job).finishedAt)
    let id = try #require(try world.job(job).instanceID)
    #expect(try world.instance(id).state == .running)
    #expect(try await stops(world, id))
    #expect(world.now - left >= .seconds(60))
    #expect(try world.job(job).failure?.code == "command_failed")
  }
}
