import Domain
import Store
import Testing

@Suite struct PriceIncreaseTests {
  private let world: World

  init() throws { world = try World() }

  private func insert(_ increases: AnnouncedIncrease..., on instance: Instance, in store: Store) async throws {
    try await store.edit { transaction in
      if try transaction.instance(instance.id) == nil { try transaction.insert(instance) }
      for increase in increases { try transaction.insert(increase) }
    }
  }

  @Test(arguments: Backend.allCases)
  func `one comes back as it went in, every field of it, and with the job of its instance`(backend: Backend)
    async throws
  {
    let store = try world.open(backend)
    let job = Job.make()
    let instance = Instance.make(state: .running, job: job.id)
    try await store.edit { try $0.insert(job) }
    let bare = AnnouncedIncrease.make(1, on: instance)
    let full = AnnouncedIncrease.full(2, on: instance)
    try await insert(bare, full, on: instance, in: store)
    #expect(bare.jobID == job.id)
    #expect(try store.view { try $0.priceIncrease(bare.id) } == bare)
    #expect(try store.view { try $0.priceIncrease(full.id) } == full)
    #expect(try store.view { try $0.priceIncrease(full.terms.id) } == full)
    #expect(try store.view { try $0.priceIncrease(PriceIncreaseID(3)) } == nil)
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `what changes is written back, what does not is kept`(backend: Backend) async throws {
    let store = try world.open(backend)
    let instance = Instance.make(state: .running)
    var increase = AnnouncedIncrease.make(1, on: instance)
    try await insert(increase, on: instance, in: store)
    increase = AnnouncedIncrease.full(1, on: instance, id: increase.id)
    try await store.edit { [increase] in try $0.update(increase) }
    #expect(try store.view { try $0.priceIncrease(increase.id) } == increase)
    increase.takeBack(.refused, to: nil)
    increase.isListed = true
    increase.pricePerHour = nil
    try await store.edit { [increase] in try $0.update(increase) }
    #expect(try store.view { try $0.priceIncrease(increase.id) } == increase)
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `the provider's number is there once, and its instance is one of ours`(backend: Backend) async throws {
    let store = try world.open(backend)
    let instance = Instance.make(state: .running)
    try await insert(.make(1, on: instance), on: instance, in: store)
    let second = AnnouncedIncrease.make(1, on: instance)
    await #expect(throws: StoreError.self) { try await store.edit { try $0.insert(second) } }
    let stranger = AnnouncedIncrease.make(2, on: Instance.make(state: .running))
    await #expect(throws: StoreError.self) { try await store.edit { try $0.insert(stranger) } }
    #expect(try store.view { try $0.openPriceIncreases() }.count == 1)
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `a list is newest first, of those that wait or of all, page by page`(backend: Backend) async throws {
    let store = try world.open(backend)
    let instance = Instance.make(state: .running)
    var made: [AnnouncedIncrease] = []
    for number in 1...5 as ClosedRange<Int64> {
      world.advance(by: .seconds(1))
      var increase = AnnouncedIncrease.make(number, on: instance, at: world.now)
      if number == 2 { increase.close(at: world.now) }
      made.append(increase)
      try await insert(increase, on: instance, in: store)
    }
    func numbers(_ filter: PriceIncreaseFilter, _ page: PageRequest) throws -> ([Int64], PagePosition?) {
      let page = try store.view { try $0.priceIncreases(filter, page) }
      return (page.items.map(\.terms.id.rawValue), page.next)
    }
    let (first, next) = try numbers(.open, PageRequest(limit: 3))
    #expect(first == [5, 4, 3])
    #expect(try numbers(.open, PageRequest(limit: 3, before: next)).0 == [1])
    #expect(try numbers(.all, PageRequest()).0 == [5, 4, 3, 2, 1])
    #expect(try store.view { try $0.openPriceIncreases() }.map(\.terms.id.rawValue) == [1, 3, 4, 5], "oldest first")
    await store.close()
  }
}

extension AnnouncedIncrease {
  fileprivate static func make(
    _ number: Int64, on instance: Instance, at moment: Timestamp = Timestamp(seconds: 1_800_000_000)
  ) -> AnnouncedIncrease {
    AnnouncedIncrease(
      id: ID(at: moment), instanceID: instance.id, jobID: instance.jobID,
      terms: PriceIncrease(id: PriceIncreaseID(number), instanceID: instance.marketID ?? MarketID(1)),
      firstSeenAt: moment)
  }

  /// Each field differs from its default, so that a forgotten one shows.
  fileprivate static func full(
    _ number: Int64, on instance: Instance, id: ID<AnnouncedIncrease>? = nil
  ) -> AnnouncedIncrease {
    let moment = Timestamp(microseconds: 1_800_000_000_123_456)
    var terms = PriceIncrease(id: PriceIncreaseID(number), instanceID: instance.marketID ?? MarketID(1))
    terms.hostID = 9
    terms.gpuPerHour = .init(from: Money(microdollars: 300_000), to: Money(microdollars: 360_000))
    terms.storagePerGigabyteMonth = .init(from: nil, to: 0.2)
    terms.downloadPerGigabyte = .init(from: 0.01, to: 0.02)
    terms.uploadPerGigabyte = .init(from: 0, to: 1)
    terms.platformFee = .init(from: 0.1, to: 0.15)
    terms.deadline = moment + .seconds(60)
    terms.newEnd = moment + .seconds(3600)
    terms.announcedAt = moment - .seconds(9)
    var increase = AnnouncedIncrease(
      id: id ?? ID(at: moment), instanceID: instance.id, jobID: instance.jobID, terms: terms,
      firstSeenAt: Timestamp(seconds: 1_800_000_000))
    increase.pricePerHour = .init(from: Money(microdollars: 310_000), to: Money(microdollars: 370_001))
    increase.isListed = false
    increase.ask(.refused, at: moment + .seconds(1))
    increase.ask(.accepted, at: moment + .seconds(2))
    increase.take(.accepted, at: moment + .seconds(3))
    return increase
  }
}
