import Domain
import Locking
import Logging
import Reconcilers
import Store
import TestSupport
import Testing

@Suite struct `Budgets at work` {
  private func set(_ world: World, _ edit: @escaping @Sendable (inout Budgets) -> Void) async throws {
    try await world.store.write { (tx) throws(StoreError) in
      var budgets = Budgets()
      edit(&budgets)
      try tx.set(budgets)
    }
  }

  private func keeper(_ world: World) -> BudgetKeeper { world.current.budgets }

  private func events(_ world: World) throws -> [FleetEvent] {
    try world.store.read { (r) throws(StoreError) in
      var filter = EventFilter()
      filter.type = "budget.exceeded"
      return try r.events(after: 0, filter, limit: 100).map(\.event)
    }
  }

  @Test func `jobs that fit alone and not together do not all rent, and the next goes when the first is gone`()
    async throws
  {
    let world = try World()
    try await set(world) { $0.overall = Budget(burnRate: Money(microdollars: 950_000), action: .block) }
    var ids: [ID<Job>] = []
    for _ in 0..<3 { ids.append(try await world.submit()) }
    _ = try await world.turn(rounds: 100) { try ids.allSatisfy { try world.job($0).state != .queued } }
    let waiting = try ids.filter { try world.job($0).state == .queued }
    #expect(waiting.count == 1, "0.4 and 0.5 fit, 0.6 more does not")
    let refused = try #require(waiting.first)
    #expect(try world.job(refused).failure?.code == "budget_exceeded")
    #expect(world.market.snapshot.everCreated.count == 2)
    for id in ids where id != refused { try await world.cancel(id) }
    #expect(await world.turn(rounds: 300) { world.market.snapshot.everCreated.count == 3 })
  }

  @Test func `an offer that the budget has room for is taken before a better one that it has not`() async throws {
    let world = try World()
    try await set(world) { $0.labels["train"] = Budget(burnRate: Money(microdollars: 450_000), action: .block) }
    let id = try await world.submit { specification in
      specification.name = "train"
      specification.resources.selection = .secondCheapest
    }
    _ = try await world.turn(rounds: 60) { try world.job(id).state != .queued }
    #expect(try world.instances(of: id).map(\.order.offerID) == [1])
  }

  @Test func `a day that is used up keeps jobs waiting without a search, and the next day lets them go`() async throws {
    let world = try World()
    try await set(world) { $0.overall = Budget(daily: .zero, action: .block) }
    let id = try await world.submit()
    _ = await world.turn(rounds: 200) { false }
    #expect(try world.job(id).state == .queued && world.market.count(.search) == 0)
    #expect(world.market.snapshot.everCreated.isEmpty)
    try await set(world) { $0.overall = Budget(daily: Money(microdollars: 9_000_000), action: .block) }
    world.jobNews.raise(id)
    #expect(try await world.turn(rounds: 100) { try world.job(id).state != .queued })
  }

  @Test func `a budget that is used up is told once in its day, across restarts, and again the next day`() async throws
  {
    let world = try World()
    let (id, _) = try await world.runningJob()
    _ = await world.turn(rounds: 30) { false }
    try await set(world) { $0.overall = Budget(daily: Money(microdollars: 1), action: .alert) }
    for _ in 0..<3 { _ = await keeper(world).activate() }
    try await world.restart()
    _ = await keeper(world).activate()
    let told = try events(world)
    #expect(told.count == 1)
    #expect(told.first?.data["limit"] == .text("daily") && told.first?.data["action"] == .text("alert"))
    #expect(told.first?.data["period"] == .text(world.now.date))
    #expect(try world.job(id).state == .running, "an alert ends nothing")
    world.clock.advance(by: .seconds(86_400))
    _ = await keeper(world).activate()
    _ = await keeper(world).activate()
    #expect(try events(world).count == 2)
  }

