import Domain
import Store
import Testing

@Suite struct LedgerTests {
  private let world: World

  init() throws { world = try World() }

  private func line(_ kind: BillingEvent.Kind, _ instance: Instance, _ seconds: Int, _ rate: Int64) -> BillingEvent {
    BillingEvent(
      instanceID: instance.id, jobID: instance.jobID, kind: kind, at: world.now + .seconds(seconds),
      gpuPerHour: Money(microdollars: rate), storagePerHour: Money(microdollars: kind == .stop ? 0 : 3))
  }

  @Test(arguments: Backend.allCases)
  func `lines come back in order of time, whatever the order of writing`(backend: Backend) async throws {
    let store = try world.open(backend)
    let job = Job.make()
    let instance = Instance.make(state: .running, job: job.id)
    let other = Instance.make()
    let lines = [line(.start, instance, 0, 100), line(.rateChanged, instance, 60, 200), line(.stop, instance, 120, 0)]
    let otherLine = line(.start, other, 5, 1)
    try await store.edit { transaction in
      try transaction.insert(job)
      try transaction.insert(instance)
      try transaction.insert(other)
      for line in [otherLine] + lines.reversed() { try transaction.append(line) }
    }
    #expect(try store.view { try $0.billingEvents(of: instance.id) } == lines)
    #expect(try store.view { try $0.billingEvents(of: other.id) } == [otherLine])
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `the same fact written many times is one line, and the first rates stay`(backend: Backend) async throws {
    let store = try world.open(backend)
    let instance = Instance.make()
    let first = line(.start, instance, 0, 100)
    let again = line(.start, instance, 0, 999)
    try await store.edit { transaction in
      try transaction.insert(instance)
      try transaction.append(first)
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<16 { group.addTask { try await store.edit { try $0.append(again) } } }
      try await group.waitForAll()
    }
    #expect(try store.view { try $0.billingEvents(of: instance.id) } == [first])
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `a line for an unknown instance is refused`(backend: Backend) async throws {
    let store = try world.open(backend)
    let line = line(.start, Instance.make(), 0, 1)
    await #expect(throws: StoreError.self) { try await store.edit { try $0.append(line) } }
    await store.close()
  }
}
