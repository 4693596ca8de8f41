import Artifacts
import Domain
import Glibc
import Reconcilers
import Store
import TestSupport
import Testing

/// What ends a machine's turn: each with a code of its own, that machine never again, the next one within the bounds.
@Suite struct `Watchdogs` {
  private func world() throws -> World {
    let world = try World()
    world.shell.change {
      $0.isNewOnEachMachine = true
      $0.endsAs = nil
    }
    return world
  }

  /// Turns until the job has ended; whatever runs on the second machine ends well, after saying so.
  private func finish(_ world: World, _ id: ID<Job>, says log: String = "") async throws -> Job {
    let ended = try await world.turn(rounds: 1500) {
      if try world.job(id).attempt == 2, world.shell.snapshot.endsAs == nil {
        world.shell.change {
          $0.endsAs = .ended(exitCode: 0)
          $0.log = Array(log.utf8)
        }
      }
      world.bootAll()
      return try world.job(id).state.isFinal
    }
    #expect(ended)
    return try world.job(id)
  }

  private func expectNextMachine(_ job: Job, after code: String, in world: World) {
    #expect(job.exitCode == 0)
    #expect(job.attempts.map { $0.failure?.code == code } == [true, false], "\(job.attempts)")
    #expect(Set(job.attempts.compactMap(\.machineID)).count == 2, "another machine")
    #expect(job.failedMachines.isSuperset(of: job.attempts.prefix(1).compactMap(\.machineID)))
    #expect(world.market.snapshot.instances.isEmpty)
  }

  @Test func `a silent command is ended and tried on the next machine, and both outputs are kept`() async throws {
    let world = try world()
    world.shell.change { $0.cutFollows = [Array("one\n".utf8), [], [], [], []] }
    let id = try await world.submit { $0.idleTimeout = .seconds(60) }
    let job = try await finish(world, id, says: "two\n")
    expectNextMachine(job, after: "idle_timeout", in: world)
    #expect(world.shell.snapshot.terminations == 1 && world.shell.snapshot.launches == 2)
    #expect(job.attempts.map(\.logStart) == [0, 4])
    let log = try text(of: world.data.logPath(id))
    #expect(log == "one\ntwo\n")
    let follows = world.shell.snapshot.scripts.filter { $0.contains("# vastd follow") }
    #expect(follows.last?.contains("o=0;") == true, "the second machine's log is read from its beginning")
  }

  @Test func `after a power cut the log of a running command is fetched again, over its holes`()
    async throws
  {
    let world = try world()
    world.shell.change { $0.cutFollows = [Array("one\ntwo\n".utf8)] }
    let id = try await world.submit { $0.idleTimeout = .seconds(600) }
    let path = world.data.logPath(id)
    _ = try await world.turn(rounds: 200) {
      world.bootAll()
      return try world.job(id).state == .running && world.shell.snapshot.cutFollows.isEmpty
    }
    #expect(try text(of: path) == "one\ntwo\n")
    // What the disk kept: a sector that never came, and a mark of another boot.
    try await world.restart {
      overwrite(path, with: Array("one\n".utf8) + [0, 0, 0, 0])
      overwrite(path + ".boot", with: Array("another".utf8))
    }
    world.shell.change { $0.cutFollows = [Array("one\n".utf8), Array("two\nthree\n".utf8)] }
    _ = await world.turn(rounds: 50) { world.shell.snapshot.cutFollows.isEmpty }
    #expect(try text(of: path) == "one\ntwo\nthree\n")
    world.shell.change {
      $0.log = Array("four\n".utf8)
      $0.command = .ended(exitCode: 0)
    }
    _ = try await world.turn { try world.job(id).state.isFinal }
    #expect(try text(of: path) == "one\ntwo\nthree\nfour\n")
    #expect(follows(world).suffix(3) == ["o=0;", "o=4;", "o=14;"])
  }

  @Test func `after the death of vastd alone the log is fetched on from where it ends`() async throws {
    let world = try world()
    world.shell.change { $0.cutFollows = [Array("one\n".utf8)] }
    let id = try await world.submit { $0.idleTimeout = .seconds(600) }
    _ = try await world.turn(rounds: 200) {
      world.bootAll()
      return try world.job(id).state == .running && world.shell.snapshot.cutFollows.isEmpty
    }
    try await world.restart()
    world.shell.change {
      $0.log = Array("two\n".utf8)
      $0.command = .ended(exitCode: 0)
    }
    _ = try await world.turn { try world.job(id).state.isFinal }
    #expect(try text(of: world.data.logPath(id)) == "one\ntwo\n")
    #expect(follows(world).last == "o=4;")
  }

  /// From which byte each follower began.
  private func follows(_ world: World) -> [String] {
    world.shell.snapshot.scripts.filter { $0.contains("# vastd follow") }.compactMap { script in
      script.split(separator: "\n").first { $0.hasPrefix("o=") }?.split(separator: " ").first.map(String.init)
    }
  }

  private func overwrite(_ path: String, with bytes: [UInt8]) {
    let file = fopen(path, "w")
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
  }

