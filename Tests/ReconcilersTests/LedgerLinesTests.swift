import Domain
import Store
import TestSupport
import Testing

@Suite struct `Lines of the ledger` {
  private func lines(_ world: World, _ id: ID<Job>) throws -> [BillingEvent] {
    let instance = try #require(try world.instances(of: id).first)
    return try world.store.read { (r) throws(StoreError) in try r.billingEvents(of: instance.id) }
  }

  @Test func `a host that is not heard of costs nothing, neither GPU nor disk, until it is back`() async throws {
    let world = try World()
    let (id, market) = try await world.runningJob()
    world.market.set(market) { $0.storagePricePerHour = Money(microdollars: 5000) }
    _ = await world.turn(rounds: 60) { false }
    for status in ["offline", "running"] {
      world.market.set(market) { $0.actualStatus = status }
      _ = await world.turn(rounds: 60) { false }
    }
    let rates = try lines(world, id).suffix(3)
    #expect(rates.map { $0.gpuPerHour > .zero } == [true, false, true])
    #expect(rates.map { $0.storagePerHour > .zero } == [true, false, true])
    #expect(rates.allSatisfy { $0.kind == .rateChanged })
  }

  @Test func `a container that ended costs no GPU from the first look that shows it`() async throws {
    let world = try World()
    let (id, market) = try await world.runningJob { $0.recovers = false }
    world.crash(market)
    let seenAt = world.now
    _ = try await world.turn { try world.job(id).state.isFinal }
    let off = try #require(try lines(world, id).last { $0.kind == .rateChanged })
    #expect(off.gpuPerHour == .zero)
    #expect(off.at - seenAt < .seconds(31), "a poll interval later at the most")
  }

  @Test func `the account ends with the list that first lacked the machine, once that is proved`() async throws {
    let world = try World()
    let (id, market) = try await world.runningJob()
    try await world.cancel(id)
    _ = await world.turn { world.market.snapshot.instances[market] == nil }
    let goneAt = world.now
    _ = try await world.turn { try world.instances(of: id).allSatisfy { $0.state == .destroyed } }
    let instance = try #require(try world.instances(of: id).first)
    let stop = try #require(try lines(world, id).last)
    #expect(stop.kind == .stop && stop.gpuPerHour == .zero && stop.storagePerHour == .zero)
    #expect(stop.at >= goneAt - .seconds(1) && stop.at - goneAt <= .seconds(3))
    #expect(try #require(instance.destroyedAt) > stop.at, "the proof took another look, and is not billed")
  }

  @Test func `an order that is found again has its GPU time from the boot that the provider tells`() async throws {
    let world = try World()
    world.market.change { $0.lostAnswers = [.unknownOutcome(detail: "cut")] }
    let id = try await world.submit()
    _ = await world.turn { !world.market.snapshot.instances.isEmpty }
    let market = try #require(world.market.snapshot.instances.keys.first)
    let rentedAt = world.now
    world.market.change { $0.hidden = [market] }
    world.market.boot(market)
    _ = await world.turn(rounds: 60) { false }
    world.market.set(market) {
      $0.startedAt = rentedAt
      $0.uptime = .seconds(50)
    }
    let foundAt = world.now
    world.market.change { $0.hidden = [] }
    _ = try await world.turn { try world.instances(of: id).first?.state == .running }
    let began = try #require(try lines(world, id).first { $0.gpuPerHour > .zero })
    #expect(began.at - (foundAt - .seconds(50)) <= .seconds(5), "as old as the answer that told it, and no older")
    #expect(began.unseenSince == nil)
  }

  @Test func `a machine that is gone by itself costs no GPU from the first list that lacked it`() async throws {
    let world = try World()
    let (id, market) = try await world.runningJob { $0.recovers = false }
    world.market.change { $0.instances[market] = nil }
    let goneAt = world.now
    _ = try await world.turn { try world.job(id).state.isFinal }
    let off = try #require(try lines(world, id).last { $0.kind == .rateChanged })
    #expect(off.gpuPerHour == .zero)
    #expect(off.at - goneAt <= .seconds(2), "the proof takes a minute more, and is not billed")
  }
}
