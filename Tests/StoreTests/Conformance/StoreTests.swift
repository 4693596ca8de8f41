import Domain
import Glibc
import Locking
import Store
import Testing

@Suite struct StoreTests {
  private let world: World

  init() throws { world = try World() }

  @Test(arguments: Backend.allCases)
  func `where blocking work is taken over, a write and the end wait until that work is done`(
    backend: Backend
  ) async throws {
    let taken = Locked<[@Sendable () -> Void]>([])
    let elsewhere = BlockingWork { work in taken.withLock { $0.append(work) } }
    let store = try BlockingWork.$present.withValue(elsewhere) { try world.open(backend) }
    func work() {
      for piece in taken.withLock({ pieces in
        defer { pieces = [] }
        return pieces
      }) { piece() }
    }
    async let written: Void = store.edit { try $0.setSetting("a", "1") }
    while taken.withLock({ $0.isEmpty }) { await Task.yield() }
    #expect(try store.view { try $0.setting("a") } == nil)
    work()
    try await written
    #expect(try store.view { try $0.setting("a") } == "1")
    async let closed: Void = store.close()
    while taken.withLock({ $0.isEmpty }) { await Task.yield() }
    work()
    await closed
    await #expect(throws: StoreError.closed) { try await store.edit { try $0.setSetting("a", "2") } }
  }

  @Test(arguments: Backend.allCases)
  func `everything is there after a restart, and no migration runs twice`(backend: Backend) async throws {
    let first = try world.open(backend)
    #expect(first.opening.migrations == knownMigrations)
    let job = Job.make()
    try await first.edit { transaction in
      try transaction.insert(job)
      try transaction.setSetting("a", "1")
      try transaction.setSetting("a", "2")
    }
    await first.close()
    let second = try world.open(backend)
    #expect(second.opening.migrations == [])
    #expect(second.opening.integrity == .passed)
    #expect(try second.view { try $0.job(job.id) } == job)
    #expect(try second.view { try $0.setting("a") } == "2")
    #expect(second.owner == first.owner)
    await second.close()
  }

