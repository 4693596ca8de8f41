import Domain
import Glibc
import SQLiteDriver
import Store
import Testing

/// A disk without room, and a process that dies.
@Suite struct DiskTests {
  private let world: World

  init() throws { world = try World() }

  @Test func `a full disk fails the write that found it, keeps what was acknowledged, and passes`() async throws {
    let store = try world.open(SQLiteDriver(path: world.path, maximumPages: 150))
    var acknowledged: [ID<Job>] = []
    var failure: StoreError?
    while failure == nil {
      var job = Job.make(at: world.now + .seconds(acknowledged.count))
      job.specification.command = String(repeating: "x", count: 8000)
      do throws(StoreError) {
        try await store.write { [job] transaction throws(StoreError) in try transaction.insert(job) }
        acknowledged.append(job.id)
      } catch {
        failure = error
      }
    }
    #expect(failure == .full)
    #expect(acknowledged.count > 10)
    #expect(store.lastWriteFailure == .full)
    #expect(throws: StoreError.full) { try store.ping() }
    let found = try store.view { try $0.jobVersions(JobFilter(), PageRequest(limit: 1000)) }
    #expect(found.items.map(\.id) == acknowledged.reversed())
    // A small write has room, and with it the store is well again: the ping above has seen to one.
    let deadline = ContinuousClock.now + .seconds(10)
    while store.lastWriteFailure != nil, ContinuousClock.now < deadline { await Task.yield() }
    #expect(store.lastWriteFailure == nil)
    _ = try store.ping()
    await store.close()

    let roomier = try world.open()
    let late = Job.make()
    try await roomier.edit { try $0.insert(late) }
    #expect(try roomier.view { try $0.job(late.id) } == late)
    for id in acknowledged { #expect(try roomier.view { try $0.job(id) } != nil) }
    await roomier.close()
  }

  @Test func `when a full disk fails one of a group, whoever was told success is on the disk`() async throws {
    let store = try world.open(SQLiteDriver(path: world.path, maximumPages: 120))
    let outcomes = await withTaskGroup(of: (ID<Job>, Bool).self) { group in
      for number in 0..<200 {
        var job = Job.make(at: world.now + .seconds(number))
        job.specification.command = String(repeating: "x", count: number % 5 == 0 ? 20_000 : 10)
        group.addTask { [job] in
          do throws(StoreError) {
            try await store.write { transaction throws(StoreError) in try transaction.insert(job) }
            return (job.id, true)
          } catch {
            #expect(error == .full)
            return (job.id, false)
          }
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    #expect(outcomes.contains { !$0.1 })
    for (id, isAcknowledged) in outcomes {
      #expect(try (store.view { try $0.job(id) } != nil) == isAcknowledged)
    }
    await store.close()
  }

  /// Power cuts need a disk of their own; this is the other half: a process that dies at any instruction leaves a database
  /// that opens, with every acknowledged write in it and no half of any.
  @Test func `kill -9 in the middle of writing loses nothing acknowledged`() async throws {
    let path = world.path
    let log = world.directory + "/acknowledged"
    defer { unlink(log) }
    for round in 0..<3 {
      await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String, log = log as String] in
        let driver = SQLiteDriver(path: path)
        let store = try Store(driver: driver, now: { Timestamp(microseconds: 1_800_000_000_000_000) })
        let descriptor = open(log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        await withTaskGroup(of: Void.self) { group in
          for writer in 0..<16 {
            group.addTask {
              for number in 0..<1000 {
                let job = Job.make()
                do throws(StoreError) {
                  try await store.write { transaction throws(StoreError) in
                    try transaction.insert(job)
                    try transaction.append(
                      FleetEvent(type: "job.queued", subject: job.id.rawValue, jobID: job.id, at: job.createdAt))
                  }
                } catch {
                  exit(3)
                }
                let line = Array("\(job.id)\n".utf8)
                if write(descriptor, line, line.count) != line.count { exit(4) }
                if writer == 7, number == 40 { kill(getpid(), SIGKILL) }
              }
            }
          }
        }
      }
      let acknowledged = try lines(of: log)
      #expect(acknowledged.count > 16 * 10 * (round + 1))
      let store = try world.open()
      for id in acknowledged { #expect(try store.view { try $0.job(id) } != nil) }
      let events = try store.view { try $0.events(after: 0, limit: 1_000_000) }
      let counts = try store.view { try $0.jobCounts() }
      #expect(events.count == counts[.queued])
      #expect(Set(acknowledged.map(\.rawValue)).isSubset(of: events.map(\.event.subject)))
      await store.close()
    }
  }

  private func lines(of path: String) throws -> [ID<Job>] {
    guard let file = fopen(path, "r") else { throw TestFailure("no log of what was acknowledged") }
    defer { fclose(file) }
    var ids: [ID<Job>] = []
    var buffer = [CChar](repeating: 0, count: 128)
    while fgets(&buffer, 128, file) != nil {
      let line = String(decoding: buffer.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      if let id = ID<Job>(line) { ids.append(id) }
    }
    return ids
  }
}
