import Domain
import Locking
import Logging
import Reconcilers
import Store
import TestSupport
import Testing

/// The world begins at 08:00 UTC.
@Suite struct `The reconciler of charges` {
  private let world: World
  private let day: Timestamp
  private let counted = Locked<[String]>([])

  init() throws {
    world = try World()
    day = world.now.midnight
  }

  private func run() async -> Outcome {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let (world, counted) = (world, counted)
    return await ChargeReconciler(
      store: world.store, marketplace: world.market, counted: { event in counted.withLock { $0.append(event.type) } },
      now: { world.now }, logger: logger
    ).activate()
  }

  private func pass(hours: Int) { world.clock.advance(by: .seconds(3600 * hours)) }

  /// A machine that runs since now, at 40 cents and 1 cent an hour.
  private func rent(_ market: Int64, job: ID<Job>? = nil, isBilled: Bool = true) async throws -> Instance {
    let now = world.now
    let id = ID<Instance>(at: now)
    let tag = InstanceTag(owner: world.store.owner, instanceID: id)
    let order = RentalOrder(offerID: 7, label: tag.label("train"), image: "python:3.11", diskGigabytes: 64)
    var instance = Instance(id: id, order: order, label: "train", tag: tag, gpuCount: 1, createdAt: now)
    instance.jobID = job
    instance.restore(state: .running)
    instance.marketID = MarketID(market)
    instance.lastSeenAt = now
    let made = instance
    let line = BillingEvent(
      instanceID: id, jobID: job, kind: .start, at: now, gpuPerHour: Money(microdollars: 400_000),
      storagePerHour: Money(microdollars: 10_000))
    try await world.store.write { (tx) throws(StoreError) in
      try tx.insert(made)
      if isBilled { try tx.append(line) }
    }
    return made
  }

  private func see(_ instance: Instance) async throws { try await change(instance.id) { $0.lastSeenAt = $1 } }

  /// - Parameter unseenSince: it may have gone since then.
  private func end(_ instance: Instance, unseenSince: Timestamp? = nil) async throws {
    let line = BillingEvent(
      instanceID: instance.id, jobID: instance.jobID, kind: .stop, at: world.now, gpuPerHour: .zero,
      storagePerHour: .zero, unseenSince: unseenSince)
    try await world.store.write { (tx) throws(StoreError) in try tx.append(line) }
    try await change(instance.id) { row, now in
      row.restore(state: .destroyed)
      row.destroyedAt = now
    }
  }

  private func change(
    _ id: ID<Instance>, _ edit: @escaping @Sendable (inout Instance, Timestamp) -> Void
  ) async throws {
    let now = world.now
    let isWritten = try await world.store.write { (tx) throws(StoreError) in
      guard var row = try tx.instance(id) else { return false }
      edit(&row, now)
      return try tx.update(&row)
    }
    #expect(isWritten)
  }

  /// In thousandths of a dollar.
  private func charge(
    _ market: Int64, _ day: Timestamp? = nil, gpu: Int64 = 0, disk: Int64 = 0, down: Int64 = 0, up: Int64 = 0,
    label: String? = nil
  ) {
    var charge = MarketCharge(
      instanceID: MarketID(market), label: label, dayStart: day ?? self.day,
      amount: Money(microdollars: (gpu + disk + down + up) * 1000))
    charge.gpu = Money(microdollars: gpu * 1000)
    charge.disk = Money(microdollars: disk * 1000)
    charge.download = Money(microdollars: down * 1000)
    charge.upload = Money(microdollars: up * 1000)
    world.market.change { state in
      state.charges.removeAll { $0.instanceID == charge.instanceID && $0.dayStart == charge.dayStart }
      state.charges.append(charge)
    }
  }

  private func amounts(_ instance: Instance, _ kind: BillingEvent.Kind) throws -> [BillingEvent] {
    try world.store.read { (r) throws(StoreError) in try r.billingEvents(of: instance.id) }
      .filter { $0.kind == kind }
  }

  private func traffic(_ instance: Instance) throws -> [Int64] {
    try amounts(instance, .transfer).map { $0.amount.transfer.microdollars / 1000 }
  }

  private func discrepancies() throws -> [FleetEvent] {
    try world.events().map(\.event).filter { $0.type == "billing.discrepancy" }
  }

  private var progress: ChargeProgress {
    get throws { try world.store.read { (r) throws(StoreError) in try r.chargeProgress() } }
  }

  @Test func `before anything was rented nothing is asked`() async throws {
    #expect(await run() == Outcome())
    #expect(world.market.count(.charges) == 0)
    #expect(try progress.lastRunAt == world.now)
  }