  @Test func `a rate that was within bounds again is told anew`() async throws {
    let world = try World()
    _ = try await world.runningJob()
    try await set(world) { $0.overall = Budget(burnRate: Money(microdollars: 1)) }
    _ = await keeper(world).activate()
    _ = await keeper(world).activate()
    #expect(try events(world).count == 1)
    try await set(world) { $0.overall = Budget(burnRate: Money(microdollars: 90_000_000)) }
    _ = await keeper(world).activate()
    try await set(world) { $0.overall = Budget(burnRate: Money(microdollars: 1)) }
    _ = await keeper(world).activate()
    #expect(try events(world).count == 2)
  }

  @Test func `a budget that stops ends the running jobs of its label, collects, and destroys, also across a restart`()
    async throws
  {
    let world = try World()
    let (id, _) = try await world.runningJob { $0.name = "train" }
    let (other, _) = try await world.runningJob { $0.name = "eval" }
    _ = await world.turn(rounds: 30) { false }
    // Vast says nothing any more: what counts is our own clock.
    world.market.change { $0.failures[.list] = Array(repeating: .unavailable(detail: "away"), count: 50) }
    try await set(world) { $0.labels["train"] = Budget(daily: Money(microdollars: 1), action: .stop) }
    _ = await keeper(world).activate()
    _ = try await world.turn(rounds: 40) { try world.job(id).state != .running }
    try await world.restart()
    _ = await keeper(world).activate()
    #expect(try await world.turn { try world.job(id).state.isFinal })
    let job = try world.job(id)
    #expect(job.state == .failed && job.failure?.code == "budget_exceeded")
    #expect(try world.instances(of: id).allSatisfy { $0.state == .destroyed })
    // The machines of these tests share one command, which is gone with the other's.
    #expect(try world.job(other).failure?.code != "budget_exceeded")
  }

  @Test func `of a rate that is too high the newest job is ended, and the older runs on`() async throws {
    let world = try World()
    let (old, _) = try await world.runningJob()
    let (new, _) = try await world.runningJob()
    try await set(world) { $0.overall = Budget(burnRate: Money(microdollars: 600_000), action: .stop) }
    _ = await keeper(world).activate()
    #expect(try await world.turn { try world.job(new).state.isFinal })
    #expect(try world.job(new).failure?.code == "budget_exceeded")
    #expect(try world.job(old).failure?.code != "budget_exceeded")
  }

  @Test func `a machine is not kept for a job that a budget ended`() async throws {
    let world = try World()
    let (id, _) = try await world.runningJob { $0.onFailure = .keep }
    _ = await world.turn(rounds: 30) { false }
    try await set(world) { $0.overall = Budget(daily: Money(microdollars: 1), action: .stop) }
    #expect(try await world.turn { try world.job(id).state.isFinal })
    #expect(try world.instances(of: id).allSatisfy { $0.state == .destroyed })
  }

  @Test func `what a budget has ended stays ended when it is raised meanwhile`() async throws {
    let world = try World()
    let (id, _) = try await world.runningJob { $0.idleTimeout = .seconds(3600) }
    _ = await world.turn(rounds: 30) { false }
    // Death comes between the word to the command and the end on record.
    try await world.store.write { (tx) throws(StoreError) in
      guard var job = try tx.job(id) else { return }
      job.failure = Failure(code: Budget.exceeded, detail: "used up")
      _ = try tx.update(&job)
    }
    try await world.restart()
    #expect(try await world.turn { try world.job(id).state.isFinal })
    #expect(try world.job(id).failure?.code == Budget.exceeded)
    #expect(try world.instances(of: id).count == 1, "no other machine is tried")
  }

  @Test func `jobs that wait for one label's budget keep no place from others`() async throws {
    let world = try World(maximumActiveJobs: 1)
    try await set(world) { $0.labels["train"] = Budget(daily: .zero, action: .block) }
    for _ in 0..<3 { _ = try await world.submit { $0.name = "train" } }
    let other = try await world.submit { $0.name = "eval" }
    #expect(try await world.turn(rounds: 200) { try world.job(other).state != .queued })
  }

