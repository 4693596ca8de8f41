import Domain
import Locking
import Logging
import Reconcilers
import Store
import TestSupport
import Testing

@Suite struct `The watcher of prices` {
  private let world: World
  private let counted = Locked<[String]>([])

  init() throws { world = try World() }

  /// One as after a start of the program: it remembers nothing.
  private func watcher() -> PriceWatcher {
    let (world, counted) = (world, counted)
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return PriceWatcher(
      store: world.store, marketplace: world.market, observation: { world.current.poller.observation },
      counted: { event in counted.withLock { $0.append(event.type) } }, now: { world.now }, logger: logger)
  }

  /// A machine that runs a job, on demand unless it bids; its row.
  private func running(_ edit: (inout JobSpecification) -> Void = { _ in }) async throws -> Instance {
    world.shell.change { $0.endsAs = nil }
    let id = try await world.submit { specification in
      specification.onFailure = .keep
      edit(&specification)
    }
    let runs = try await world.turn {
      world.bootAll()
      return try world.job(id).state == .running
    }
    #expect(runs)
    let instance = try #require(try world.instances(of: id).first)
    world.market.set(try #require(instance.marketID)) { $0.diskGigabytes = 72 }
    await world.current.poller.poll()
    return instance
  }

  private func raise(
    _ number: Int64, of instance: MarketID?, to dollars: Double = 0.5, within span: Duration = .seconds(3600)
  ) throws -> PriceIncrease {
    var increase = PriceIncrease(id: PriceIncreaseID(number), instanceID: try #require(instance))
    increase.gpuPerHour = .init(from: Money(dollars: 0.4), to: try #require(Money(dollars: dollars)))
    increase.deadline = world.now + span
    let announced = increase
    world.market.change { $0.priceIncreases.append(announced) }
    return increase
  }

  private func events() throws -> [FleetEvent] {
    try world.store.read { (r) throws(StoreError) in try r.events(after: 0, limit: 1000) }.map(\.event)
      .filter { $0.type.hasPrefix("billing.price") }
  }

  private func rows() throws -> [AnnouncedIncrease] {
    try world.store.read { (r) throws(StoreError) in try r.priceIncreases(.all, PageRequest()) }.items
  }

  @Test func `records what a host announces once, with both prices, whatever lists repeat and however often it starts`()
    async throws
  {
    let instance = try await running()
    let increase = try raise(31, of: instance.marketID)
    world.market.change { $0.priceIncreases.append(increase) }
    #expect(await watcher().activate().changed == 1)
    #expect(await watcher().activate().changed == 0)
    try await world.restart()
    #expect(await watcher().activate().changed == 0)
    let row = try #require(try rows().first)
    #expect(try rows().count == 1)
    #expect(row.terms == increase)
    #expect(row.instanceID == instance.id && row.jobID == instance.jobID)
    #expect(row.pricePerHour == .init(from: Money(microdollars: 400_000), to: Money(microdollars: 500_000)))
    #expect(row.isOpen && row.isListed)
    let event = try #require(try events().first)
    #expect(try events().count == 1)
    #expect(event.type == "billing.price_increase")
    #expect(event.subject == instance.id.rawValue)
    #expect(event.instanceID == instance.id && event.jobID == instance.jobID)
    #expect(
      event.data == [
        "price_increase_id": .text(row.id.rawValue), "provider_increase_id": 31, "label": .text(instance.label),
        "price_per_hour_usd": .money(Money(microdollars: 400_000)),
        "new_price_per_hour_usd": .money(Money(microdollars: 500_000)),
        "deadline": .text(try #require(increase.deadline).rfc3339),
      ])
    #expect(counted.withLock { $0 } == ["billing.price_increase"])
  }

  @Test func `leaves alone what is announced for strangers, bids, and what is to go`() async throws {
    let mine = try await running()
    var stranger = MarketInstance(id: MarketID(7))
    stranger.label = "somebody's"
    let made = stranger
    world.market.change { $0.instances[made.id] = made }
    _ = try raise(1, of: made.id)
    _ = try raise(2, of: MarketID(8))
    #expect(await watcher().activate().changed == 0)
    try await change(mine) { $0.desired = .destroyed }
    _ = try raise(3, of: mine.marketID)
    #expect(await watcher().activate().changed == 0)
    #expect(try rows().isEmpty)
    #expect(try events().isEmpty)
    #expect(world.market.count(.answerPriceIncrease) == 0)
  }

  @Test func `records what is announced for a machine that was stopped for its idle GPUs`() async throws {
    let instance = try await running()
    try await change(instance) { row in
      row.wantStopped(for: Idleness(span: .seconds(600), cost: .zero))
      row.restore(state: .stopped)
    }
    _ = try raise(31, of: instance.marketID)
    #expect(await watcher().activate().changed == 1)
    #expect(try rows().map(\.instanceID) == [instance.id])
    #expect(try events().map(\.type) == ["billing.price_increase"])
    #expect(await watcher().activate().changed == 0)
  }

  private func change(_ instance: Instance, _ edit: @escaping @Sendable (inout Instance) -> Void) async throws {
    let isWritten = try await world.store.write { (tx) throws(StoreError) in
      guard var instance = try tx.instance(instance.id) else { return false }
      edit(&instance)
      return try tx.update(&instance)
    }
    #expect(isWritten)
  }

  @Test func `asks nobody while there is nothing that could be raised`() async throws {
    #expect(await watcher().activate() == Outcome())
    let bid = try await running { specification in
      specification.resources.isInterruptible = true
      specification.resources.bidPerHour = Money(microdollars: 500_000)
    }
    #expect(bid.order.bidPerHour != nil)
    _ = try raise(1, of: bid.marketID)
    #expect(await watcher().activate() == Outcome())
    #expect(world.market.count(.priceIncreases) == 0)
  }

  @Test func `closes one when its term has ended and no list holds it, and not for its absence alone`() async throws {
    let instance = try await running()
    let increase = try raise(31, of: instance.marketID, within: .seconds(1000))
    _ = await watcher().activate()
    world.market.change { $0.priceIncreases = [] }
    #expect(await watcher().activate().changed == 0)
    #expect(try rows().map(\.isListed) == [false])
    #expect(try rows().map(\.isOpen) == [true], "lists do not hold all")
    world.market.change { $0.priceIncreases = [increase] }
    world.clock.advance(by: .seconds(1000))
    #expect(await watcher().activate().changed == 0)
    #expect(try rows().map(\.isListed) == [true])
    #expect(try rows().map(\.isOpen) == [true], "what is listed waits, whatever our clock says")
    world.market.change { $0.priceIncreases = [] }
    world.market.change { $0.failures[.priceIncreases] = [.unavailable(detail: "down")] }
    #expect(await watcher().activate().failures == 1)
    #expect(try rows().map(\.isOpen) == [true], "no list proves nothing")
    #expect(await watcher().activate().changed == 1)
    #expect(try rows().map(\.closedAt) == [world.now])
    #expect(await watcher().activate().changed == 0)
    let closed = try #require(try events().last)
    #expect(closed.type == "billing.price_increase_closed")
    #expect(closed.data["answer"] == nil && closed.data["in_doubt"] == nil)
    #expect(counted.withLock { $0.count } == 2)
  }

  @Test func `closes one whose instance is gone, also while no list can be had`() async throws {
    let instance = try await running()
    _ = try raise(31, of: instance.marketID)
    _ = await watcher().activate()
    try await world.cancel(try #require(instance.jobID))
    let isGone = try await world.turn { try world.instances(of: try #require(instance.jobID))[0].state == .destroyed }
    #expect(isGone)
    world.market.change { $0.failures[.priceIncreases] = [.unavailable(detail: "down")] }
    #expect(await watcher().activate().changed == 1)
    #expect(try rows().map(\.isOpen) == [false])
    let asked = world.market.count(.priceIncreases)
    #expect(await watcher().activate() == Outcome())
    #expect(world.market.count(.priceIncreases) == asked)
  }

  @Test func `a host that changes its mind announces another, and terms that move are followed`() async throws {
    let instance = try await running()
    let first = try raise(31, of: instance.marketID)
    _ = await watcher().activate()
    world.market.change { $0.priceIncreases = [] }
    let second = try raise(32, of: instance.marketID, to: 0.6)
    #expect(await watcher().activate().changed == 1)
    #expect(Set(try rows().map(\.terms.id)) == [first.id, second.id])
    #expect(try events().count == 2)
    var moved = second
    moved.deadline = world.now + .seconds(99)
    let last = moved
    world.market.change { $0.priceIncreases = [last] }
    #expect(await watcher().activate().changed == 0)
    #expect(try rows().contains { $0.terms == last })
  }

  @Test func `a price that could not be told is told once a list shows the machine`() async throws {
    let instance = try await running()
    let number = try #require(instance.marketID)
    let price = world.market.snapshot.instances[number]?.runningPricePerHour
    world.market.set(number) { $0.runningPricePerHour = nil }
    await world.current.poller.poll()
    _ = try raise(31, of: number)
    _ = await watcher().activate()
    #expect(try rows().map(\.pricePerHour) == [nil])
    #expect(try events().first?.data["new_price_per_hour_usd"] == nil)
    world.market.set(number) { $0.runningPricePerHour = price }
    await world.current.poller.poll()
    _ = await watcher().activate()
    #expect(try rows().first?.pricePerHour?.new == Money(microdollars: 500_000))
  }

  @Test func `says so when the store fails`() async throws {
    await world.store.close()
    #expect(await watcher().activate().failures == 1)
  }
}