  @Test func `traffic is in the ledger once, however often and by whomever it is looked for`() async throws {
    let instance = try await rent(1)
    pass(hours: 2)
    charge(1, gpu: 800, disk: 20, down: 500, up: 250)
    #expect(await run().changed == 2)
    #expect(try traffic(instance) == [500, 250])
    pass(hours: 1)
    #expect(await run().changed == 0)
    try await world.restart()
    #expect(await run().changed == 0)
    charge(1, gpu: 1200, disk: 30, down: 700, up: 250)
    #expect(await run().changed == 1)
    #expect(try traffic(instance).sorted() == [200, 250, 500])
  }

  @Test func `rows that come after midnight belong to the day before`() async throws {
    let instance = try await rent(1)
    pass(hours: 15)
    charge(1, gpu: 6000, disk: 150, down: 100)
    _ = await run()
    pass(hours: 2)
    charge(1, gpu: 6400, disk: 160, down: 130)
    charge(1, day.nextMidnight, gpu: 400, disk: 10, down: 7)
    _ = await run()
    let lines = try amounts(instance, .transfer)
    #expect(lines.map { $0.amount.transfer.microdollars } == [100_000, 30_000, 7_000])
    #expect(lines.map(\.at.midnight) == [day, day, day.nextMidnight])
    #expect(lines[1].at == day.nextMidnight - .microseconds(1))
  }

  @Test func `strangers' charges are nobody's, and a tag of ours is as good as a number`() async throws {
    let instance = try await rent(1)
    pass(hours: 1)
    let foreign = InstanceTag(owner: Owner("somebody")!, instanceID: instance.id)
    charge(7, down: 900)
    charge(8, down: 900, label: "theirs")
    charge(9, down: 900, label: foreign.label("train"))
    let outcome = await run()
    #expect(outcome.examined == 1 && outcome.changed == 0)
    charge(10, down: 40, label: instance.tag.label("train"))
    _ = await run()
    #expect(try traffic(instance) == [40])
  }

  @Test func `what it costs is the job's too`() async throws {
    let job = try await world.submit()
    let instance = try await rent(1, job: job)
    pass(hours: 1)
    try await end(instance)
    charge(1, gpu: 400, disk: 10, down: 90)
    _ = await run()
    let row = try world.store.read { (r) throws(StoreError) in try r.instance(instance.id) }
    #expect(row?.cost == Money(microdollars: 500_000))
    #expect(try world.job(job).cost == Money(microdollars: 500_000))
    #expect(try amounts(instance, .transfer).map(\.jobID) == [job])
  }

  @Test func `what nobody saw follows the charges, within what was unseen`() async throws {
    let (followed, bounded) = (try await rent(1), try await rent(2))
    let seenAt = world.now + .seconds(3600)
    pass(hours: 5)
    for instance in [followed, bounded] { try await end(instance, unseenSince: seenAt) }
    charge(1, gpu: 800, disk: 20)
    charge(2, gpu: 1, disk: 1)
    _ = await run()
    #expect(try amounts(followed, .adjusted).isEmpty, "charges lag")
    pass(hours: 2)
    for _ in 0..<2 { _ = await run() }
    let one = try amounts(followed, .adjusted)
    #expect(one.map(\.amount.gpu.microdollars) == [-1_200_000])
    #expect(one.map(\.amount.storage.microdollars) == [-30_000])
    #expect(try amounts(bounded, .adjusted).map(\.amount.gpu.microdollars) == [-1_600_000], "four hours at the most")
    #expect(try discrepancies().map(\.instanceID) == [bounded.id])
  }

  @Test func `lists that lack a charge, after one that showed a part of it, move nothing in the ledger`() async throws {
    let instance = try await rent(1)
    pass(hours: 11)
    let seenAt = world.now
    pass(hours: 3)
    try await end(instance, unseenSince: seenAt)
    charge(1, gpu: 3200, disk: 90)
    _ = await run()
    world.market.change { $0.charges = [] }
    pass(hours: 4)
    for _ in 0..<2 { _ = await run() }
    #expect(try amounts(instance, .adjusted).isEmpty)
    #expect(try discrepancies().map(\.instanceID) == [instance.id])
    #expect(try progress.settledBefore == day.nextMidnight)
    // The row comes after all, and whole.
    charge(1, gpu: 4800, disk: 120)
    _ = await run()
    #expect(try amounts(instance, .adjusted).map(\.amount.gpu.microdollars) == [-800_000])
    #expect(try discrepancies().count == 1)
  }

