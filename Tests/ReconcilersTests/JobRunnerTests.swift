import Artifacts
import Domain
import Glibc
import Reconcilers
import Store
import TestSupport
import Testing

@Suite struct `The job runner` {
  @Test func `a job runs, its results come home, and its machine is proved gone`() async throws {
    let world = try World()
    world.shell.change { $0.log = Array("hello\n".utf8) }
    let id = try await world.submit { $0.name = "first" }
    let ended = try await world.turn {
      world.bootAll()
      return try world.job(id).state.isFinal
    }
    let job = try world.job(id)
    // The scripted machine sends no archive: collecting fails, and everything else must be in order all the same.
    #expect(ended)
    #expect(job.exitCode == 0)
    #expect(world.shell.snapshot.launches == 1)
    #expect(world.market.snapshot.instances.isEmpty)
    #expect(try world.instances(of: id).map(\.state) == [.destroyed])
    #expect(job.verifiedAt != nil)
    #expect(job.cost > .zero)
    #expect(job.phases.map(\.name).starts(with: ["queued", "provisioning", "starting", "running", "collecting"]))
  }

  @Test func `a command that fails fails the job with its exit code, and the machine goes`() async throws {
    let world = try World()
    world.shell.change { $0.endsAs = .ended(exitCode: 3) }
    let id = try await world.submit()
    _ = try await world.turn {
      world.bootAll()
      return try world.job(id).state.isFinal
    }
    let job = try world.job(id)
    #expect(job.state == .failed)
    #expect(job.exitCode == 3)
    #expect(job.failure?.code == "command_failed")
    #expect(world.market.snapshot.instances.isEmpty)
    #expect(world.market.count(.create) == 1, "a failed command is not tried again")
  }

  @Test func `a failed job keeps its machine when it was asked to`() async throws {
    let world = try World()
    world.shell.change { $0.endsAs = .ended(exitCode: 1) }
    let id = try await world.submit { $0.onFailure = .keep }
    _ = try await world.turn {
      world.bootAll()
      return try world.job(id).state.isFinal
    }
    #expect(try world.job(id).state == .failed)
    #expect(world.market.snapshot.instances.count == 1)
    #expect(try world.instances(of: id).map(\.state) == [.running])
  }