  @Test func `what was too dear is not searched for again while it is, and goes when there is room`() async throws {
    let world = try World()
    try await set(world) { $0.overall = Budget(burnRate: Money(microdollars: 100_000), action: .block) }
    let id = try await world.submit()
    _ = await world.turn(rounds: 500) { false }
    #expect(try world.job(id).state == .queued && world.market.count(.search) <= 2)
    let version = try world.job(id).version
    _ = await world.turn(rounds: 90) { false }
    #expect(try world.job(id).version == version, "nothing is written while nothing changes")
    try await set(world) { $0.overall = Budget(burnRate: Money(microdollars: 900_000), action: .block) }
    world.jobNews.raise(id)
    #expect(try await world.turn(rounds: 60) { try world.job(id).state != .queued })
  }

  @Test func `an order that a changed budget has no room for never leaves, and costs no attempt`() async throws {
    let world = try World()
    world.market.change { $0.failures[.create] = [.unavailable(detail: "away")] }
    let id = try await world.submit()
    _ = await world.turn { world.market.count(.create) == 1 }
    try await set(world) { $0.overall = Budget(burnRate: Money(microdollars: 100_000), action: .block) }
    _ = try await world.turn(rounds: 60) { try world.job(id).state == .queued }
    let job = try world.job(id)
    #expect(job.state == .queued && job.failure?.code == Budget.exceeded)
    #expect(job.attempt == 0 && job.attempts.isEmpty)
    #expect(world.market.count(.create) == 1 && world.market.snapshot.everCreated.isEmpty)
    try await set(world) { _ in }
    world.jobNews.raise(id)
    #expect(await world.turn(rounds: 100) { world.market.snapshot.everCreated.count == 1 })
  }

  @Test(arguments: [(450_000, 1), (900_000, 2)] as [(Int64, Int)])
  func `when an offer is taken a dearer one is ordered only where there is room for it`(
    bound: Int64, orders: Int
  ) async throws {
    let world = try World(offers: [.make(id: 1, dollars: 0.4), .make(id: 2, dollars: 0.5)])
    try await set(world) { $0.overall = Budget(burnRate: Money(microdollars: bound), action: .block) }
    world.market.change { $0.failures[.create] = [.offerTaken(offerID: 1)] }
    _ = try await world.submit { $0.maximumAttempts = 1 }
    _ = await world.turn(rounds: 100) { world.market.count(.create) == 2 }
    #expect(world.market.count(.create) == orders)
  }

  @Test func `credit that runs out is told once, and again only after there was enough`() async throws {
    let world = try World()
    let reading = Locked<AccountReading?>(nil)
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let watcher = CreditWatcher(
      store: world.store, reading: { reading.withLock { $0 } }, threshold: .seconds(7200),
      now: { [clock = world.clock] in clock.timestamp }, logger: logger)
    func look(credit: Int64, spend: Int64) async throws -> Int {
      let now = world.now
      reading.withLock {
        $0 = AccountReading(
          MarketAccount(nickname: nil, email: nil, credit: Money(microdollars: credit), balance: .zero, asOf: now),
          MarketSpend(gpuPerHour: Money(microdollars: spend), storagePerHour: .zero, asOf: now))
      }
      _ = await watcher.activate()
      return try world.store.read { (r) throws(StoreError) in
        var filter = EventFilter()
        filter.type = "account.low_credit"
        return try r.events(after: 0, filter, limit: 100).count
      }
    }
    #expect(try await look(credit: 3_000_000, spend: 1_000_000) == 0)
    #expect(try await look(credit: 1_900_000, spend: 1_000_000) == 1)
    #expect(try await look(credit: 1_800_000, spend: 1_000_000) == 1)
    #expect(try await look(credit: 2_100_000, spend: 1_000_000) == 1, "a little more is not enough")
    #expect(try await look(credit: 1_900_000, spend: 1_000_000) == 1)
    #expect(try await look(credit: 9_000_000, spend: 1_000_000) == 1)
    #expect(try await look(credit: 1_900_000, spend: 1_000_000) == 2)
    #expect(try await look(credit: 0, spend: 0) == 2, "nothing flows: the alarm is over")
    #expect(try await look(credit: 1_000_000, spend: 2_000_000) == 3)
    // Between two looks our own clock goes on.
    _ = try await look(credit: 90_000_000, spend: 10_000_000)
    world.clock.advance(by: .seconds(800))
    _ = await watcher.activate()
    #expect(try await look(credit: 90_000_000, spend: 10_000_000) == 3)
  }
}
