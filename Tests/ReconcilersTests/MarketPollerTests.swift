import Domain
import Locking
import Logging
import Reconcilers
import Store
import TestSupport
import Testing

@Suite struct `The poller` {
  private let world: World
  private let poller: MarketPoller
  private let observed = Locked(0)
  private let signal = Signal()
  private let interval = Locked(Duration.seconds(30))

  init() throws {
    world = try World()
    let (world, observed, interval) = (world, observed, interval)
    var configuration = MarketPoller.Configuration()
    configuration.interval = { interval.withLock { $0 } }
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    poller = MarketPoller(
      marketplace: world.market, store: world.store, configuration: configuration, signal: signal,
      observed: { observed.withLock { $0 += 1 } }, clock: world.clock, now: { world.now }, logger: logger)
  }

  private var lists: Int { world.market.count(.list) }

  /// Runs the loop beside `body`.
  private func whileRunning(_ body: () async throws -> Void) async rethrows {
    let task = Task { [poller] in await poller.run() }
    defer { task.cancel() }
    try await body()
    task.cancel()
    await task.value
  }

  private func insert(_ events: [InstanceEvent], _ edit: (inout Instance) -> Void = { _ in }) async throws -> Instance {
    let id = ID<Instance>(at: world.now)
    let tag = InstanceTag(owner: world.store.owner, instanceID: id)
    let order = RentalOrder(offerID: 1, label: tag.label("x"), image: nil, diskGigabytes: 1)
    var row = Instance(id: id, order: order, label: "x", tag: tag, gpuCount: 1, createdAt: world.now)
    row.marketID = MarketID(1)
    edit(&row)
    for event in events { try row.apply(event) }
    let made = row
    try await world.store.write { (tx) throws(StoreError) in try tx.insert(made) }
    return made
  }

  @Test func `with nothing under way lists once an interval`() async throws {
    await whileRunning {
      await eventually { lists == 1 }
      await eventually { world.clock.untilNextDeadline == .seconds(30) }
      #expect(world.clock.untilNextDeadline == .seconds(30))
      world.clock.advance(by: .seconds(29))
      #expect(lists == 1)
      world.clock.advance(by: .seconds(1))
      await eventually { observed.withLock { $0 } == 2 }
      #expect(lists == 2)
      #expect(observed.withLock { $0 } == 2)
    }
  }

  @Test func `an interval that is changed while it waits applies at once`() async throws {
    await whileRunning {
      await eventually { lists == 1 }
      await world.clock.sleepers(1)
      world.clock.advance(by: .seconds(10))
      interval.withLock { $0 = .seconds(15) }
      signal.raise()
      await eventually { world.clock.untilNextDeadline == .seconds(5) }
      #expect(world.clock.untilNextDeadline == .seconds(5))
      world.clock.advance(by: .seconds(5))
      await eventually { lists == 2 }
      #expect(lists == 2)
      #expect(poller.status.interval == .seconds(15))
    }
  }

  @Test func `is in a hurry as soon as an instance is expected to change`() async throws {
    try await whileRunning {
      await eventually { lists == 1 }
      await world.clock.sleepers(1)
      world.clock.advance(by: .seconds(10))
      _ = try await insert([.orderSent, .created]) { $0.acceptedAt = world.now }
      signal.raise()
      await eventually { world.clock.untilNextDeadline == .seconds(2) }
      #expect(world.clock.untilNextDeadline == .seconds(2), "counted from our own last change")
      world.clock.advance(by: .seconds(2))
      await eventually { lists == 2 }
      #expect(lists == 2)
    }
  }

  @Test func `never waits longer than the interval, however lately something changed`() async throws {
    try await whileRunning {
      await eventually { lists == 1 }
      await world.clock.sleepers(1)
      world.clock.advance(by: .seconds(29))
      _ = try await insert([.orderSent, .created]) { $0.acceptedAt = world.now }
      signal.raise()
      await eventually { world.clock.untilNextDeadline == .seconds(1) }
      #expect(world.clock.untilNextDeadline == .seconds(1))
    }
  }

  @Test(arguments: [[InstanceEvent.orderSent], [.orderSent, .created], [.orderSent, .created, .destroyAsked]])
  func `hurries for what is under way`(events: [InstanceEvent]) async throws {
    _ = try await insert(events)
    #expect(poller.status.interval == .seconds(2))
  }

  @Test func `hurries for a running machine only when it is unwanted, and never for what is gone`() async throws {
    let row = try await insert([.orderSent, .created, .booted])
    _ = try await insert([.orderSent, .refused])
    #expect(poller.status.interval == .seconds(30))
    _ = try await world.store.write { (tx) throws(StoreError) in
      var row = row
      row.desired = .destroyed
      return try tx.update(&row)
    }
    #expect(poller.status.interval == .seconds(2))
  }

  @Test func `looks once a minute while a machine of ours runs, however long the interval is`() async throws {
    interval.withLock { $0 = .seconds(120) }
    #expect(poller.status.interval == .seconds(120))
    _ = try await insert([.orderSent, .created, .booted])
    #expect(poller.status.interval == .seconds(60))
    #expect(MarketPoller.Configuration.longestInterval < IdleGPU.longestSpan)
    await whileRunning {
      await eventually { world.clock.untilNextDeadline == .seconds(60) }
      #expect(world.clock.untilNextDeadline == .seconds(60))
    }
    interval.withLock { $0 = .seconds(10) }
    #expect(poller.status.interval == .seconds(10))
  }

