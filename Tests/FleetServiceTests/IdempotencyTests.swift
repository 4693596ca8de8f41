import Domain
import FleetService
import Locking
import TestSupport
import Testing

@Suite struct `An idempotency key` {
  @Test func `gives the first answer again, byte for byte, and makes nothing`() async throws {
    let world = try FleetWorld()
    let first = try await world.submit(key: .make("k")).made
    let replayed = try #require(try await world.submit(key: .make("k")).replayed)
    #expect(replayed.status == 201)
    #expect(replayed.body == Array("\(first)".utf8))
    #expect(try world.jobCount() == 1)
    #expect(world.surroundings.withLock { $0.jobWakings } == 1, "a replay wakes nobody")
  }

  @Test func `with another body is refused`() async throws {
    let world = try FleetWorld()
    _ = try await world.submit(key: .make("k", body: "one"))
    let error = try await fault { try await world.submit(key: .make("k", body: "two")) }
    #expect(error == .idempotencyMismatch)
    #expect(try world.jobCount() == 1)
  }

  @Test func `belongs to its caller and its route`() async throws {
    let world = try FleetWorld()
    _ = try await world.submit(key: .make("k", principal: "a", route: "createJob"))
    #expect(try await world.submit(key: .make("k", principal: "b", route: "createJob")).replayed == nil)
    #expect(try await world.submit(key: .make("k", principal: "a", route: "retryJob")).replayed == nil)
    #expect(try world.jobCount() == 3)
  }

  @Test func `lasts a day and not longer`() async throws {
    let world = try FleetWorld()
    _ = try await world.submit(key: .make("k"))
    world.advance(by: .seconds(24 * 3600 - 60))
    #expect(try await world.submit(key: .make("k")).replayed != nil)
    world.advance(by: .seconds(120))
    #expect(try await world.submit(key: .make("k")).replayed == nil)
  }

  /// How many of 64 identical calls at once made something; all others must have got one and the same answer.
  private func storm<Made>(_ call: @escaping @Sendable () async throws -> Creation<Made>) async throws -> Int {
    let answers = try await withThrowingTaskGroup(of: Creation<Made>.self) { group in
      for _ in 0..<64 { group.addTask { try await call() } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(answers.count == 64)
    #expect(Set(answers.compactMap(\.replayed?.body)).count == 1)
    return answers.filter { $0.replayed == nil }.count
  }

  @Test(arguments: [Approval.automatic, .required])
  func `of 64 identical submits at once makes one job`(approval: Approval) async throws {
    let world = try FleetWorld()
    let made = try await storm { try await world.submit(key: .make("k")) { $0.approval = approval } }
    #expect(made == 1)
    #expect(try world.jobCount() == 1)
  }

  @Test func `of 64 identical requests for three instances makes three, once`() async throws {
    let world = try FleetWorld()
    let request = InstanceRequest(diskGigabytes: 10)
    let made = try await storm {
      try await world.fleet.createInstances(request, count: 3, idempotency: .make(.make("k")))
    }
    #expect(made == 1)
    #expect(Set(try world.liveInstances().map(\.tag)).count == 3)
    #expect(try world.liveInstances().count == 3)
  }

  @Test func `of instances replays although the offers are gone or Vast is down`() async throws {
    let world = try FleetWorld()
    let request = InstanceRequest(diskGigabytes: 10)
    _ = try await world.fleet.createInstances(request, count: 1, idempotency: .make(.make("k")))
    world.market.change { state in
      state.offers = []
      state.failures[.search] = [.unavailable(detail: "down")]
    }
    let again = try await world.fleet.createInstances(request, count: 1, idempotency: .make(.make("k")))
    #expect(again.replayed != nil)
    let error = try await fault {
      try await world.fleet.createInstances(request, count: 1, idempotency: .make(.make("k", body: "other")))
    }
    #expect(error == .idempotencyMismatch)
  }
}
