import Artifacts
import Domain
import Glibc
import Store
import TestSupport
import Testing

@Suite struct `Recovery of lost work` {
  @Test func `an outbid machine has one successor, on another machine, and the old one is destroyed first`()
    async throws
  {
    let world = try World()
    let (id, market) = try await world.runningJob { $0.resources.isInterruptible = true }
    world.outbid(market)
    #expect(try await world.runsAgain(id, attempt: 2))
    let instances = try world.instances(of: id)
    #expect(instances.count == 2)
    #expect(instances[0].state == .destroyed && instances[0].failure?.code == "preempted")
    #expect(instances[0].machineID != instances[1].machineID)
    let told = try world.events()
    let preempted = try #require(told.first { $0.event.type == "instance.preempted" })
    #expect(
      preempted.event.data["action"]
        == "it is started once more; if that fails, another machine begins anew")
    #expect(preempted.event.data["expected"] == .flag(false))
    let recovered = told.filter { $0.event.type == "instance.recovered" }
    #expect(recovered.map(\.event.subject) == [instances[1].id.rawValue])
    #expect(recovered.first?.event.data["replaces"] == .text(instances[0].id.rawValue))
    let destroyedAt = try #require(told.firstIndex { $0.event.type == "instance.destroyed" })
    let createdAt = try #require(told.lastIndex { $0.event.type == "instance.created" })
    #expect(destroyedAt < createdAt, "never two at a time")
  }

  @Test func `a machine that comes to nothing on the way does not hide whom the next one replaces`() async throws {
    let world = try World()
    let (id, market) = try await world.runningJob()
    world.crash(market)
    // The second machine has no GPU, the third has.
    let gpus = world.shell.snapshot.gpus
    world.shell.change { $0.gpus = "" }
    _ = try await world.turn(rounds: 1500) {
      world.bootAll()
      return try world.job(id).attempts.count == 2 && world.job(id).attempts[1].failure != nil
    }
    world.shell.change { $0.gpus = gpus }
    #expect(try await world.runsAgain(id, attempt: 3))
    let instances = try world.instances(of: id)
    let recovered = try world.events().filter { $0.event.type == "instance.recovered" }
    #expect(recovered.map(\.event.subject) == [instances[2].id.rawValue])
    #expect(recovered.first?.event.data["replaces"] == .text(instances[0].id.rawValue))
  }

  @Test func `a job that is not to be recovered fails with what happened`() async throws {
    let world = try World()
    let (id, market) = try await world.runningJob { $0.recovers = false }
    world.crash(market)
    _ = try await world.turn { try world.job(id).state.isFinal }
    #expect(try world.job(id).failure?.code == "instance_exited")
    #expect(try world.instances(of: id).count == 1)
    let told = try #require(try world.events().first { $0.event.type == "instance.exited" })
    #expect(told.event.data["action"] == "the job fails: it is not to be recovered")
  }

  @Test func `a machine that is destroyed on purpose is no loss`() async throws {
    let world = try World()
    let (id, _) = try await world.runningJob()
    let instance = try #require(try world.instances(of: id).first)
    try await world.store.write { (tx) throws(StoreError) in
      guard var row = try tx.instance(instance.id) else { return }
      row.desired = .destroyed
      _ = try tx.update(&row)
    }
    _ = try await world.turn { try world.job(id).state.isFinal }
    #expect(try world.job(id).failure?.code == "instance_destroyed")
    #expect(try world.instances(of: id).count == 1)
    #expect(
      try !world.events().contains { $0.event.type == "instance.preempted" || $0.event.type == "instance.exited" })
  }

  @Test func `attempts are bounded, and the last loss fails the job`() async throws {
    let world = try World()
    let (id, market) = try await world.runningJob { $0.maximumAttempts = 2 }
    world.crash(market)
    #expect(try await world.runsAgain(id, attempt: 2))
    let second = try #require(try world.instances(of: id).last?.marketID)
    world.crash(second)
    _ = try await world.turn { try world.job(id).state.isFinal }
    #expect(try world.job(id).state == .failed)
    #expect(try world.job(id).failure?.code == "instance_exited")
    #expect(try world.instances(of: id).allSatisfy { $0.state == .destroyed })
  }

  @Test func `the second loss waits, and the fourth within an hour waits for the hour`() async throws {
    let world = try World(offers: (1...6).map { .make(id: $0, dollars: 0.4) })
    var (id, market) = try await world.runningJob { $0.maximumAttempts = 9 }
    var waits: [Duration] = []
    for attempt in 2...4 {
      world.crash(market)
      _ = try await world.turn { try world.job(id).attempts.last?.failure != nil }
      let lostAt = world.now
      #expect(
        try await world.turn(rounds: 5000) {
          world.bootAll()
          return try world.job(id).state == .running && world.job(id).attempt == attempt
        })
      waits.append(world.now - lostAt)
      market = try #require(try world.instances(of: id).last?.marketID)
    }
    id = try world.job(id).id
    #expect(waits[0] < .seconds(30))
    #expect(waits[1] >= .seconds(30))
    #expect(waits[2] > .seconds(3000), "three within an hour are enough for that hour")
  }

  @Test func `a failed machine is left alone by other jobs too, until it is all that is left`() async throws {
    let world = try World(offers: [.make(id: 1, dollars: 0.4), .make(id: 2, dollars: 0.5)])
    let (id, market) = try await world.runningJob()
    world.crash(market)
    #expect(try await world.runsAgain(id, attempt: 2))
    let lost = try #require(try world.instances(of: id).first?.machineID)
    let exclusions = try world.store.read { (r) throws(StoreError) in try r.exclusions(at: world.now) }
    #expect(exclusions.map(\.machineID) == [lost])
    #expect(exclusions.map(\.reason) == ["instance_exited"])
    // The cheapest is excluded, the other is held: it is taken all the same.
    let other = try await world.submit()
    _ = try await world.turn { try world.job(other).attempt > 0 }
    #expect(try world.job(other).attempts.first?.machineID == lost)
  }

  @Test func `lost work waits a day for a machine that fits, and then fails with the reason`() async throws {
    let world = try World(offers: [.make(id: 1, dollars: 0.4)])
    let (id, market) = try await world.runningJob()
    world.market.change { $0.offers = [] }
    world.crash(market)
    _ = try await world.turn { try world.job(id).failure?.code == "no_offers" }
    #expect(try world.job(id).state == .queued)
    world.clock.advance(by: .seconds(23 * 3600))
    _ = await world.turn(rounds: 130) { false }
    #expect(try world.job(id).state == .queued)
    world.clock.advance(by: .seconds(3600))
    _ = try await world.turn { try world.job(id).state.isFinal }
    #expect(try world.job(id).failure?.code == "no_offers")
  }

  @Test func `a command that is gone with its machine there begins anew on the same machine, once`() async throws {
    let world = try World()
    let (id, _) = try await world.runningJob()
    world.shell.change { $0.command = .vanished }
    _ = try await world.turn { try world.job(id).attempt == 2 }
    #expect(try world.instances(of: id).count == 1)
    #expect(try await world.runsAgain(id, attempt: 2))
    #expect(try world.instances(of: id).count == 1)
    #expect(try world.job(id).attempts.map { $0.failure?.code } == ["command_vanished", nil])
    // A second time the machine is to blame.
    world.shell.change { $0.command = .vanished }
    _ = try await world.turn { try world.job(id).attempts.last?.failure != nil }
    #expect(try await world.runsAgain(id, attempt: 3))
    #expect(try world.instances(of: id).count == 2)
  }

  @Test(arguments: [RemoteStatus.State.vanished, .ended(exitCode: 137)])
  func `what the last attempt's command left behind is brought home, when its machine answers`(
    state: RemoteStatus.State
  ) async throws {
    let world = try World()
    let (id, _) = try await world.runningJob { specification in
      specification.maximumAttempts = 1
      specification.checkpoint = CheckpointPolicy(interval: .seconds(3600))
    }
    world.shell.change { shell in
      shell.fileOutput = Archives.good
      shell.command = state
    }
    _ = try await world.turn { try world.job(id).state.isFinal }
    let job = try world.job(id)
    #expect(job.state == .failed && job.results != nil)
    #expect(job.failure?.code == (state == .vanished ? "command_vanished" : "command_killed"))
    #expect(job.exitCode == (state == .vanished ? nil : 137))
  }

  @Test func `the machine of a last attempt is kept where the caller asked for that`() async throws {
    let world = try World()
    let (id, _) = try await world.runningJob { specification in
      specification.maximumAttempts = 1
      specification.onFailure = .keep
    }
    world.shell.change { $0.command = .notStarted }
    _ = try await world.turn { try world.job(id).state.isFinal }
    #expect(try world.job(id).failure?.code == "workspace_gone")
    #expect(try world.instances(of: id).map(\.state) == [.running])
  }

  @Test func `a command that vastd ended is not taken for one that was killed, by the vastd after it either`()
    async throws
  {
    let world = try World()
    let (id, _) = try await world.runningJob { specification in
      specification.maximumDuration = .seconds(100)
      specification.checkpoint = CheckpointPolicy(interval: .seconds(3600))
    }
    world.clock.advance(by: .seconds(200))
    // The one before was killed between the end of the command and its word about it.
    try await world.restart {
      world.shell.change { shell in
        shell.terminations = 1
        shell.command = .ended(exitCode: 143)
      }
    }
    _ = try await world.turn { try world.job(id).state.isFinal }
    let job = try world.job(id)
    #expect(job.attempt == 1 && job.failure?.code == "max_duration_exceeded")
    #expect(world.shell.snapshot.launches == 1)
  }

  @Test func `a host that is silent ends a job that is not to be recovered`() async throws {
    let world = try World()
    let (id, market) = try await world.runningJob { $0.recovers = false }
    world.market.set(market) { $0.actualStatus = "offline" }
    _ = try await world.turn(rounds: 800) { try world.job(id).state.isFinal }
    #expect(try world.job(id).failure?.code == "host_offline")
    #expect(try world.instances(of: id).count == 1)
  }

  @Test func `a damaged copy gives way to the one before it, and copies that nobody names are removed`() async throws {
    let world = try World()
    let (id, market) = try await world.runningJob { $0.checkpoint = CheckpointPolicy(interval: .seconds(20)) }
    world.shell.change { $0.fileOutput = Archives.good }
    for mark in ["e1", "e2"] {
      world.shell.change { $0.answers["checkpoint"] = .checkpoint(mark) }
      #expect(try await world.turn { try self.checkpoints(world, id).first?.mark == mark })
    }
    let kept = try checkpoints(world, id)
    world.shell.change { $0.answers["checkpoint"] = RemoteResult(exitCode: 76) }
    let path = world.data.checkpointPath(kept[0].id, of: id)
    #expect(truncate(path, 3) == 0)
    let half = world.data.checkpointPath(ID(at: world.now), of: id) + ".partial"
    close(open(half, O_CREAT | O_WRONLY, 0o600))
    try await world.restart()
    world.outbid(market)
    #expect(try await world.runsAgain(id, attempt: 2))
    #expect(try world.job(id).attempts.last?.checkpointID == kept[1].id)
    // The next look at the running job removes it.
    #expect(await world.turn { access(half, F_OK) != 0 })
    #expect(try files(world, id).count == 2)
  }

  @Test func `checkpoints are taken while the command runs, two are kept, and the next attempt begins with the last`()
    async throws
  {
    let world = try World()
    let (id, market) = try await world.runningJob { $0.checkpoint = CheckpointPolicy(interval: .seconds(20)) }
    world.shell.change { $0.fileOutput = Archives.good }
    for mark in ["a1", "a2", "a3"] {
      world.shell.change { $0.answers["checkpoint"] = .checkpoint(mark) }
      #expect(try await world.turn { try self.checkpoints(world, id).first?.mark == mark })
    }
    let kept = try checkpoints(world, id)
    #expect(kept.map(\.mark) == ["a3", "a2"])
    for checkpoint in kept { #expect(access(world.data.checkpointPath(checkpoint.id, of: id), F_OK) == 0) }
    #expect(try files(world, id).count == 2)
    // Nothing new: nothing is written.
    world.shell.change { $0.answers["checkpoint"] = RemoteResult(exitCode: 76) }
    _ = await world.turn(rounds: 60) { false }
    #expect(try checkpoints(world, id) == kept)
    #expect(try world.events().filter { $0.event.type == "job.checkpoint" }.count == 3)
    let asked = world.shell.snapshot.scripts.filter { $0.hasPrefix("# vastd checkpoint\n") }
    #expect(asked.last?.contains("'a3'") == true, "the known mark is sent")

    world.outbid(market)
    #expect(try await world.runsAgain(id, attempt: 2))
    let restores = world.shell.snapshot.scripts.filter { $0.hasPrefix("# vastd restore\n") }
    #expect(restores.count == 1)
    let installs = world.shell.snapshot.scripts.filter { $0.hasPrefix("# vastd install\n") }
    #expect(installs.map { $0.contains("VASTD_RESUME=1") } == [false, true])
    #expect(try world.job(id).attempts.last?.checkpointID == kept[0].id)
    let recovered = try #require(try world.events().first { $0.event.type == "instance.recovered" })
    #expect(recovered.event.data["checkpoint_id"] == .text(kept[0].id.rawValue))
  }

  @Test func `a copy that fails or does not hold is told once, and the last good one stays`() async throws {
    let world = try World()
    let (id, _) = try await world.runningJob { $0.checkpoint = CheckpointPolicy(interval: .seconds(20)) }
    world.shell.change { shell in
      shell.fileOutput = Archives.good
      shell.answers["checkpoint"] = .checkpoint("b1")
    }
    #expect(try await world.turn { try self.checkpoints(world, id).count == 1 })
    let good = try checkpoints(world, id)
    for (bytes, answer) in [
      (Archives.good, RemoteResult(exitCode: 77)), (Array("no archive".utf8), .checkpoint("b2")),
      (Archives.good, RemoteResult(exitCode: 0)),
    ] {
      world.shell.change { shell in
        shell.fileOutput = bytes
        shell.answers["checkpoint"] = answer
      }
      _ = await world.turn(rounds: 50) { false }
    }
    #expect(try checkpoints(world, id) == good)
    #expect(try files(world, id).count == 1, "no half copy is left")
    #expect(try world.job(id).state == .running)
    #expect(try world.events().filter { $0.event.type == "job.checkpoint_failed" }.count == 1)
  }

  @Test func `a restart keeps checkpoints and goes on taking them`() async throws {
    let world = try World()
    let (id, market) = try await world.runningJob { $0.checkpoint = CheckpointPolicy(interval: .seconds(20)) }
    world.shell.change { shell in
      shell.fileOutput = Archives.good
      shell.answers["checkpoint"] = .checkpoint("c1")
    }
    #expect(try await world.turn { try self.checkpoints(world, id).count == 1 })
    try await world.restart()
    world.shell.change { $0.answers["checkpoint"] = .checkpoint("c2") }
    #expect(try await world.turn { try self.checkpoints(world, id).map(\.mark) == ["c2", "c1"] })
    world.outbid(market)
    #expect(try await world.runsAgain(id, attempt: 2))
    #expect(try world.job(id).attempts.last?.checkpointID == self.checkpoints(world, id).first?.id)
  }

  @Test func `the first checkpoint is due by the command's start, however often vastd is restarted`() async throws {
    let world = try World()
    let (id, _) = try await world.runningJob { $0.checkpoint = CheckpointPolicy(interval: .seconds(60)) }
    world.shell.change { shell in
      shell.fileOutput = Archives.good
      shell.answers["checkpoint"] = .checkpoint("d1")
    }
    for _ in 0..<4 {
      _ = await world.turn(rounds: 20) { false }
      try await world.restart()
    }
    #expect(try checkpoints(world, id).map(\.mark) == ["d1"])
  }

  private func checkpoints(_ world: World, _ id: ID<Job>) throws -> [Checkpoint] {
    try world.store.read { (r) throws(StoreError) in try r.checkpoints(ofJob: id) }
  }

  private func files(_ world: World, _ id: ID<Job>) throws -> [String] {
    let path = try world.data.checkpointDirectory(id)
    guard let folder = opendir(path) else { return [] }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
        tuple.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }
}

extension RemoteResult {
  fileprivate static func checkpoint(_ mark: String) -> RemoteResult {
    RemoteResult(exitCode: 0, standardError: Array("vastd-mark \(mark)\n".utf8))
  }
}
