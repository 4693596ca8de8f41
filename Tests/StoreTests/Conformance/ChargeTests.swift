import Domain
import Store
import Testing

@Suite struct ChargeTests {
  private let world: World
  private let day: Timestamp
  private let instances = (0..<3).map { Instance.make(state: .running, marketID: Int64($0 + 1)) }

  init() throws {
    world = try World()
    day = world.now.midnight
  }

  private func open(_ backend: Backend) async throws -> Store {
    let store = try world.open(backend)
    let instances = instances
    try await store.edit { transaction in for instance in instances { try transaction.insert(instance) } }
    return store
  }

  private func charge(_ market: Int64, _ dollars: Double, label: String? = nil) -> MarketCharge {
    var charge = MarketCharge(
      instanceID: MarketID(market), label: label, dayStart: day, amount: Money(dollars: dollars) ?? .zero)
    charge.gpu = charge.amount
    return charge
  }

  private func charged(_ instance: Instance, _ dollars: Double, day: Timestamp? = nil) -> ChargedDay {
    var charged = ChargedDay(instanceID: instance.id, day: day ?? self.day)
    charged.add(charge(1, dollars), seenAt: world.now)
    return charged
  }

  @Test(arguments: Backend.allCases)
  func `the newest figures of a day replace the older ones, and who was told stays told`(backend: Backend) async throws
  {
    let store = try await open(backend)
    let (now, first) = (world.now, charged(instances[0], 1.25))
    var full = charged(instances[1], 2)
    full.disk = Money(microdollars: 3)
    full.download = Money(microdollars: 4)
    full.upload = Money(microdollars: 5)
    full.other = Money(microdollars: -6)
    let second = full
    let never = ChargedDay(instanceID: instances[2].id, day: day)
    try await store.edit { transaction in
      try transaction.keep(first)
      try transaction.noteTold(first, at: now)
      try transaction.keep(second)
      try transaction.noteTold(never, at: now)
    }
    var grown = charged(instances[0], 1.5)
    try await store.edit { [grown] in try $0.keep(grown) }
    grown.toldAt = now
    var told = never
    told.toldAt = now
    let expected = [grown, second, told].sorted { $0.instanceID.rawValue < $1.instanceID.rawValue }
    #expect(try store.view { try $0.chargedDays(on: day) } == expected)
    #expect(try store.view { try $0.chargedDays(on: day.nextMidnight) } == [])
    #expect(try store.view { try $0.chargedDay(of: first.instanceID, on: day) } == grown)
    #expect(try store.view { try $0.chargedDay(of: first.instanceID, on: day.nextMidnight) } == nil)
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `a charge is an instance's by its number, else by its tag, and a stranger's is nobody's`(
    backend: Backend
  ) async throws {
    let store = try await open(backend)
    let foreign = InstanceTag(owner: Owner("somebody")!, instanceID: instances[0].id)
    let unknown = InstanceTag(owner: Owner("tests")!, instanceID: ID(at: world.now))
    for (charge, owner) in [
      (charge(2, 1), instances[1].id), (charge(2, 1, label: instances[0].order.label), instances[1].id),
      (charge(9, 1, label: instances[0].order.label), instances[0].id), (charge(9, 1), nil),
      (charge(9, 1, label: foreign.label("train")), nil), (charge(9, 1, label: unknown.label("train")), nil),
    ] as [(MarketCharge, ID<Instance>?)] {
      #expect(try store.view { try $0.instance(of: charge)?.id } == owner)
    }
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `a day's instances are those with a line on it or an account that is open`(backend: Backend) async throws {
    let store = try await open(backend)
    let (now, instances) = (world.now, instances)
    func line(_ instance: Instance, _ kind: BillingEvent.Kind, _ at: Timestamp) -> BillingEvent {
      BillingEvent(
        instanceID: instance.id, jobID: nil, kind: kind, at: at, gpuPerHour: .zero,
        storagePerHour: kind == .stop ? .zero : Money(microdollars: 5000))
    }
    for line in [
      line(instances[0], .start, now), line(instances[1], .start, now), line(instances[1], .stop, now + .seconds(3600)),
    ] { try await store.edit { try $0.append(line) } }
    func found(_ day: Timestamp) throws -> Set<ID<Instance>> {
      Set(try store.view { try $0.instancesInLedger(on: day) })
    }
    #expect(try found(day) == [instances[0].id, instances[1].id])
    #expect(try found(day.nextMidnight) == [instances[0].id])
    #expect(try found(day - .seconds(86_400)) == [])
    #expect(try store.view { try $0.firstInstanceAt() } == instances[0].createdAt)
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `how far the comparison has come survives a restart`(backend: Backend) async throws {
    let store = try world.open(backend)
    #expect(try store.view { try $0.chargeProgress() } == ChargeProgress())
    #expect(try store.view { try $0.firstInstanceAt() } == nil)
    var progress = ChargeProgress()
    progress.settledBefore = day
    progress.lastRunAt = world.now
    progress.failure = Failure(code: "provider_unavailable", detail: "a \"bad\" day", isRetryable: true)
    try await store.edit { [progress] in try $0.keep(progress) }
    await store.close()
    let again = try world.open(backend)
    #expect(try again.view { try $0.chargeProgress() } == progress)
    progress.failure = nil
    try await again.edit { [progress] in try $0.keep(progress) }
    #expect(try again.view { try $0.chargeProgress() } == progress)
    await again.close()
  }

  @Test(arguments: Backend.allCases)
  func `a report joins both sides, counts what flows up to now, and adds up all pages`(backend: Backend) async throws {
    let store = try await open(backend)
    let (now, instances, day) = (world.now, instances, day)
    // One flows over midnight, one was charged and is in no ledger, one is in the ledger alone and had a gap.
    let lines = [
      BillingEvent(
        instanceID: instances[0].id, jobID: nil, kind: .start, at: now, gpuPerHour: Money(microdollars: 1_000_000),
        storagePerHour: .zero),
      BillingEvent(
        instanceID: instances[2].id, jobID: nil, kind: .start, at: now, gpuPerHour: Money(microdollars: 500_000),
        storagePerHour: .zero),
      BillingEvent(
        instanceID: instances[2].id, jobID: nil, kind: .stop, at: now + .seconds(7200), gpuPerHour: .zero,
        storagePerHour: .zero, unseenSince: now + .seconds(3600)),
    ]
    let charges = [charged(instances[0], 16), charged(instances[1], 3)]
    try await store.edit { transaction in
      for line in lines { try transaction.append(line) }
      for charge in charges { try transaction.keep(charge) }
    }
    // The world begins at 08:00: sixteen hours of the day are left, and two of the next have passed.
    let range = try #require(DayRange(from: day, to: now + .seconds(18 * 3600)))
    let moment = now + .seconds(18 * 3600)
    let all = try store.view { try $0.reconciliation(range, PageRequest(), now: moment) }
    #expect(all.page.items.map(\.charged.day) == [day.nextMidnight, day, day, day])
    #expect(all.page.next == nil)
    func item(_ instance: Instance, _ day: Timestamp) throws -> ReconciledDay {
      try #require(all.page.items.first { $0.charged.instanceID == instance.id && $0.charged.day == day })
    }
    #expect(try item(instances[0], day).ledger.gpu == Money(microdollars: 16_000_000))
    #expect(try item(instances[0], day).comparison.difference == .zero)
    #expect(try item(instances[0], day.nextMidnight).ledger.gpu == Money(microdollars: 2_000_000))
    #expect(try item(instances[1], day).comparison.difference == Money(microdollars: -3_000_000))
    #expect(try item(instances[1], day).marketID == MarketID(2))
    #expect(try item(instances[2], day).hasUnseenGap)
    #expect(try !item(instances[0], day).hasUnseenGap)
    #expect(all.totals.ledger == Money(microdollars: 19_000_000))
    #expect(all.totals.charged == Money(microdollars: 19_000_000) && all.totals.difference == .zero)

    var paged: [ReconciledDay] = []
    var before: PagePosition?
    repeat {
      let part = try store.view { try $0.reconciliation(range, PageRequest(limit: 1, before: before), now: moment) }
      #expect(part.totals == all.totals && part.page.items.count == 1)
      paged += part.page.items
      before = part.page.next
    } while before != nil
    #expect(paged == all.page.items)
    await store.close()
  }
}
