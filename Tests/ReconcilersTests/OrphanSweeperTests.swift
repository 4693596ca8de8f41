import Domain
import Locking
import Logging
import Reconcilers
import Store
import TestSupport
import Testing

@Suite struct `The sweeper of orphans` {
  private let world: World
  private let sweeper: OrphanSweeper
  private let found = Locked<[FleetEvent]>([])
  private let destroyed = Locked(0)

  init() throws {
    world = try World()
    let (world, found, destroyed) = (world, found, destroyed)
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    sweeper = OrphanSweeper(
      store: world.store, marketplace: world.market, observation: { world.current.poller.observation },
      unlistedSpend: { world.current.poller.unlistedSpend },
      counted: { event in found.withLock { $0.append(event) } }, destroyed: { destroyed.withLock { $0 += 1 } },
      now: { world.now }, logger: logger)
  }

  /// A machine at the provider that bears the tag of a row that nobody knows, unless told otherwise.
  private func put(_ number: Int64, label: String? = nil, owner: String = "world") -> MarketID {
    var seen = MarketInstance(id: MarketID(number))
    seen.label = label ?? "x #vastd/\(owner)/\(ID<Instance>(at: world.now))"
    let made = seen
    world.market.change { $0.instances[made.id] = made }
    return made.id
  }

  /// A list and a look at it, a while after the last.
  private func look(after span: Duration = .seconds(1)) async -> Outcome {
    world.clock.advance(by: span)
    await world.current.poller.poll()
    return await sweeper.activate()
  }

  private var alive: [MarketID] { world.market.snapshot.instances.keys.sorted() }

  @Test func `tells of one at once, destroys it after the grace, and of both only once`() async throws {
    let id = put(7)
    #expect(await look().changed == 1)
    #expect(await look(after: .seconds(60)).changed == 0)
    #expect(await look(after: .seconds(59)).changed == 0)
    #expect(alive == [id], "not a second too early")
    #expect(await look(after: .seconds(1)).changed == 1)
    #expect(alive.isEmpty)
    #expect(await look().changed == 0)
    #expect(found.withLock { $0.map(\.type) } == ["instance.orphan_found"])
    #expect(destroyed.withLock { $0 } == 1)
    let events = try world.store.read { (r) throws(StoreError) in try r.events(after: 0, limit: 10) }
    #expect(events.map(\.event.type) == ["instance.orphan_found"])
    #expect(events.first?.event.data["provider_id"] == 7)
  }

  /// What costs so much by the hour and is in no list.
  private func hide(_ number: Int64) {
    world.market.change { state in
      var hidden = MarketInstance(id: MarketID(number))
      hidden.storagePricePerHour = Money(microdollars: 20_000)
      state.instances[hidden.id] = hidden
      state.hidden.insert(hidden.id)
    }
  }