  @Test(arguments: [JobState.queued, .provisioning, .running])
  func `cancel works in every phase and leaves nothing`(phase: JobState) async throws {
    let world = try World()
    world.shell.change { $0.endsAs = nil }
    if phase == .queued {
      world.market.change { $0.failures[.search] = Array(repeating: .unavailable(detail: "down"), count: 9) }
    }
    let id = try await world.submit()
    let reached = try await world.turn {
      if phase == .running { world.bootAll() }
      return try world.job(id).state == phase
    }
    #expect(reached)
    try await world.cancel(id)
    let ended = try await world.turn { try world.job(id).state.isFinal }
    #expect(ended)
    #expect(try world.job(id).state == .cancelled)
    #expect(world.market.snapshot.instances.isEmpty)
    if phase == .running { #expect(world.shell.snapshot.terminations >= 1) }
  }

  @Test func `a cancel that comes while offers are looked for rents nothing`() async throws {
    let world = try World()
    let id = ID<Job>(at: world.now)
    world.market.change { $0.duringSearch = { try? await world.cancel(id) } }
    try await world.insert(id)
    let ended = try await world.turn { try world.job(id).state.isFinal }
    #expect(ended)
    #expect(try world.job(id).state == .cancelled)
    #expect(try world.instances(of: id).isEmpty)
    #expect(world.market.count(.create) == 0)
  }

  @Test func `a cancel does not wait for the pause after an order that came back`() async throws {
    let world = try World()
    world.market.change { $0.failures[.create] = Array(repeating: .rateLimited(retryAfter: nil), count: 50) }
    let id = try await world.submit()
    let cameBack = try await world.turn {
      try world.market.count(.create) == 1 && world.instances(of: id).map(\.state) == [.requested]
    }
    #expect(cameBack)
    _ = await world.turn(rounds: 5) { false }
    #expect(world.market.count(.create) == 1, "no second order before the pause is over")
    try await world.cancel(id)
    // The clock stands still: only what needs no waiting happens.
    await eventually {
      _ = await world.current.instances.activate()
      return (try? world.job(id).state.isFinal) == true
    }
    #expect(try world.job(id).state == .cancelled)
    #expect(world.market.count(.create) == 1)
    #expect(try world.instances(of: id).map(\.state) == [.destroyed])
  }

  @Test(arguments: [
    MarketplaceError.unavailable(detail: "down"), .circuitOpen(retryAfter: .seconds(9)), .rateLimited(retryAfter: nil),
  ])
  func `an order that came back goes out again after its pause and does not count as an offer tried`(
    error: MarketplaceError
  ) async throws {
    let world = try World()
    world.market.change { $0.failures[.create] = Array(repeating: error, count: 7) }
    let id = try await world.submit()
    let ended = try await world.turn {
      world.bootAll()
      return try world.job(id).state.isFinal
    }
    #expect(ended)
    #expect(try world.job(id).attempt == 1)
    #expect(try world.instances(of: id).map(\.offersTried) == [1])
    #expect(world.market.count(.create) == 8)
  }

  @Test func `a queued job beyond the bound of active ones can still be cancelled`() async throws {
    let world = try World(maximumActiveJobs: 1)
    world.shell.change { $0.endsAs = nil }
    let first = try await world.submit()
    _ = try await world.turn {
      world.bootAll()
      return try world.job(first).state == .running
    }
    let second = try await world.submit()
    _ = await world.turn(rounds: 5) { false }
    #expect(try world.job(second).attempt == 0, "one at a time")
    try await world.cancel(second)
    let ended = try await world.turn { try world.job(second).state.isFinal }
    #expect(ended)
    #expect(try world.job(second).state == .cancelled)
    #expect(try world.job(first).state == .running)
  }

  @Test func `results that could not be brought back leave no half file`() async throws {
    let world = try World()
    let id = try await world.submit()
    _ = try world.data.jobDirectory(id)
    let partial = ResultsFile.partialPath(for: world.data.resultsPath(id))
    try world.folder.write([1, 2, 3], to: partial)
    world.shell.change { $0.answers["collect"] = RemoteResult(exitCode: 75) }
    _ = try await world.turn {
      world.bootAll()
      return try world.job(id).state.isFinal
    }
    #expect(try world.job(id).failure?.code == "results_lost")
    #expect(access(partial, F_OK) != 0)
  }

  @Test func `results that are refused here are set aside, and the failure says where`() async throws {
    let world = try World()
    let id = try await world.submit()
    _ = try world.data.jobDirectory(id)
    let path = world.data.resultsPath(id)
    // No archive.
    world.shell.change { $0.fileOutput = [1, 2, 3] }
    _ = try await world.turn {
      world.bootAll()
      return try world.job(id).state.isFinal
    }
    let job = try world.job(id)
    #expect(job.state == .failed && job.results == nil)
    #expect(job.failure?.code == "results_lost")
    #expect(job.failure?.detail.contains("jobs/\(id)/results.tar.gz.refused") == true)
    #expect(access(path + ".refused", F_OK) == 0)
    #expect(access(path, F_OK) != 0 && access(ResultsFile.partialPath(for: path), F_OK) != 0)
  }

  @Test func `inputs that no tar unpacks end the job at its first machine`() async throws {
    let world = try World()
    world.shell.change {
      $0.answers["receiveInputs"] = RemoteResult(exitCode: 65, standardError: Array("tar: no".utf8))
    }
    let id = try await world.submit { $0.inputUploadID = ID(at: world.now) }
    let ended = try await world.turn {
      world.bootAll()
      return try world.job(id).state.isFinal
    }
    let job = try world.job(id)
    #expect(ended)
    #expect(job.state == .failed && job.failure?.code == "bad_inputs")
    #expect(job.failure?.detail.contains("tar: no") == true)
    #expect(job.attempt == 1 && world.market.count(.create) == 1)
    #expect(world.market.snapshot.instances.isEmpty)
  }

  @Test(arguments: ["follow", "collect"])
  func `a job that deletes its own folder is told so`(verb: String) async throws {
    let world = try World()
    world.shell.change { $0.answers[verb] = RemoteResult(exitCode: 66) }
    let id = try await world.submit()
    _ = try await world.turn {
      world.bootAll()
      return try world.job(id).state.isFinal
    }
    let failure = try world.job(id).failure
    #expect(failure?.code == (verb == "follow" ? "workspace_gone" : "results_lost"))
    #expect(failure?.detail.contains("no longer has the job's folder") == true)
    #expect(world.market.snapshot.instances.isEmpty)
  }

  @Test func `a machine that does not start is destroyed and the next one is tried, up to the bound`() async throws {
    let world = try World()
    let id = try await world.submit { $0.maximumAttempts = 2 }
    let ended = try await world.turn(rounds: 900) { try world.job(id).state.isFinal }
    let job = try world.job(id)
    #expect(ended)
    #expect(job.state == .failed)
    #expect(job.failure?.code == "start_timeout")
    #expect(job.attempts.count == 2)
    #expect(Set(job.attempts.compactMap(\.machineID)).count == 2, "another machine each time")
    #expect(world.market.snapshot.instances.isEmpty)
    #expect(world.market.count(.create) == 2)
  }

  @Test func `jobs that are posted together do not use up their attempts on each other's offers`() async throws {
    let world = try World(offers: (1...30).map { .make(id: $0, dollars: 0.4 + Double($0) / 100) })
    // What they all see: the list as it was before the first of them rented, as a cache shows it.
    world.market.change { $0.showsRented = true }
    world.shell.change { $0.endsAs = .ended(exitCode: 0) }
    var ids: [ID<Job>] = []
    for _ in 0..<24 { ids.append(try await world.submit { $0.maximumAttempts = 1 }) }
    let ended = try await world.turn {
      world.bootAll()
      return try ids.allSatisfy { try world.job($0).state.isFinal }
    }
    #expect(ended)
    #expect(try ids.filter { try world.job($0).exitCode != 0 } == [], "each had a machine")
    #expect(world.market.count(.create) == 24, "no order for what another job has")
    #expect(world.market.snapshot.instances.isEmpty)
  }

  @Test func `a machine whose SSH stays deaf is replaced`() async throws {
    let world = try World()
    world.shell.change { $0.isReachable = false }
    let id = try await world.submit()
    _ = try await world.turn {
      world.bootAll()
      return try world.job(id).attempt == 2
    }
    #expect(try world.job(id).attempts.first?.failure?.code == "ssh_timeout")
    world.shell.change { $0.isReachable = true }
    let ended = try await world.turn {
      world.bootAll()
      return try world.job(id).state.isFinal
    }
    #expect(ended)
    #expect(try world.job(id).exitCode == 0)
    #expect(world.market.snapshot.instances.isEmpty)
  }

  @Test func `a machine without its GPU is replaced before the command costs anything`() async throws {
    let world = try World()
    world.shell.change { $0.gpus = "" }
    let id = try await world.submit { $0.maximumAttempts = 1 }
    _ = try await world.turn {
      world.bootAll()
      return try world.job(id).state.isFinal
    }
    #expect(try world.job(id).failure?.code == "gpu_missing")
    #expect(world.shell.snapshot.launches == 0)
  }

  @Test func `a command that runs too long is ended and its job fails with the bound`() async throws {
    let world = try World()
    world.shell.change { $0.endsAs = nil }
    let id = try await world.submit { $0.maximumDuration = .seconds(20) }
    _ = try await world.turn {
      world.bootAll()
      return try world.job(id).state.isFinal
    }
    let job = try world.job(id)
    #expect(job.failure?.code == "max_duration_exceeded")
    #expect(world.shell.snapshot.terminations == 1)
    #expect(world.market.snapshot.instances.isEmpty)
  }

  @Test func `a command that ended in time while nobody looked is not called too long`() async throws {
    let world = try World()
    world.shell.change { $0.endsAs = nil }
    let id = try await world.submit { $0.maximumDuration = .seconds(20) }
    _ = try await world.turn {
      world.bootAll()
      return try world.job(id).state == .running
    }
    // Down for longer than the bound: the command has ended meanwhile, and the line is slow to say so.
    try await world.restart(after: {
      world.shell.change { shell in
        shell.command = .ended(exitCode: 0)
        shell.log = Array("done\n".utf8)
        shell.hangingFollows = 1
      }
      world.clock.advance(by: .seconds(60))
    })
    _ = try await world.turn { try world.job(id).state.isFinal }
    let job = try world.job(id)
    #expect(job.exitCode == 0)
    #expect(job.failure?.code != "max_duration_exceeded")
    #expect(world.shell.snapshot.terminations == 0)
  }

  @Test func `a job that reaches its bound of cost is ended`() async throws {
    let world = try World()
    world.shell.change { $0.endsAs = nil }
    let id = try await world.submit { $0.maximumCost = Money(microdollars: 2_000) }
    _ = try await world.turn {
      world.bootAll()
      return try world.job(id).state.isFinal
    }
    #expect(try world.job(id).failure?.code == "max_cost_exceeded")
    #expect(world.market.snapshot.instances.isEmpty)
  }

  @Test func `a restart finds the running command and never starts it again`() async throws {
    let world = try World()
    world.shell.change { $0.endsAs = nil }
    let id = try await world.submit()
    _ = try await world.turn {
      world.bootAll()
      return try world.job(id).state == .running
    }
    try await world.restart()
    #expect(try world.job(id).state == .running)
    world.shell.change { $0.command = .ended(exitCode: 0) }
    let ended = try await world.turn { try world.job(id).state.isFinal }
    #expect(ended)
    #expect(world.shell.snapshot.launches == 1)
    #expect(try world.job(id).exitCode == 0)
  }

  @Test func `a lost answer to the order leads to one machine, found by its tag`() async throws {
    let world = try World()
    world.market.change { $0.lostAnswers = [.unknownOutcome(detail: "cut")] }
    let id = try await world.submit()
    let ended = try await world.turn {
      world.bootAll()
      return try world.job(id).state.isFinal
    }
    #expect(ended)
    #expect(try world.job(id).exitCode == 0)
    #expect(world.market.snapshot.everCreated.count == 1)
    #expect(world.market.snapshot.instances.isEmpty)
  }

  @Test func `an order that surely came to nothing after all is settled before the next machine is rented`()
    async throws
  {
    let world = try World()
    world.market.change { $0.failures[.create] = [.unknownOutcome(detail: "timeout")] }
    let id = try await world.submit()
    let begun = world.now
    let ended = try await world.turn {
      world.bootAll()
      return try world.job(id).attempt == 2
    }
    #expect(ended)
    #expect(world.now - begun >= .seconds(90), "complete lists must lack it for the settling time")
    #expect(try world.job(id).attempts.first?.failure?.code == "never_created")
  }

  @Test func `a taken offer moves to the next without using up an attempt`() async throws {
    let world = try World()
    world.market.change { $0.failures[.create] = [.offerTaken(offerID: 1)] }
    let id = try await world.submit { $0.maximumAttempts = 1 }
    _ = try await world.turn {
      world.bootAll()
      return try world.job(id).state.isFinal
    }
    #expect(try world.job(id).exitCode == 0)
    #expect(world.market.count(.create) == 2)
    #expect(try world.instances(of: id).count == 1)
  }

  @Test func `a rental that exists but cannot run is destroyed and the next machine tried`() async throws {
    let world = try World()
    world.market.change { state in
      state.nextID = 5000
      var broken = MarketInstance(id: MarketID(5000))
      broken.label = "someone"
      state.instances[broken.id] = broken
      state.failures[.create] = [.createdUnusable(id: MarketID(5000), reason: "bid too low")]
    }
    let id = try await world.submit()
    _ = try await world.turn {
      for id in world.market.snapshot.instances.keys where id != MarketID(5000) { world.market.boot(id) }
      return try world.job(id).state.isFinal
    }
    #expect(try world.job(id).attempts.first?.failure?.code == "created_unusable")
    #expect(world.market.snapshot.instances.isEmpty)
  }

  @Test(arguments: [
    (MarketplaceError.unauthorized(detail: "Invalid user key"), "provider_unauthorized"),
    (.insufficientCredit(detail: "balance"), "insufficient_credit"),
  ])
  func `what a person must mend fails the job with words for that person`(
    error: MarketplaceError, code: String
  ) async throws {
    let world = try World()
    world.market.change { $0.failures[.create] = [error] }
    let id = try await world.submit()
    _ = try await world.turn { try world.job(id).state.isFinal }
    let job = try world.job(id)
    #expect(job.state == .failed)
    #expect(job.failure?.code == code)
    #expect(job.attempts.count == 1)
    #expect(world.market.snapshot.everCreated.isEmpty)
  }

  @Test func `a job for which nothing fits waits while a machine of our own is alive, and fails when none is`()
    async throws
  {
    let world = try World(offers: [.make(id: 1)])
    world.shell.change { $0.endsAs = nil }
    let first = try await world.submit()
    _ = try await world.turn {
      world.bootAll()
      return try world.job(first).state == .running
    }
    let second = try await world.submit()
    let isWaiting = try await world.turn { try world.job(second).failure != nil }
    #expect(isWaiting)
    #expect(try world.job(second).state == .queued)
    #expect(try world.job(second).failure?.code == "no_offers")
    world.shell.change { $0.command = .ended(exitCode: 0) }
    let firstIsOver = try await world.turn { try world.job(first).state.isFinal }
    #expect(firstIsOver)
    world.shell.change { $0.command = .notStarted }
    let secondRuns = try await world.turn {
      world.bootAll()
      return try world.job(second).state == .running
    }
    #expect(secondRuns)
    #expect(try world.job(second).failure == nil)
  }

  @Test func `an unknown GPU and a price too low are told apart, with what there is`() async throws {
    let world = try World()
    let unknown = try await world.submit { $0.resources.gpuName = "RTX 9999" }
    let tooCheap = try await world.submit { $0.resources.maximumPricePerHour = Money(microdollars: 1000) }
    _ = try await world.turn { try world.job(unknown).state.isFinal && world.job(tooCheap).state.isFinal }
    let first = try #require(try world.job(unknown).failure)
    #expect(first.code == "no_such_gpu")
    #expect(first.detail.contains("RTX 4090"))
    let second = try #require(try world.job(tooCheap).failure)
    #expect(second.code == "no_offers_within_price")
    #expect(second.detail.contains("0.4"))
    #expect(world.market.count(.create) == 0)
  }

  @Test func `a job waits while Vast cannot be reached, says why, and goes on when it can`() async throws {
    let world = try World()
    world.market.change { $0.failures[.search] = Array(repeating: .unavailable(detail: "refused"), count: 3) }
    let id = try await world.submit()
    let told = try await world.turn { try world.job(id).failure?.code == "provider_unavailable" }
    #expect(told)
    #expect(try world.job(id).state == .queued)
    let ended = try await world.turn {
      world.bootAll()
      return try world.job(id).state.isFinal
    }
    #expect(ended)
    #expect(try world.job(id).exitCode == 0)
  }

  @Test func `a machine that vanishes under a command fails the job on proof, not on one short list`() async throws {
    let world = try World()
    world.shell.change { $0.endsAs = nil }
    let id = try await world.submit { $0.recovers = false }
    _ = try await world.turn {
      world.bootAll()
      return try world.job(id).state == .running
    }
    let market = try #require(try world.instances(of: id).first?.marketID)
    world.market.change { _ = $0.hidden.insert(market) }
    _ = await world.turn(rounds: 120) { false }
    #expect(try world.job(id).state == .running, "hidden from lists, but a direct read shows it")
    let readsBefore = world.market.count(.read)
    world.market.change { _ = $0.instances.removeValue(forKey: market) }
    let ended = try await world.turn { try world.job(id).state.isFinal }
    #expect(ended)
    #expect(try world.job(id).failure?.code == "instance_gone")
    // Two to find it lost, two more to prove the destroy.
    #expect(world.market.count(.read) - readsBefore >= 4, "one read is no proof")
  }

  @Test func `a host key that changes ends the trust in that machine`() async throws {
    let world = try World()
    world.shell.change { $0.failures = [.hostKeyChanged] }
    let id = try await world.submit { $0.maximumAttempts = 1 }
    _ = try await world.turn {
      world.bootAll()
      return try world.job(id).state.isFinal
    }
    #expect(world.shell.snapshot.launches == 0)
    #expect(try world.job(id).state == .failed)
    #expect(world.market.snapshot.instances.isEmpty)
  }

  @Test func `a refused key is attached again`() async throws {
    let world = try World()
    world.shell.change { $0.failures = [.permissionDenied] }
    let id = try await world.submit()
    _ = try await world.turn {
      world.bootAll()
      return try world.job(id).state.isFinal
    }
    #expect(world.market.count(.attachKey) == 2)
    #expect(try world.job(id).exitCode == 0)
  }

  @Test func `what is not ours is never touched`() async throws {
    let world = try World()
    var stranger = MarketInstance(id: MarketID(1))
    stranger.label = "somebody's #vastd/other/ins_00000000000000000000000000"
    world.market.change { $0.instances[stranger.id] = stranger }
    let id = try await world.submit()
    _ = try await world.turn {
      world.bootAll()
      return try world.job(id).state.isFinal
    }
    #expect(world.market.snapshot.instances.keys.sorted() == [MarketID(1)])
  }
}