  @Test func `what a command writes between the last look and its end is fetched too`() async throws {
    let world = try world()
    world.shell.change { shell in
      shell.cutFollows = [Array("one\n".utf8)]
      let line =
        "vastd-status state=ended pid=7 code=0 prepared=1 inputs=1 installed=1 setup_failed=0 told=0 log=8 idle=0 free=1000000000\n"
      shell.answers["status"] = RemoteResult(exitCode: 0, standardOutput: Array(line.utf8))
    }
    let id = try await world.submit { $0.idleTimeout = .seconds(60) }
    _ = await world.turn(rounds: 100) {
      world.bootAll()
      return world.shell.snapshot.scripts.count(where: { $0.contains("# vastd follow") }) == 2
    }
    world.shell.change { shell in
      shell.log = Array("two\n".utf8)
      shell.command = .ended(exitCode: 0)
    }
    _ = try await world.turn { try world.job(id).state.isFinal }
    #expect(try world.job(id).exitCode == 0)
    #expect(try text(of: world.data.logPath(id)) == "one\ntwo\n")
  }

  @Test func `a connection that breaks does not end a silence`() async throws {
    let world = try world()
    world.shell.change { $0.cutFollows = [[], [], nil, [], []] }
    let id = try await world.submit { $0.idleTimeout = .seconds(60) }
    let job = try await finish(world, id, says: "two\n")
    expectNextMachine(job, after: "idle_timeout", in: world)
  }

  @Test func `a command that says a byte now and then is not silent`() async throws {
    let world = try world()
    world.shell.change { $0.cutFollows = [[], [], [], [46], [], [], [], [46], [], [], []] }
    let id = try await world.submit { $0.idleTimeout = .seconds(60) }
    _ = await world.turn(rounds: 100) {
      world.bootAll()
      return world.shell.snapshot.cutFollows.isEmpty
    }
    #expect(world.shell.snapshot.cutFollows.isEmpty)
    #expect(try world.job(id).state == .running)
    #expect(world.shell.snapshot.terminations == 0)
    world.shell.change { $0.command = .ended(exitCode: 0) }
    _ = try await world.turn { try world.job(id).state.isFinal }
    #expect(try world.job(id).exitCode == 0)
  }

  @Test func `silent on the last machine too, the job fails with the bound after what is left was collected`()
    async throws
  {
    let world = try world()
    world.shell.change { $0.cutFollows = [[], [], [], []] }
    let id = try await world.submit {
      $0.idleTimeout = .seconds(60)
      $0.maximumAttempts = 1
    }
    _ = try await world.turn {
      world.bootAll()
      return try world.job(id).state.isFinal
    }
    let job = try world.job(id)
    #expect(job.state == .failed && job.failure?.code == "idle_timeout")
    #expect(job.phases.map(\.name).contains("collecting"))
    #expect(world.market.snapshot.instances.isEmpty)
  }

  @Test func `a command that fails on a full disk is tried on the next machine`() async throws {
    let world = try world()
    world.shell.change {
      $0.endsAs = .ended(exitCode: 1)
      $0.freeBytes = 4096
    }
    let id = try await world.submit { $0.maximumAttempts = 2 }
    _ = try await world.turn(rounds: 900) {
      world.bootAll()
      return try world.job(id).state.isFinal
    }
    let job = try world.job(id)
    #expect(job.failure?.code == "disk_full")
    #expect(job.attempts.compactMap { $0.failure?.code }.first == "disk_full")
    #expect(Set(job.attempts.compactMap(\.machineID)).count == 2)
    #expect(world.market.count(.create) == 2 && world.market.snapshot.instances.isEmpty)
  }

  @Test func `a command that ends well on a full disk has ended well`() async throws {
    let world = try world()
    world.shell.change {
      $0.endsAs = .ended(exitCode: 0)
      $0.freeBytes = 0
    }
    let id = try await world.submit()
    _ = try await world.turn {
      world.bootAll()
      return try world.job(id).state.isFinal
    }
    #expect(try world.job(id).exitCode == 0)
    #expect(world.market.count(.create) == 1)
  }

  @Test func `a host that stays offline beyond the grace is given up for the next machine`() async throws {
    let world = try world()
    let id = try await world.submit()
    _ = try await world.turn {
      world.bootAll()
      return try world.job(id).state == .running
    }
    let market = try #require(try world.instances(of: id).first?.marketID)
    let begun = world.now
    world.market.change { $0.instances[market]?.actualStatus = "offline" }
    _ = await world.turn(rounds: 300) { false }
    #expect(try world.job(id).state == .running, "half of the grace")
    _ = try await world.turn(rounds: 900) { try world.job(id).state == .queued || world.job(id).attempt == 2 }
    #expect(world.now - begun >= .seconds(590))
    let job = try await finish(world, id)
    expectNextMachine(job, after: "host_offline", in: world)
  }

  @Test func `an image that a host cannot pull is tried on the next machine`() async throws {
    let world = try world()
    let id = try await world.submit()
    _ = try await world.turn {
      for market in world.market.snapshot.instances.keys {
        world.market.change {
          $0.instances[market]?.actualStatus = "loading"
          $0.instances[market]?.statusMessage =
            "Error response from daemon: toomanyrequests: You have reached your limit"
        }
      }
      return try world.job(id).state == .queued && world.job(id).attempt == 1
    }
    let job = try await finish(world, id)
    expectNextMachine(job, after: "image_pull_failed", in: world)
  }

  private func text(of path: String) throws -> String {
    let descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else { return "" }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 1000)
    let count = read(descriptor, &bytes, bytes.count)
    return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
  }
}