  @Test func `figures that a list showed whole count when later lists lack them`() async throws {
    let instance = try await rent(1)
    pass(hours: 15)
    charge(1, gpu: 5600, disk: 150)
    _ = await run()
    // 01:00, and nobody has looked at the machine since midnight.
    pass(hours: 2)
    _ = await run()
    #expect(try stored(instance)?.seenAt == world.now)
    pass(hours: 1)
    _ = await run()
    #expect(try stored(instance)?.seenAt == world.now - .seconds(3600), "what a list repeats is not written")
    world.market.change { $0.charges = [] }
    pass(hours: 1)
    try await end(instance, unseenSince: day + .seconds(22 * 3600))
    _ = await run()
    let line = try #require(try amounts(instance, .adjusted).first)
    #expect(line.amount.gpu.microdollars == -800_000 && line.at.midnight == day)
  }

  private func stored(_ instance: Instance) throws -> ChargedDay? {
    try world.store.read { (r) throws(StoreError) in try r.chargedDay(of: instance.id, on: day) }
  }

  @Test func `a day of many machines is written in portions, and only what is new`() async throws {
    let now = world.now
    try await world.store.write { (tx) throws(StoreError) in
      for number in 1...250 {
        let id = ID<Instance>(at: now)
        let tag = InstanceTag(owner: Owner("world")!, instanceID: id)
        let order = RentalOrder(offerID: 7, label: tag.label("x"), image: nil, diskGigabytes: 1)
        var row = Instance(id: id, order: order, label: "x", tag: tag, gpuCount: 1, createdAt: now)
        row.marketID = MarketID(Int64(number))
        row.restore(state: .running)
        try tx.insert(row)
      }
    }
    for number in 1...250 { charge(Int64(number), down: 10) }
    func commits(_ changed: Int) async -> UInt64 {
      let before = world.store.commits
      let outcome = await run()
      #expect(outcome.examined == 250 && outcome.changed == changed && outcome.failures == 0)
      return world.store.commits - before
    }
    #expect(await commits(250) == 4, "three portions, and that it ran")
    pass(hours: 1)
    #expect(await commits(0) == 1)
    charge(7, down: 20)
    #expect(await commits(1) == 2)
    charge(8, gpu: 1, down: 10)
    #expect(await commits(0) == 2)
  }

  @Test func `two that run at once write each line once`() async throws {
    let instance = try await rent(1)
    let seenAt = world.now
    pass(hours: 5)
    try await end(instance, unseenSince: seenAt)
    charge(1, gpu: 400, disk: 10, down: 30)
    pass(hours: 2)
    async let other = run()
    _ = await (run(), other)
    #expect(try traffic(instance) == [30])
    #expect(try amounts(instance, .adjusted).count == 1)
    let cost = try world.store.read { (r) throws(StoreError) in try r.instance(instance.id) }?.cost
    #expect(cost == Money(microdollars: 440_000))
  }

  @Test func `a machine that vanished while we were down costs what was charged, not what was feared`() async throws {
    let (job, market) = try await world.runningJob { $0.recovers = false }
    let rentedAt = world.now
    try await world.restart {
      pass(hours: 4)
      world.market.change { $0.instances[market] = nil }
    }
    let isOver = try await world.turn(rounds: 1500) {
      try world.instances(of: job).allSatisfy { $0.state == .destroyed }
    }
    #expect(isOver && world.now - rentedAt > .seconds(4 * 3600))
    let instance = try #require(try world.instances(of: job).first)
    #expect(instance.cost > Money(microdollars: 1_500_000), "it bills until it is seen gone")
    charge(market.rawValue, gpu: 390, disk: 10)
    pass(hours: 2)
    _ = await run()
    #expect(try amounts(instance, .adjusted).count == 1)
    let cost = try world.store.read { (r) throws(StoreError) in try r.instance(instance.id) }?.cost
    #expect(cost == Money(microdollars: 400_000))
    #expect(try world.job(job).cost == cost)
    #expect(try discrepancies().isEmpty)
  }

