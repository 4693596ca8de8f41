import Domain
import Reconcilers
import TestSupport
import Testing

@Suite struct `The leases of machines` {
  @Test func `a machine's lease begins once its SSH answers and is renewed while the job is watched`() async throws {
    let world = try World()
    world.shell.change { $0.endsAs = nil }
    let id = try await world.submit { $0.lease = .seconds(100) }
    _ = try await world.turn {
      #expect(world.shell.snapshot.leases.isEmpty, "SSH has not answered yet")
      return try world.job(id).state != .queued
    }
    _ = try await world.turn {
      world.bootAll()
      return try world.job(id).state == .running
    }
    _ = await world.turn(rounds: 5) { !world.shell.snapshot.leases.isEmpty }
    let begun = world.shell.snapshot
    #expect(begun.leases.count == 1)
    let script = try #require(begun.scripts.first { $0.contains("# vastd lease") })
    #expect(script.contains("+ 100)") && script.contains("https://vast.example"))
    #expect(begun.leases.first?.pinName == (try world.instances(of: id).first?.pinName))
    _ = await world.turn(rounds: 100) { false }
    let renewals = world.shell.snapshot.leases.count
    #expect((9...13).contains(renewals), "one in a tenth of the span: \(renewals)")
    // Its end is nobody's to renew.
    world.shell.change { $0.command = .ended(exitCode: 0) }
    _ = try await world.turn { try world.job(id).state.isFinal }
    let last = world.shell.snapshot.leases.count
    _ = await world.turn(rounds: 50) { false }
    #expect(world.shell.snapshot.leases.count == last)
  }

  @Test func `a job that wants no lease gets none`() async throws {
    let world = try World()
    let id = try await world.submit()
    _ = try await world.turn {
      world.bootAll()
      return try world.job(id).state.isFinal
    }
    #expect(try world.job(id).exitCode == 0)
    #expect(world.shell.snapshot.leases.isEmpty)
  }

  @Test func `a restart renews at once, and a broken line is tried again before the lease ends`() async throws {
    let world = try World()
    world.shell.change { $0.endsAs = nil }
    let id = try await world.submit { $0.lease = .seconds(21600) }
    _ = try await world.turn {
      world.bootAll()
      return try world.job(id).state == .running && !world.shell.snapshot.leases.isEmpty
    }
    let before = world.shell.snapshot.leases.count
    try await world.restart()
    _ = await world.turn(rounds: 5) { world.shell.snapshot.leases.count > before }
    #expect(world.shell.snapshot.leases.count == before + 1)
    world.shell.change { $0.failures = [.unreachable(detail: "cut"), .timedOut] }
    _ = await world.turn(rounds: 330) { world.shell.snapshot.leases.count > before + 1 }
    #expect(world.shell.snapshot.failures.isEmpty)
    #expect(world.shell.snapshot.leases.count == before + 2)
    #expect(try world.job(id).state == .running)
  }

  @Test(arguments: [RemoteLease.Refusal.noKey, .missingTool])
  func `a machine that cannot have a lease runs its job all the same and is asked once`(
    refusal: RemoteLease.Refusal
  ) async throws {
    let world = try World()
    world.shell.change {
      $0.endsAs = nil
      $0.leaseExit = refusal.rawValue
    }
    let id = try await world.submit { $0.lease = .seconds(60) }
    _ = try await world.turn {
      world.bootAll()
      return try world.job(id).state == .running && !world.shell.snapshot.leases.isEmpty
    }
    _ = await world.turn(rounds: 50) { false }
    #expect(world.shell.snapshot.leases.count == 1)
    #expect(try world.job(id).state == .running)
  }

  @Test func `a machine that is kept after a failure is renewed on`() async throws {
    let world = try World()
    world.shell.change { $0.endsAs = .ended(exitCode: 1) }
    let id = try await world.submit {
      $0.onFailure = .keep
      $0.lease = .seconds(100)
    }
    _ = try await world.turn {
      world.bootAll()
      return try world.job(id).state.isFinal
    }
    let ended = world.shell.snapshot.leases.count
    _ = await world.turn(rounds: 60) { false }
    #expect(world.shell.snapshot.leases.count >= ended + 4)
  }
}
