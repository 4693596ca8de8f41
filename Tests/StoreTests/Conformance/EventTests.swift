import Domain
import Locking
import Store
import Testing

@Suite struct EventTests {
  private let world: World

  init() throws { world = try World() }

  @Test(arguments: Backend.allCases)
  func `an event comes back as it went in`(backend: Backend) async throws {
    let store = try world.open(backend)
    let (job, instance) = (ID<Job>(at: world.now), ID<Instance>(at: world.now))
    let event = FleetEvent(
      type: "job.running", subject: job.rawValue, instanceID: instance, jobID: job, at: world.now,
      data: [
        "from": "starting", "text": "ä\"\n", "attempt": 2, "ready": .flag(true),
        "price_per_hour_usd": .money(Money(microdollars: 345_001)), "cost_usd": .money(Money(microdollars: 3_000_000)),
      ])
    try await store.edit { try $0.append(event) }
    #expect(
      try store.view { try $0.events(after: 0, limit: 10) } == [RecordedEvent(position: 1, sequence: 1, event: event)])
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `sequences have no gaps and positions follow them, whoever writes, also when some writes fail`(
    backend: Backend
  ) async throws {
    let store = try world.open(backend)
    let subjects = (0..<4).map { "subject_\($0)" }
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<200 {
        group.addTask {
          let isFailing = number % 7 == 0
          do {
            try await store.edit { transaction in
              for subject in subjects {
                try transaction.append(
                  FleetEvent(type: "job.test", subject: subject, at: Timestamp(microseconds: 0)))
              }
              if isFailing { throw StoreError.raced }
            }
            #expect(!isFailing)
          } catch {
            #expect(isFailing)
          }
        }
      }
    }
    let events = try store.view { try $0.events(after: 0, limit: 10_000) }
    let kept = Int64((0..<200).count(where: { $0 % 7 != 0 }))
    #expect(events.count == Int(kept) * subjects.count)
    #expect(zip(events, events.dropFirst()).allSatisfy { $0.position < $1.position })
    for subject in subjects {
      #expect(events.filter { $0.event.subject == subject }.map(\.sequence) == Array(1...kept))
    }
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `a reader that goes on from its last position misses and repeats nothing`(backend: Backend) async throws {
    let store = try world.open(backend)
    let all = 300
    async let writing: Void = {
      for number in 0..<all {
        try await store.edit {
          try $0.append(FleetEvent(type: "t", subject: "s\(number % 3)", at: Timestamp(microseconds: Int64(number))))
        }
      }
    }()
    var seen: [Int64] = []
    var position: Int64 = 0
    while seen.count < all {
      let count = store.changes.count
      let from = position
      let found = try store.view { try $0.events(after: from, limit: 7) }
      seen += found.map(\.event.time.microseconds)
      if let last = found.last { position = last.position } else { await store.changes.wait(after: count) }
    }
    try await writing
    #expect(seen == (0..<Int64(all)).map { $0 })
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `an event lives and dies with the change that it tells of`(backend: Backend) async throws {
    let store = try world.open(backend)
    let job = Job.make()
    await #expect(throws: StoreError.raced) {
      try await store.edit { transaction in
        try transaction.insert(job)
        try transaction.append(FleetEvent(type: "job.queued", subject: job.id.rawValue, at: job.createdAt))
        throw StoreError.raced
      }
    }
    #expect(try store.view { try $0.job(job.id) } == nil)
    #expect(try store.view { try $0.events(after: 0, limit: 1) } == [])
    await store.close()
  }
}
