import Domain
import Store
import TestSupport
import Testing

@Suite struct `Machines that are started again` {
  /// A machine that stops and can be started.
  private func stop(_ world: World, _ market: MarketID) {
    world.outbid(market, isLost: false)
  }

  @Test func `a machine that stops under its job is started once, and the next attempt begins on it`() async throws {
    let world = try World()
    let (id, market) = try await world.runningJob { $0.resources.isInterruptible = true }
    stop(world, market)
    #expect(try await world.runsAgain(id, attempt: 2))
    let instances = try world.instances(of: id)
    #expect(instances.map(\.marketID) == [market])
    #expect(instances[0].state == .running && instances[0].failure == nil && !instances[0].mayRevive)
    let job = try world.job(id)
    #expect(job.attempts.map { $0.failure?.code } == ["preempted", nil])
    #expect(job.failure == nil && job.failedMachines.isEmpty)
    #expect(world.market.count(.start) == 1 && world.market.count(.create) == 1)
    #expect(world.shell.snapshot.launches == 2)
    let told = try world.events().map(\.event)
    #expect(told.filter { $0.type == "instance.preempted" }.count == 1)
    #expect(told.filter { $0.type == "instance.running" }.count == 2)
    let recovered = told.filter { $0.type == "instance.recovered" }
    #expect(recovered.count == 1 && recovered[0].data["replaces"] == nil)
    let bills = try world.store.read { (r) throws(StoreError) in try r.billingEvents(of: instances[0].id) }
    #expect(bills.map { $0.gpuPerHour > .zero } == [false, true, false, true], "no GPU is paid while it is down")
  }

  @Test func `the second time it stops, another machine takes over`() async throws {
    let world = try World()
    let (id, market) = try await world.runningJob()
    stop(world, market)
    #expect(try await world.runsAgain(id, attempt: 2))
    stop(world, market)
    #expect(try await world.runsAgain(id, attempt: 3))
    #expect(world.market.count(.start) == 1)
    let instances = try world.instances(of: id)
    #expect(instances.count == 2 && instances[0].state == .destroyed)
  }

  @Test func `GPUs that somebody else has by now are not waited for, and the vain start costs no attempt`() async throws
  {
    let world = try World()
    let (id, market) = try await world.runningJob()
    world.crash(market)
    #expect(try await world.runsAgain(id, attempt: 2))
    #expect(world.market.count(.start) == 1)
    let job = try world.job(id)
    #expect(job.attempts.count == 2 && job.attempts[0].failure?.code == "instance_exited")
    #expect(job.failedMachines == [try #require(job.attempts[0].machineID)])
    #expect(try world.instances(of: id).map(\.state) == [.destroyed, .running])
    #expect(try world.events().filter { $0.event.type == "instance.exited" }.count == 1)
  }

  @Test func `a start that brings nothing up is given up after two minutes`() async throws {
    let world = try World()
    let (id, market) = try await world.runningJob()
    stop(world, market)
    let asked = await world.turn { world.market.count(.start) == 1 }
    #expect(asked)
    let start = world.now
    #expect(try await world.turn { try world.instances(of: id)[0].state == .destroyed })
    #expect(world.now - start < .seconds(180))
    #expect(try await world.runsAgain(id, attempt: 2))
    #expect(try world.instances(of: id).count == 2)
    #expect(try world.job(id).attempts.count == 2)
  }

  @Test func `vastd that died before the call left finds the machine loading, and does not wait for ever`() async throws
  {
    let world = try World()
    let (id, market) = try await world.runningJob()
    stop(world, market)
    world.market.change { $0.failures[.start] = [.unknownOutcome(detail: "cut")] }
    _ = await world.turn { world.market.count(.start) == 1 }
    try await world.restart()
    #expect(try await world.runsAgain(id, attempt: 2))
    #expect(try world.instances(of: id).count == 2)
    #expect(world.market.count(.start) == 1)
  }

  @Test func `a cancel while it is started again destroys it`() async throws {
    let world = try World()
    let (id, market) = try await world.runningJob()
    stop(world, market)
    _ = try await world.turn { try world.job(id).state == .provisioning }
    try await world.cancel(id)
    #expect(try await world.turn { try world.job(id).state == .cancelled })
    #expect(world.market.snapshot.instances.isEmpty)
  }

  @Test(arguments: ["recovers", "attempts", "collecting"])
  func `nothing is started for a job that would not go on with it`(why: String) async throws {
    let world = try World()
    let (id, market) = try await world.runningJob { specification in
      specification.recovers = why != "recovers"
      if why == "attempts" { specification.maximumAttempts = 1 }
    }
    if why == "collecting" {
      world.shell.change { $0.command = .ended(exitCode: 0) }
      _ = try await world.turn { try world.job(id).state != .running }
    }
    #expect(try world.instances(of: id).allSatisfy { !$0.mayRevive })
    stop(world, market)
    _ = try await world.turn { try world.job(id).state.isFinal }
    #expect(try world.job(id).state.isFinal)
    #expect(world.market.count(.start) == 0)
    #expect(world.market.snapshot.instances.isEmpty)
  }
}
