import Domain
import Store
import Testing

@Suite struct IdempotencyTests {
  private let world: World

  init() throws { world = try World() }

  private func key(_ name: String = "k", principal: String = "p", route: String = "createJob") -> IdempotencyKey {
    IdempotencyKey(principal: principal, route: route, key: name, fingerprint: "f-\(name)")
  }

  private let answer = StoredAnswer(status: 201, location: "/v1/jobs/1", body: [0, 0xFF, 0x22])

  @Test(arguments: Backend.allCases)
  func `of 64 identical requests at once one makes the job and its answer is what all find`(
    backend: Backend
  ) async throws {
    let store = try world.open(backend)
    let key = key()
    let expiry = world.now + IdempotencyKey.lifetime
    let outcomes = await withTaskGroup(of: (Int, StoreError?).self) { group in
      for number in 0..<64 {
        group.addTask {
          let answer = StoredAnswer(status: 201, location: nil, body: Array("answer \(number)".utf8))
          do throws(StoreError) {
            try await store.write { transaction throws(StoreError) in
              try transaction.insert(Job.make())
              try transaction.remember(key, answer, expiresAt: expiry)
            }
            return (number, nil)
          } catch {
            return (number, error)
          }
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    let winners = outcomes.filter { $0.1 == nil }.map(\.0)
    #expect(winners.count == 1)
    #expect(outcomes.count(where: { $0.1 == .conflict(constraint: "idempotency_keys") }) == 63)
    #expect(try store.view { try $0.jobCounts() } == [.queued: 1])
    let now = world.now
    let found = try #require(try store.view { try $0.remembered(key, now: now) })
    #expect(found.fingerprint == key.fingerprint)
    #expect(found.answer.body == Array("answer \(winners[0])".utf8))
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `a key is one of its principal and route`(backend: Backend) async throws {
    let store = try world.open(backend)
    let keys = [key(), key(principal: "q"), key(route: "createInstance"), key("l")]
    let (answer, expiry) = (answer, world.now + .seconds(1))
    try await store.edit { transaction in for key in keys { try transaction.remember(key, answer, expiresAt: expiry) } }
    let now = world.now
    for key in keys { #expect(try store.view { try $0.remembered(key, now: now) }?.answer == answer) }
    #expect(
      try store.view { try $0.remembered(IdempotencyKey(principal: "", route: "", key: "", fingerprint: ""), now: now) }
        == nil)
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `a key whose day is over is free again, and purged`(backend: Backend) async throws {
    let store = try world.open(backend)
    let (key, other, answer) = (key(), key("other"), answer)
    let expiry = world.now + IdempotencyKey.lifetime
    try await store.edit { transaction in
      try transaction.remember(key, answer, expiresAt: expiry)
      try transaction.remember(other, answer, expiresAt: expiry)
    }
    world.advance(by: IdempotencyKey.lifetime)
    let now = world.now
    #expect(try store.view { try $0.remembered(key, now: now) } == nil)
    let next = StoredAnswer(status: 202, location: nil, body: [])
    try await store.edit { try $0.remember(key, next, expiresAt: now + .seconds(1)) }
    #expect(try store.view { try $0.remembered(key, now: now) }?.answer == next)
    let purged = try await store.edit { try $0.purgeIdempotencyKeys(before: now) }
    #expect(purged == 1)
    #expect(try store.view { try $0.remembered(key, now: now) }?.answer == next)
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `an answer is still known after a restart`(backend: Backend) async throws {
    let (key, answer, now) = (key(), answer, world.now)
    let first = try world.open(backend)
    try await first.edit { try $0.remember(key, answer, expiresAt: now + .seconds(1)) }
    await first.close()
    let second = try world.open(backend)
    #expect(try second.view { try $0.remembered(key, now: now) }?.answer == answer)
    await second.close()
  }
}
