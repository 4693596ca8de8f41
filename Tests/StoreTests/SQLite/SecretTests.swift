import Domain
import Glibc
import SQLiteDriver
import Store
import Testing

/// Invariant 9 for what lies on the disk.
@Suite struct SecretTests {
  private let world: World

  init() throws { world = try World() }

  private func isOnDisk(_ text: String) -> Bool {
    let (bytes, wanted) = (world.bytesOnDisk(), Array(text.utf8))
    return bytes.withUnsafeBytes { bytes in
      var start = 0
      while let found = memchr(bytes.baseAddress! + start, Int32(wanted[0]), bytes.count - wanted.count - start) {
        if memcmp(found, wanted, wanted.count) == 0 { return true }
        start = UnsafeRawPointer(found) - bytes.baseAddress! + 1
      }
      return false
    }
  }

  /// Waits for the moment without readers that erasing takes.
  private func isErased(_ text: String) async -> Bool {
    let deadline = ContinuousClock.now + .seconds(10)
    while ContinuousClock.now < deadline {
      if !isOnDisk(text) { return true }
      await Task.yield()
    }
    return false
  }

  @Test func `a job's secrets are there while it needs them and nowhere once it has ended`() async throws {
    let store = try world.open()
    var job = Job.make(state: .cleaningUp, secrets: ["TOKEN": "hunter2-in-clear"])
    job.specification.registryLogin = RegistryLogin(server: "r.io", user: "u", password: "pass-in-clear")
    job.specification.environment = ["PLAIN": "stays"]
    job.outcome = .failed
    try await store.edit { [job] in try $0.insert(job) }
    #expect(try store.view { try $0.job(job.id) } == job)
    #expect(isOnDisk("hunter2-in-clear"))

    let ended = try await store.edit { [job] transaction in
      var ended = job
      try ended.apply(.finishedBadly, at: job.createdAt)
      guard try transaction.update(&ended) else { throw StoreError.raced }
      return ended
    }
    #expect(ended.specification.secrets == [:])
    #expect(ended.specification.registryLogin == nil)
    #expect(ended.specification.environment == ["PLAIN": "stays"])
    #expect(try store.view { try $0.job(job.id) } == ended)
    #expect(await isErased("hunter2-in-clear"))
    #expect(await isErased("pass-in-clear"))
    await store.close()
    #expect(!isOnDisk("hunter2-in-clear"))
  }

  @Test func `secrets whose erasure a crash prevented are erased at the next start`() async throws {
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = world.path as String] in
      // Dies between the commit that deletes the secrets and what erases them.
      setenv("VASTD_FAILPOINTS", "store.commit.after@2=kill", 1)
      let store = try Store(
        driver: SQLiteDriver(path: path), now: { Timestamp(microseconds: 1_800_000_000_000_000) })
      var job = Job.make(state: .cleaningUp, secrets: ["TOKEN": "hunter2-in-clear"])
      job.outcome = .failed
      try await store.write { [job] (transaction) throws(StoreError) in try transaction.insert(job) }
      _ = try await store.write { [job] (transaction) throws(StoreError) -> Bool in
        var ended = job
        ended.restore(state: .failed)
        return try transaction.update(&ended)
      }
    }
    #expect(isOnDisk("hunter2-in-clear"))
    let store = try world.open()
    #expect(await isErased("hunter2-in-clear"))
    await store.close()
  }

  @Test(arguments: [InstanceState.destroyed, .failed])
  func `an instance that is gone has lost its environment and its login`(state: InstanceState) async throws {
    let store = try world.open()
    var instance = Instance.make(state: .destroying)
    instance.order.environment = ["TOKEN": "hunter2-in-clear"]
    instance.order.registryLogin = "-u u -p pass-in-clear r.io"
    try await store.edit { [instance] in try $0.insert(instance) }
    #expect(try store.view { try $0.instance(instance.id) } == instance)
    let gone = try await store.edit { [instance] transaction in
      var gone = instance
      gone.restore(state: state)
      guard try transaction.update(&gone) else { throw StoreError.raced }
      return gone
    }
    #expect(gone.order.environment == [:])
    #expect(gone.order.registryLogin == nil)
    #expect(try store.view { try $0.instance(instance.id) } == gone)
    #expect(await isErased("hunter2-in-clear"))
    await store.close()
    #expect(!isOnDisk("pass-in-clear"))
  }

  @Test func `an update keeps secrets, changes them when they change, and drops them when they are dropped`()
    async throws
  {
    let store = try world.open()
    let job = Job.make(secrets: ["A": "1"])
    try await store.edit { try $0.insert(job) }
    for secrets in [["A": "1"], ["A": "2", "B": "3"], [:], ["C": "4"]] {
      try await store.edit { transaction in
        guard var job = try transaction.job(job.id) else { throw StoreError.raced }
        job.specification.secrets = secrets
        job.attempt += 1
        guard try transaction.update(&job) else { throw StoreError.raced }
      }
      #expect(try store.view { try $0.job(job.id) }?.specification.secrets == secrets)
    }
    await store.close()
  }

  /// Pages are split and rebuilt while many rows come and go in no order: no copy may stay behind.
  @Test func `of 400 jobs that end in any order no secret stays in the files`() async throws {
    let store = try world.open()
    var jobs = (0..<400).map { number in
      Job.make(
        state: .cleaningUp, at: world.now + .seconds(number),
        secrets: ["TOKEN": String(repeating: "s", count: number % 300) + "hunter2-in-clear"])
    }
    for index in jobs.indices { jobs[index].outcome = .succeeded }
    for part in stride(from: 0, to: 400, by: 50) {
      let some = Array(jobs[part..<part + 50])
      try await store.edit { transaction in for job in some { try transaction.insert(job) } }
    }
    for job in jobs.shuffled() {
      try await store.edit { transaction in
        var ended = job
        try ended.apply(.finishedWell, at: job.createdAt)
        guard try transaction.update(&ended) else { throw StoreError.raced }
      }
    }
    await store.close()
    #expect(!isOnDisk("hunter2-in-clear"))
    #expect(try RawDatabase(world.path).rows("SELECT COUNT(*) FROM secrets") == ["0"])
  }
}