  @Test(arguments: Backend.allCases)
  func `a setting that is removed is gone, and removing it again is harmless`(backend: Backend) async throws {
    let store = try world.open(backend)
    try await store.edit { transaction in
      try transaction.setSetting("a", "1")
      try transaction.setSetting("b", "2")
      try transaction.removeSetting("a")
      try transaction.removeSetting("a")
    }
    #expect(try store.view { try $0.setting("a") } == nil)
    #expect(try store.view { try $0.setting("b") } == "2")
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `two installations have two names`(backend: Backend) async throws {
    let store = try world.open(backend)
    let other = try World()
    let otherStore = try other.open(backend)
    #expect(store.owner != otherStore.owner)
    await store.close()
    await otherStore.close()
  }

  @Test(arguments: Backend.allCases)
  func `a given owner is kept, and is not changed while instances bear it`(backend: Backend) async throws {
    let (team, rival) = (Owner("team")!, Owner("rival")!)
    var store = try world.open(backend, owner: team)
    #expect(store.owner == team)
    let instance = Instance.make(state: .running, owner: team)
    try await store.edit { try $0.insert(instance) }
    await store.close()

    #expect(throws: StoreError.self) { try world.open(backend, owner: rival) }
    store = try world.open(backend)
    #expect(store.owner == team)
    let isWritten = try await store.edit { transaction in
      var gone = instance
      gone.restore(state: .destroyed)
      return try transaction.update(&gone)
    }
    #expect(isWritten)
    await store.close()
    store = try world.open(backend, owner: rival)
    #expect(store.owner == rival)
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `a body that throws hurts nobody beside it and leaves nothing`(backend: Backend) async throws {
    let store = try world.open(backend)
    // Holds the writer until all wait, so that they share one commit.
    let gate = Gate()
    async let held: Void = store.edit { _ in gate.pass() }
    await gate.isReached()
    let results = try await withThrowingTaskGroup(of: (Int, Bool).self) { group in
      for number in 0..<100 {
        group.addTask {
          do {
            try await store.edit { transaction in
              try transaction.setSetting("n\(number)", "1")
              if number % 3 == 0 { throw StoreError.raced }
              if number % 3 == 1, number > 50 {
                try transaction.insert(Instance.make(job: ID(at: Timestamp(microseconds: 0))))
              }
            }
            return (number, true)
          } catch {
            return (number, false)
          }
        }
      }
      gate.open()
      return try await group.reduce(into: [Int: Bool]()) { $0[$1.0] = $1.1 }
    }
    try await held
    for number in 0..<100 {
      let isExpected = number % 3 == 2 || (number % 3 == 1 && number <= 50)
      #expect(results[number] == isExpected)
      #expect(try store.view { try $0.setting("n\(number)") } == (isExpected ? "1" : nil))
    }
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `writes run one at a time, in the order of one caller`(backend: Backend) async throws {
    let store = try world.open(backend)
    let total = try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<32 {
        group.addTask {
          for _ in 0..<10 {
            try await store.edit { transaction in
              let count = Int(try transaction.setting("count") ?? "0") ?? 0
              try transaction.setSetting("count", String(count + 1))
            }
          }
        }
      }
      try await group.waitForAll()
      return try store.view { try $0.setting("count") }
    }
    #expect(total == "320")
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `a read sees one moment, however much is written meanwhile`(backend: Backend) async throws {
    let store = try world.open(backend)
    try await store.edit { transaction in
      try transaction.setSetting("left", "0")
      try transaction.setSetting("right", "0")
    }
    async let writing: Void = {
      for number in 1...200 {
        try await store.edit { transaction in
          try transaction.setSetting("left", String(number))
          try transaction.setSetting("right", String(number))
        }
      }
    }()
    var last = ""
    while last != "200" {
      let (left, right) = try store.view { (try $0.setting("left"), try $0.setting("right")) }
      #expect(left == right)
      last = left ?? ""
      await Task.yield()
    }
    try await writing
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `what a write returned is seen by the next read, and changes are told`(backend: Backend) async throws {
    let store = try world.open(backend)
    for number in 0..<50 {
      let before = store.changes.count
      try await store.edit { try $0.setSetting("n", String(number)) }
      #expect(try store.view { try $0.setting("n") } == String(number))
      await store.changes.wait(after: before)
    }
    let before = store.changes.count
    await #expect(throws: StoreError.raced) { try await store.edit { _ in throw StoreError.raced } }
    try await store.edit { try $0.setSetting("n", "") }
    await store.changes.wait(after: before)
    #expect(store.changes.count == before + 1)
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `a read within a read or a write works`(backend: Backend) async throws {
    let store = try world.open(backend)
    try await store.edit { try $0.setSetting("a", "1") }
    let both = try store.view { outer in try store.view { (try $0.setting("a"), try outer.setting("a")) } }
    #expect(both == ("1", "1"))
    let seen = try await store.edit { transaction in
      try transaction.setSetting("a", "2")
      return (try transaction.setting("a"), try store.view { try $0.setting("a") })
    }
    #expect(seen == ("2", "1"))
    #expect(throws: StoreError.raced) { try store.view { _ in throw StoreError.raced } }
    #expect(try store.view { try $0.setting("a") } == "2")
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `close writes what was asked for before it, then everything is refused`(backend: Backend) async throws {
    let store = try world.open(backend)
    let gate = Gate()
    async let held: Void = store.edit { _ in gate.pass() }
    await gate.isReached()
    async let queued: Void = store.edit { try $0.setSetting("kept", "1") }
    // Whether the second write stands in the queue cannot be seen from outside; either outcome must be true.
    gate.open()
    async let closing: Void = store.close()
    try await held
    var isKept = true
    do { try await queued } catch { isKept = false }
    await closing
    await store.close()
    #expect(throws: StoreError.closed) { try store.view { try $0.setting("kept") } }
    #expect(throws: StoreError.closed) { try store.ping() }
    await #expect(throws: StoreError.closed) { try await store.edit { try $0.setSetting("late", "1") } }
    let again = try world.open(backend)
    #expect(try again.view { try $0.setting("kept") } == (isKept ? "1" : nil))
    #expect(try again.view { try $0.setting("late") } == nil)
    await again.close()
  }

  @Test(arguments: Backend.allCases)
  func `threads that read come and go while the store closes`(backend: Backend) async throws {
    for _ in 0..<5 {
      let store = try world.open(backend)
      let ended = Locked(0)
      let failures = Locked<[StoreError]>([])
      for _ in 0..<8 {
        startThread(name: "test-reader") {
          do throws(StoreError) {
            while true { _ = try store.read { reader throws(StoreError) in try reader.setting("owner") } }
          } catch {
            failures.withLock { $0.append(error) }
          }
          ended.withLock { $0 += 1 }
        }
      }
      // Threads that end on their own take their connections with them.
      for _ in 0..<8 {
        startThread(name: "test-brief") {
          do throws(StoreError) { _ = try store.ping() } catch { failures.withLock { $0.append(error) } }
          ended.withLock { $0 += 1 }
        }
      }
      for number in 0..<20 { try await store.edit { try $0.setSetting("n", String(number)) } }
      await store.close()
      let deadline = ContinuousClock.now + .seconds(20)
      while ended.withLock({ $0 }) < 16, ContinuousClock.now < deadline { await Task.yield() }
      #expect(ended.withLock { $0 } == 16)
      #expect(failures.withLock { $0 }.allSatisfy { $0 == .closed })
    }
  }

  @Test(arguments: Backend.allCases)
  func `ping tells how long a read takes`(backend: Backend) async throws {
    let store = try world.open(backend)
    #expect(try store.ping() > .zero)
    #expect(store.lastWriteFailure == nil)
    await store.close()
  }
}

/// Holds a body of a write on the writer's thread until the test opens it.
final class Gate: Sendable {
  private let reached = Locked(false)
  private let opened = Locked(false)

  func pass() {
    reached.withLock { $0 = true }
    while !opened.withLock({ $0 }) { sched_yield() }
  }

  func open() { opened.withLock { $0 = true } }

  func isReached() async {
    while !reached.withLock({ $0 }) { await Task.yield() }
  }
}