  @Test func `a difference of a day that was seen is told once and changes nothing`() async throws {
    let (more, fine) = (try await rent(1), try await rent(2))
    pass(hours: 2)
    for instance in [more, fine] { try await end(instance) }
    charge(1, gpu: 500, disk: 20)
    charge(2, gpu: 800, disk: 20)
    _ = await run()
    #expect(try discrepancies().isEmpty, "charges lag")
    pass(hours: 2)
    for _ in 0..<2 { _ = await run() }
    try await world.restart()
    _ = await run()
    let events = try discrepancies()
    #expect(events.map(\.subject) == [more.id.rawValue])
    #expect(
      events.first?.data == [
        "label": "train", "day": .text(day.date), "ledger_usd": .money(Money(microdollars: 820_000)),
        "charged_usd": .money(Money(microdollars: 520_000)), "rest_usd": .money(Money(microdollars: 299_000)),
      ])
    #expect(counted.withLock { $0 } == ["billing.discrepancy"])
    #expect(try amounts(more, .adjusted).isEmpty)
  }

  @Test func `a charge that is missing is told, and so is one that the ledger lacks`() async throws {
    let (missing, unknown) = (try await rent(1), try await rent(2, isBilled: false))
    pass(hours: 2)
    for instance in [missing, unknown] { try await end(instance) }
    charge(2, gpu: 500)
    pass(hours: 2)
    for _ in 0..<2 { _ = await run() }
    let rests = try discrepancies().reduce(into: [:]) { $0[$1.subject] = $1.data["rest_usd"] }
    #expect(
      rests == [
        missing.id.rawValue: .money(Money(microdollars: 820_000)),
        unknown.id.rawValue: .money(Money(microdollars: -499_500)),
      ])
    // The row comes after all.
    charge(1, gpu: 800, disk: 20)
    _ = await run()
    #expect(try discrepancies().count == 2)
  }

  @Test func `a day that nobody has looked back on is not judged`() async throws {
    let instance = try await rent(1)
    pass(hours: 40)
    _ = await run()
    #expect(try discrepancies().isEmpty)
    #expect(try progress.settledBefore == nil)
    try await see(instance)
    _ = await run()
    #expect(try discrepancies().map { $0.data["day"] } == [.text(day.date)], "and not the day that runs")
    #expect(try progress.settledBefore == day.nextMidnight)
  }

  @Test func `a provider that fails is told of, leaves whole days, and is asked again`() async throws {
    let instance = try await rent(1)
    pass(hours: 24)
    try await see(instance)
    charge(1, gpu: 6400, disk: 160, down: 10)
    charge(1, day.nextMidnight, gpu: 3200, disk: 80, down: 20)
    _ = await run()
    let ranAt = try progress.lastRunAt
    pass(hours: 1)
    charge(1, gpu: 6400, disk: 160, down: 15)
    world.market.change { $0.failures[.charges] = [.unavailable(detail: "down")] }
    #expect(await run().failures == 1)
    #expect(try traffic(instance).sorted() == [10, 20])
    #expect(try progress.failure?.code == "provider_unavailable")
    #expect(try progress.lastRunAt == ranAt)
    try await world.restart()
    #expect(try progress.failure?.code == "provider_unavailable")
    #expect(await run().failures == 0)
    #expect(try traffic(instance).sorted() == [5, 10, 20])
    #expect(try progress.failure == nil)
    #expect(try progress.lastRunAt == world.now)
  }

  @Test(arguments: [MarketplaceError.refused(code: "bad_day", detail: "no"), .malformedAnswer(detail: "half")])
  func `a day that cannot be had holds up no other, and the mark waits before it`(error: MarketplaceError) async throws
  {
    let instance = try await rent(1)
    pass(hours: 72)
    try await see(instance)
    let days = (0..<4).map { day + .seconds(86_400 * $0) }
    for (number, day) in days.enumerated() {
      charge(1, day, gpu: number == 0 ? 6400 : 9600, disk: number == 0 ? 160 : 240, down: Int64(number) + 1)
    }
    world.market.change { [day] in $0.chargeFailures[day] = error }
    for _ in 0..<2 { #expect(await run().failures == 1) }
    #expect(try traffic(instance).sorted() == [2, 3, 4])
    #expect(try progress.settledBefore == nil)
    #expect(try progress.failure?.code == error.code)
    #expect(try progress.lastRunAt == nil)
    world.market.change { $0.chargeFailures = [:] }
    for _ in 0..<2 { #expect(await run().failures == 0) }
    #expect(try traffic(instance).sorted() == [1, 2, 3, 4])
    #expect(try progress.settledBefore == days[3])
    #expect(try progress.failure == nil)
  }

  @Test func `an outage is not asked for every day in turn`() async throws {
    _ = try await rent(1)
    pass(hours: 72)
    world.market.change { $0.failures[.charges] = [.unavailable(detail: "down")] }
    #expect(await run().failures == 1)
    #expect(world.market.count(.charges) == 1)
  }

  @Test func `a shutdown under a call is no failure`() async throws {
    _ = try await rent(1)
    world.market.change { $0.failures[.charges] = [.cancelled] }
    #expect(await run().failures == 0)
    #expect(try progress.failure == nil)
  }

  @Test func `a long downtime is caught up, a month at a time`() async throws {
    let instance = try await rent(1)
    pass(hours: 1)
    try await end(instance)
    charge(1, gpu: 400, disk: 10)
    pass(hours: 24 * 40)
    for calls in [33, 10, 2, 2] {
      let before = world.market.count(.charges)
      _ = await run()
      #expect(world.market.count(.charges) - before == calls)
    }
    #expect(try discrepancies().isEmpty)
  }
}