  @Test func `tells once of money that flows for nothing listed, at the second look, and again when it comes back`()
    async throws
  {
    hide(1)
    #expect(await look().changed == 0, "one look may have met a machine on its way")
    #expect(sweeper.report.unlistedSpend?.perHour == Money(microdollars: 20_000))
    #expect(await look(after: .seconds(119)).changed == 0)
    #expect(await look(after: .seconds(1)).changed == 1)
    #expect(await look(after: .seconds(120)).changed == 0)
    world.market.change { $0.instances = [:] }
    #expect(await look(after: .seconds(120)).changed == 0)
    #expect(sweeper.report.unlistedSpend?.perHour == .zero)
    hide(2)
    _ = await look(after: .seconds(120))
    #expect(await look(after: .seconds(120)).changed == 1)
    let events = try world.store.read { (r) throws(StoreError) in try r.events(after: 0, limit: 10) }
    #expect(events.map(\.event.type) == ["account.unlisted_spend", "account.unlisted_spend"])
    #expect(
      events.map(\.event.data)
        == Array(repeating: ["per_hour_usd": .money(Money(microdollars: 20_000))], count: 2))
    #expect(events.map(\.sequence) == [1, 2])
  }

  @Test func `never touches another installation's machine, an untagged one, or a broken tag`() async {
    let ids = [
      put(1, owner: "other"), put(2, label: "somebody's"), put(3, label: "x #vastd/world/ins_short"), put(4, label: ""),
      put(5, label: "x #vastd/world/ins_00000000000000000000000000 copied"),
    ]
    for _ in 0..<5 { _ = await look(after: .seconds(100)) }
    #expect(alive == ids)
    #expect(found.withLock { $0.isEmpty })
  }

  @Test func `never touches what a row claims, from its order to its end`() async throws {
    let id = try await world.submit { $0.onFailure = .keep }
    world.shell.change { $0.endsAs = nil }
    world.market.change { $0.lostAnswers = [.unknownOutcome(detail: "cut")] }
    let runs = try await world.turn {
      world.bootAll()
      return try world.job(id).state == .running
    }
    #expect(runs)
    for _ in 0..<5 { _ = await look(after: .seconds(100)) }
    #expect(alive.count == 1)
    #expect(found.withLock { $0.isEmpty })
  }

  @Test func `ends the machine of an order that was given up and came to be after all`() async throws {
    world.market.change { $0.failures[.create] = [.unknownOutcome(detail: "timeout")] }
    let id = try await world.submit { $0.maximumAttempts = 1 }
    let ended = try await world.turn { try world.job(id).state.isFinal }
    #expect(ended)
    #expect(try world.job(id).failure?.code == "never_created")
    let row = try #require(try world.instances(of: id).first)
    let late = put(99, label: row.order.label)
    _ = await look()
    #expect(found.withLock { $0.map(\.instanceID) } == [row.id])
    _ = await look(after: .seconds(120))
    #expect(!alive.contains(late))
  }

  @Test func `leaves a machine that was relabelled while it waited`() async {
    let id = put(7)
    _ = await look()
    world.clock.advance(by: .seconds(120))
    await world.current.poller.poll()
    world.market.set(id) { $0.label = "mine now" }
    _ = await sweeper.activate()
    #expect(alive == [id])
    #expect(world.market.count(.destroy) == 0)
  }

  @Test func `begins the grace again for one that was gone from a list, and asks again when a destroy failed`() async {
    let id = put(7)
    _ = await look()
    world.market.change { _ = $0.hidden.insert(id) }
    _ = await look(after: .seconds(60))
    world.market.change { $0.hidden = [] }
    _ = await look(after: .seconds(60))
    _ = await look(after: .seconds(60))
    #expect(alive == [id])
    world.market.change { $0.failures[.destroy] = [.unavailable(detail: "down")] }
    #expect(await look(after: .seconds(60)).failures == 1)
    #expect(await look(after: .seconds(29)).failures == 0)
    #expect(world.market.count(.destroy) == 1, "a pause between two destroys")
    #expect(await look(after: .seconds(1)).changed == 1)
    #expect(alive.isEmpty)
  }

  @Test func `reports what it knows, as of the list that it knows it from`() async throws {
    _ = await look()
    #expect(sweeper.report.orphans.isEmpty && sweeper.report.asOf == world.now)
    let id = put(7)
    #expect(sweeper.report.orphans.isEmpty, "no list has shown it")
    _ = await look()
    let foundAt = world.now
    world.market.set(id) { $0.gpuName = "RTX 4090" }
    _ = await look(after: .seconds(10))
    _ = put(8)
    _ = await look(after: .seconds(10))
    let report = sweeper.report
    #expect(report.asOf == world.now)
    #expect(report.orphans.map(\.seen.id) == [MarketID(8), id], "the one found last first")
    let orphan = try #require(report.orphans.last)
    #expect(orphan.seen.gpuName == "RTX 4090", "as the last list shows it")
    #expect(orphan.firstSeenAt == foundAt && orphan.destroyAfter == foundAt + OrphanSweeper.grace)
    #expect(orphan.destroyAskedAt == nil)
    world.market.change { $0.failures[.destroy] = [.unavailable(detail: "down")] }
    _ = await look(after: .seconds(100))
    #expect(sweeper.report.orphans.last?.destroyAskedAt == world.now)
    _ = await look(after: .seconds(30))
    #expect(sweeper.report.orphans.map(\.destroyAskedAt) == [world.now, world.now], "asked for is not gone")
    #expect(alive.isEmpty)
    _ = await look()
    #expect(sweeper.report.orphans.isEmpty && sweeper.report.asOf == world.now)
  }

  @Test func `while the store fails its report stays that of the last list that it could judge`() async {
    _ = await look()
    let before = sweeper.report
    _ = put(7)
    world.clock.advance(by: .seconds(1))
    await world.current.poller.poll()
    await world.store.close()
    _ = await sweeper.activate()
    #expect(sweeper.report == before)
  }

  @Test func `without a list knows nothing and does nothing`() async {
    _ = put(7)
    #expect(await sweeper.activate() == Outcome())
    #expect(sweeper.report == OrphanReport())
  }
}
