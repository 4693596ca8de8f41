import Domain
import Store
import Testing

@Suite struct InstanceTests {
  private let world: World

  init() throws { world = try World() }

  @Test(arguments: Backend.allCases, InstanceState.allCases.filter { !$0.isFinal })
  func `a job with a live instance gets no second one`(backend: Backend, state: InstanceState) async throws {
    let store = try world.open(backend)
    let job = Job.make()
    let first = Instance.make(state: state, job: job.id)
    try await store.edit { transaction in
      try transaction.insert(job)
      try transaction.insert(first)
    }
    await #expect(throws: StoreError.conflict(constraint: "instances.job_id")) {
      try await store.edit { try $0.insert(Instance.make(job: job.id)) }
    }
    #expect(try store.view { try $0.instances(ofJob: job.id) } == [first])
    await store.close()
  }

  @Test(arguments: Backend.allCases, InstanceState.allCases.filter(\.isFinal))
  func `once an instance is gone its job may have the next, and the gone one does not come back`(
    backend: Backend, state: InstanceState
  ) async throws {
    let store = try world.open(backend)
    let job = Job.make()
    let first = Instance.make(state: .destroying, job: job.id)
    let second = Instance.make(job: job.id, at: world.now + .seconds(1))
    let other = Instance.make()
    try await store.edit { transaction in
      try transaction.insert(job)
      try transaction.insert(first)
      try transaction.insert(other)
      var gone = first
      gone.restore(state: state)
      guard try transaction.update(&gone) else { throw StoreError.raced }
      try transaction.insert(second)
    }
    #expect(try store.view { try $0.liveInstances() }.map(\.id) == [other.id, second.id])
    #expect(try store.view { try $0.instances(ofJob: job.id) }.map(\.id) == [first.id, second.id])
    let counts = try store.view { try $0.instanceCounts() }
    #expect(counts == [state: 1, .requested: 2])
    await #expect(throws: StoreError.conflict(constraint: "instances.job_id")) {
      try await store.edit { transaction in
        var gone = try #require(try transaction.instance(first.id))
        gone.restore(state: .running)
        _ = try transaction.update(&gone)
      }
    }
    await store.close()
  }

  /// Invariant 2 against every interleaving that the writer makes of 64 attempts.
  @Test(arguments: Backend.allCases)
  func `of 64 who place one job at once exactly one does`(backend: Backend) async throws {
    let store = try world.open(backend)
    let job = Job.make()
    try await store.edit { try $0.insert(job) }
    let outcomes = await withTaskGroup(of: StoreError?.self) { group in
      for _ in 0..<64 {
        group.addTask {
          do throws(StoreError) {
            try await store.write { transaction throws(StoreError) in
              try transaction.insert(Instance.make(job: job.id))
            }
            return nil
          } catch {
            return error
          }
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    #expect(outcomes.count(where: { $0 == nil }) == 1)
    #expect(outcomes.count(where: { $0 == .conflict(constraint: "instances.job_id") }) == 63)
    #expect(try store.view { try $0.liveInstances() }.count == 1)
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `instances without a job are as many as you like`(backend: Backend) async throws {
    let store = try world.open(backend)
    try await store.edit { transaction in for _ in 0..<3 { try transaction.insert(Instance.make()) } }
    #expect(try store.view { try $0.liveInstances() }.count == 3)
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `a tag belongs to one instance`(backend: Backend) async throws {
    let store = try world.open(backend)
    let first = Instance.make()
    let second = Instance(
      id: ID(at: world.now), order: first.order, label: "x", tag: first.tag, gpuCount: 1, createdAt: world.now)
    try await store.edit { try $0.insert(first) }
    await #expect(throws: StoreError.conflict(constraint: "instances.tag")) {
      try await store.edit { try $0.insert(second) }
    }
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `what exists at the provider is not stored without its number there`(backend: Backend) async throws {
    let store = try world.open(backend)
    var instance = Instance.make(state: .loading)
    instance.marketID = nil
    let impossible = instance
    await #expect(throws: StoreError.self) { try await store.edit { try $0.insert(impossible) } }
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `an instance of an unknown job is refused`(backend: Backend) async throws {
    let store = try world.open(backend)
    await #expect(throws: StoreError.self) {
      try await store.edit { try $0.insert(Instance.make(job: ID(at: Timestamp(microseconds: 0)))) }
    }
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `a late update changes nothing`(backend: Backend) async throws {
    let store = try world.open(backend)
    let instance = Instance.make(state: .running)
    try await store.edit { transaction in
      try transaction.insert(instance)
      var copy = instance
      copy.absences = 1
      guard try transaction.update(&copy) else { throw StoreError.raced }
    }
    let isWritten = try await store.edit { transaction in
      var late = instance
      late.absences = 9
      return try transaction.update(&late)
    }
    #expect(!isWritten)
    #expect(try store.view { try $0.instance(instance.id) }?.absences == 1)
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `filters pick by state, label and job, newest first, page by page`(backend: Backend) async throws {
    let store = try world.open(backend)
    let job = Job.make()
    let instances = (0..<9).map { number in
      var instance = Instance.make(
        state: number % 2 == 0 ? .running : .destroyed, job: number == 3 ? job.id : nil,
        at: world.now + .seconds(number))
      if number > 5 { instance.label = "late" }
      return instance
    }
    try await store.edit { transaction in
      try transaction.insert(job)
      for instance in instances { try transaction.insert(instance) }
    }
    func ids(_ change: (inout InstanceFilter) -> Void, limit: Int = 50) throws -> [ID<Instance>] {
      var filter = InstanceFilter()
      change(&filter)
      var ids: [ID<Instance>] = []
      var next: PagePosition?
      repeat {
        let page = try store.view { [filter] in try $0.instances(filter, PageRequest(limit: limit, before: next)) }
        ids += page.items.map(\.id)
        next = page.next
      } while next != nil
      return ids
    }
    let newestFirst = Array(instances.reversed())
    #expect(try ids { _ in } == newestFirst.map(\.id))
    #expect(try ids({ _ in }, limit: 2) == newestFirst.map(\.id))
    #expect(try ids { $0.states = [.running] } == newestFirst.filter { $0.state == .running }.map(\.id))
    #expect(try ids { $0.label = "late" } == newestFirst.prefix(3).map(\.id))
    #expect(try ids { $0.jobID = job.id } == [instances[3].id])
    #expect(try ids { $0.states = [.lost] } == [])
    await store.close()
  }
}
