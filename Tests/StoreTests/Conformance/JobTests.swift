import Domain
import Store
import Testing

@Suite struct JobTests {
  private let world: World

  init() throws { world = try World() }

  @Test(arguments: Backend.allCases)
  func `of two who read the same job one writes and the other is told`(backend: Backend) async throws {
    let store = try world.open(backend)
    let job = Job.make()
    try await store.edit { try $0.insert(job) }
    let first = try await store.edit { transaction in
      var copy = job
      copy.attempt = 1
      return try transaction.update(&copy)
    }
    let second = try await store.edit { transaction in
      var copy = job
      copy.attempt = 2
      let isWritten = try transaction.update(&copy)
      return (isWritten, copy.version)
    }
    #expect(first)
    #expect(second == (false, 0))
    let stored = try #require(try store.view { try $0.job(job.id) })
    #expect(stored.attempt == 1)
    #expect(stored.version == 1)
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `of many racing updates each version is written once`(backend: Backend) async throws {
    let store = try world.open(backend)
    let job = Job.make()
    try await store.edit { try $0.insert(job) }
    let wins = try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<32 {
        group.addTask {
          var wins = 0
          for _ in 0..<8 {
            guard let seen = try store.view({ try $0.job(job.id) }) else { continue }
            await Task.yield()
            let isWritten = try await store.edit { transaction in
              var copy = seen
              copy.attempt += 1
              return try transaction.update(&copy)
            }
            if isWritten { wins += 1 }
          }
          return wins
        }
      }
      return try await group.reduce(0, +)
    }
    let stored = try #require(try store.view { try $0.job(job.id) })
    #expect(stored.attempt == wins)
    #expect(stored.version == Int64(wins))
    #expect(wins > 0)
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `a job that is not there cannot be updated, one that is there not inserted`(backend: Backend) async throws {
    let store = try world.open(backend)
    let job = Job.make()
    let isWritten = try await store.edit { transaction in
      var copy = job
      return try transaction.update(&copy)
    }
    #expect(!isWritten)
    try await store.edit { try $0.insert(job) }
    await #expect(throws: StoreError.conflict(constraint: "jobs.id")) { try await store.edit { try $0.insert(job) } }
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `an ended job without its outcome is refused`(backend: Backend) async throws {
    let store = try world.open(backend)
    var job = Job.make(state: .succeeded)
    job.outcome = nil
    let impossible = job
    await #expect(throws: StoreError.self) { try await store.edit { try $0.insert(impossible) } }
    #expect(try store.view { try $0.jobCounts() } == [:])
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `active jobs come by priority, then by age`(backend: Backend) async throws {
    let store = try world.open(backend)
    func job(_ state: JobState, _ priority: Int, _ seconds: Int) -> Job {
      var job = Job.make(state: state, at: world.now + .seconds(seconds))
      job.specification.priority = priority
      return job
    }
    let expected = [job(.queued, 5, 9), job(.running, 0, 1), job(.cleaningUp, 0, 2), job(.provisioning, -1, 0)]
    let others = [job(.awaitingApproval, 9, 0), job(.succeeded, 9, 0), job(.failed, 9, 0), job(.cancelled, 9, 0)]
    try await store.edit { transaction in
      for job in (expected + others).shuffled() { try transaction.insert(job) }
    }
    #expect(try store.view { try $0.activeJobs() } == expected)
    #expect(
      try store.view { try $0.jobCounts() } == [
        .queued: 1, .running: 1, .cleaningUp: 1, .provisioning: 1, .awaitingApproval: 1, .succeeded: 1, .failed: 1,
        .cancelled: 1,
      ])
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `filters pick by state, by several states and by name, and agree with the list of versions`(
    backend: Backend
  ) async throws {
    let store = try world.open(backend)
    let jobs = (0..<40).map { number in
      Job.make(
        state: [JobState.queued, .running, .failed, .succeeded][number % 4], name: number % 3 == 0 ? "third" : nil,
        at: world.now + .seconds(number))
    }
    try await store.edit { transaction in for job in jobs { try transaction.insert(job) } }
    for states in [[], [.queued], [.failed, .running], Set(JobState.allCases)] as [Set<JobState>] {
      for name in [nil, "third", "none"] as [String?] {
        var filter = JobFilter()
        filter.states = states
        filter.name = name
        let expected = jobs.reversed().filter {
          (states.isEmpty || states.contains($0.state)) && (name == nil || $0.specification.name == name)
        }
        let found = try store.view { [filter] in try $0.jobs(filter, PageRequest(limit: 100)) }
        #expect(found.items == expected)
        #expect(found.next == nil)
        let versions = try store.view { [filter] in try $0.jobVersions(filter, PageRequest(limit: 100)) }
        #expect(versions.items == expected.map { JobVersion(id: $0.id, version: $0.version) })
      }
    }
    await store.close()
  }

  /// Twelve jobs of one moment: only the id orders them.
  @Test(arguments: Backend.allCases)
  func `pages neither skip nor repeat a job while others are inserted`(backend: Backend) async throws {
    let store = try world.open(backend)
    let moment = world.now
    let before = (0..<12).map { _ in Job.make(at: moment) }
    try await store.edit { transaction in for job in before { try transaction.insert(job) } }
    var seen: [ID<Job>] = []
    var versions: [ID<Job>] = []
    var next: PagePosition?
    repeat {
      let request = PageRequest(limit: 5, before: next)
      let page = try store.view { try $0.jobs(JobFilter(), request) }
      seen += page.items.map(\.id)
      let samePage = try store.view { try $0.jobVersions(JobFilter(), request) }
      versions += samePage.items.map(\.id)
      #expect(samePage.next == page.next)
      next = page.next
      // Newer ones belong to no later page; one of the same moment may fall on either side of the cursor.
      try await store.edit { try $0.insert(Job.make(at: moment + .seconds(1))) }
      try await store.edit { try $0.insert(Job.make(at: moment)) }
    } while next != nil
    #expect(Set(seen).count == seen.count)
    #expect(Set(before.map(\.id)).subtracting(seen).isEmpty)
    #expect(seen == seen.sorted().reversed())
    #expect(versions == seen)
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `the last page has no next, also when it is full`(backend: Backend) async throws {
    let store = try world.open(backend)
    try await store.edit { transaction in
      for number in 0..<4 { try transaction.insert(Job.make(at: Timestamp(microseconds: Int64(number)))) }
    }
    let first = try store.view { try $0.jobs(JobFilter(), PageRequest(limit: 2)) }
    #expect(first.items.map(\.createdAt.microseconds) == [3, 2])
    let second = try store.view { try $0.jobs(JobFilter(), PageRequest(limit: 2, before: first.next)) }
    #expect(second.items.map(\.createdAt.microseconds) == [1, 0])
    #expect(second.next == nil)
    await store.close()
  }
}
