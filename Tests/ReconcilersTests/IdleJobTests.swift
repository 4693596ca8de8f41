import Domain
import Store
import TestSupport
import Testing

@Suite struct `Commands under idle GPUs` {
  @Test(arguments: [true, false])
  func `is ended after the job's time or the service's, and no other machine is tried`(isOwn: Bool) async throws {
    let world = try World(idleGPUStop: isOwn ? nil : .seconds(60))
    let (id, market) = try await world.runningJob { $0.maximumGPUIdle = isOwn ? .seconds(60) : nil }
    world.utilize(market, 2)
    let begun = world.now
    #expect(try await world.turn(rounds: 1500) { try world.job(id).state.isFinal })
    let job = try world.job(id)
    #expect(job.state == .failed && job.failure?.code == "gpu_idle", "\(job)")
    #expect(job.failure?.detail.hasPrefix("The GPUs were idle for 60 s, which cost $") == true)
    #expect(try #require(job.endedAt) - begun >= .seconds(60))
    #expect(world.shell.snapshot.terminations == 1)
    #expect(job.phases.map(\.name).contains("collecting"), "what it left is brought home")
    #expect(world.market.count(.create) == 1 && world.market.count(.stop) == 0)
    #expect(world.market.snapshot.instances.isEmpty && job.failedMachines.isEmpty)
    let row = try #require(try world.instances(of: id).first)
    #expect(row.idleTime >= .seconds(60) && row.idleCost > .zero && row.state == .destroyed)
  }

  @Test(arguments: [true, false])
  func `runs on without a bound, and as long as it works once in a while`(isBounded: Bool) async throws {
    let world = try World()
    let (id, market) = try await world.runningJob { $0.maximumGPUIdle = isBounded ? .seconds(60) : nil }
    for _ in 0..<4 {
      world.utilize(market, 0)
      _ = await world.turn(rounds: 50) { false }
      world.utilize(market, 90)
      _ = await world.turn(rounds: 2) { isBounded ? false : true }
    }
    #expect(try world.job(id).state == .running && world.shell.snapshot.terminations == 0)
    #expect(try #require(try world.instances(of: id).first).idleTime > .seconds(150))
  }

  @Test func `idle time before the command counts as waste and not against it`() async throws {
    let world = try World()
    world.shell.change { shell in
      shell.endsAs = nil
      shell.isReachable = true
      shell.failures = Array(repeating: .unreachable(detail: "not yet"), count: 70)
    }
    let id = try await world.submit { $0.maximumGPUIdle = .seconds(60) }
    #expect(
      try await world.turn {
        world.bootAll()
        if let market = try world.instances(of: id).last?.marketID { world.utilize(market, 0) }
        return try world.job(id).state == .running
      })
    let start = try #require(try world.job(id).startedAt)
    let before = try #require(try world.instances(of: id).first).idleTime
    #expect(before > .seconds(30))
    #expect(try await world.turn(rounds: 1500) { try world.job(id).state.isFinal })
    let job = try world.job(id)
    #expect(job.failure?.code == "gpu_idle")
    #expect(try #require(job.endedAt) - start >= .seconds(60))
  }

  @Test func `a vastd that died after it told the command to end finds out why`() async throws {
    let world = try World()
    let (id, market) = try await world.runningJob { $0.maximumGPUIdle = .seconds(60) }
    world.utilize(market, 0)
    let why = Idleness(span: .seconds(61), cost: Money(microdollars: 5)).failure
    try await world.restart(after: {
      world.utilize(market, nil)
      world.shell.change { shell in
        shell.terminations = 1
        shell.command = .ended(exitCode: 143)
      }
    })
    try await world.edit(id) { $0.failure = why }
    #expect(try await world.turn(rounds: 1500) { try world.job(id).state.isFinal })
    let job = try world.job(id)
    #expect(job.state == .failed && job.failure == why)
    #expect(world.market.count(.create) == 1)
  }

  @Test func `a vastd that died before it told the command to end does so, whatever it does by now`() async throws {
    let world = try World()
    let (id, market) = try await world.runningJob { $0.maximumGPUIdle = .seconds(60) }
    let why = Idleness(span: .seconds(61), cost: Money(microdollars: 5)).failure
    try await world.restart(after: { world.utilize(market, 90) })
    try await world.edit(id) { $0.failure = why }
    #expect(try await world.turn(rounds: 1500) { try world.job(id).state.isFinal })
    #expect(try world.job(id).failure == why && world.shell.snapshot.terminations == 1)
  }

  @Test func `a command that has ended by itself meanwhile keeps its own end`() async throws {
    let world = try World()
    let (id, market) = try await world.runningJob { $0.maximumGPUIdle = .seconds(60) }
    world.utilize(market, 0)
    _ = await world.turn(rounds: 40) { false }
    try await world.restart(after: {
      world.shell.change { shell in
        shell.command = .ended(exitCode: 0)
        shell.hangingFollows = 1
      }
    })
    #expect(try await world.turn(rounds: 1500) { try world.job(id).state.isFinal })
    let job = try world.job(id)
    #expect(job.exitCode == 0 && job.failure?.code != "gpu_idle")
    #expect(world.shell.snapshot.terminations == 0)
  }
}