  @Test func `keeps the last list when the next one fails, says so, and tells nobody`() async throws {
    world.market.change { $0.instances[MarketID(5)] = MarketInstance(id: MarketID(5)) }
    await poller.poll()
    let first = try #require(poller.observation)
    world.market.change { state in
      state.instances = [:]
      state.failures[.list] = [.malformedAnswer(detail: "half")]
    }
    world.clock.advance(by: .seconds(30))
    await poller.poll()
    #expect(poller.observation?.startedAt == first.startedAt)
    #expect(poller.observation?.instances.count == 1)
    #expect(poller.status.error?.code == "malformed_answer")
    #expect(poller.status.lastPollAt == first.startedAt)
    #expect(observed.withLock { $0 } == 1)
    await poller.poll()
    #expect(poller.status.error == nil)
    #expect(poller.observation?.instances.isEmpty == true)
  }

  private func witness(_ events: [InstanceEvent], _ edit: (inout Instance) -> Void = { _ in }) async throws
    -> SpendWitness?
  {
    _ = try await insert(events, edit)
    await poller.poll()
    return poller.observation?.witness
  }

  @Test func `the spend is asked when a machine of ours is missing, and agrees when nothing is spent`() async throws {
    #expect(try await witness([.orderSent, .created, .destroyAsked]) == .agrees)
    #expect(world.market.count(.spend) == 1)
  }

  @Test func `the spend contradicts a list that lacks a machine which still costs`() async throws {
    world.market.change { state in
      var hidden = MarketInstance(id: MarketID(1))
      hidden.storagePricePerHour = Money(microdollars: 10_000)
      state.instances[hidden.id] = hidden
      state.hidden = [hidden.id]
    }
    #expect(try await witness([.orderSent, .created, .destroyAsked]) == .contradicts)
  }

  @Test func `a spend that cannot be had is no witness, and the list is one all the same`() async throws {
    world.market.change { $0.failures[.spend] = [.unavailable(detail: "down")] }
    #expect(try await witness([.orderSent, .created]) == nil)
    #expect(poller.observation != nil && poller.status.error == nil)
  }

  @Test func `a list waits for its witness ten seconds and no longer`() async throws {
    let silence = Signal()
    world.market.change { $0.beforeSpend = { await silence.wait(after: 0) } }
    _ = try await insert([.orderSent, .created])
    async let polled: Void = poller.poll()
    await world.clock.sleepers(1)
    #expect(poller.observation == nil)
    world.clock.advance(by: .seconds(10))
    await polled
    #expect(poller.observation != nil && poller.observation?.witness == nil)
  }

  @Test func `while nothing is missing the spend is asked every two minutes, and bears no witness`() async throws {
    world.market.change { $0.instances[MarketID(1)] = MarketInstance(id: MarketID(1)) }
    #expect(try await witness([.orderSent, .created, .booted]) == nil)
    _ = try await insert([.orderSent, .refused]) { $0.marketID = nil }
    world.clock.advance(by: .seconds(119))
    await poller.poll()
    #expect(world.market.count(.spend) == 1)
    world.clock.advance(by: .seconds(1))
    await poller.poll()
    #expect(world.market.count(.spend) == 2)
    #expect(poller.observation?.witness == nil)
  }

  @Test func `what flows for other things while nothing is missing does not contradict a list later`() async throws {
    world.market.change { state in
      var other = MarketInstance(id: MarketID(2))
      other.storagePricePerHour = Money(microdollars: 30_000)
      state.instances[other.id] = other
      state.hidden = [other.id]
    }
    await poller.poll()
    #expect(poller.unlistedSpend?.perHour == Money(microdollars: 30_000))
    #expect(poller.unlistedSpend?.isCertain == false)
    world.clock.advance(by: .seconds(120))
    await poller.poll()
    #expect(poller.unlistedSpend?.isCertain == true)
    #expect(try await witness([.orderSent, .created, .destroyAsked]) == .agrees)
    world.market.change { state in
      var ours = MarketInstance(id: MarketID(1))
      ours.storagePricePerHour = Money(microdollars: 10_000)
      state.instances[ours.id] = ours
      state.hidden.insert(ours.id)
    }
    await poller.poll()
    #expect(poller.observation?.witness == .contradicts)
  }

  @Test func `an order without an answer is worth a witness when the settling time is over, not before`() async throws {
    _ = try await insert([.orderSent]) { row in
      row.marketID = nil
      row.orderedAt = world.now
    }
    await poller.poll()
    #expect(world.market.count(.spend) == 1, "the first look of all")
    world.clock.advance(by: .seconds(89))
    await poller.poll()
    #expect(world.market.count(.spend) == 1)
    world.clock.advance(by: .seconds(1))
    await poller.poll()
    #expect(world.market.count(.spend) == 2)
    #expect(poller.observation?.witness == .agrees)
  }

  @Test func `a list counts from the moment it was asked for, not from its answer`() async throws {
    let before = world.now
    await poller.poll()
    #expect(poller.observation?.startedAt == before)
  }
}
