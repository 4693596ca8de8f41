import Domain
import Store
import Testing

@Suite struct TimeTests {
  private let world: World
  private let start = Timestamp(microseconds: 1_800_000_000_000_000)

  init() throws { world = try World() }

  @Test(arguments: Backend.allCases)
  func `the newest moment is that of the latest row while something is under way, and none otherwise`(
    backend: Backend
  ) async throws {
    let store = try world.open(backend)
    func newest() throws -> Timestamp? { try store.view { try $0.newestMomentUnderWay() } }
    #expect(try newest() == nil)
    let (ended, open) = (Job.make(state: .succeeded, at: start + .seconds(900)), Job.make(at: start))
    try await store.edit { try $0.insert(ended) }
    #expect(try newest() == nil, "what has ended is not under way")
    try await store.edit { try $0.insert(open) }
    #expect(try newest() == start)
    var instance = Instance.make(state: .loading, at: start + .seconds(10))
    instance.lastSeenAt = start + .seconds(20)
    let made = instance
    try await store.edit { try $0.insert(made) }
    #expect(try newest() == start + .seconds(20))
    let later = start + .seconds(30)
    try await store.edit { try $0.append(FleetEvent(type: "job.queued", subject: open.id.rawValue, at: later)) }
    #expect(try newest() == later)
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `the time line of one life is there for the next`(backend: Backend) async throws {
    let first = try world.open(backend)
    #expect(try first.view { try $0.keptTimeLine() } == nil)
    try await first.edit { try $0.keep(TimeLine(bootID: "b", offset: 7)) }
    await first.close()
    let second = try world.open(backend)
    #expect(try second.view { try $0.keptTimeLine() } == TimeLine(bootID: "b", offset: 7))
    await second.close()
  }
}
