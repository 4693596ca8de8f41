import Artifacts
import Domain
import Locking
import Logging
import Reconcilers
import SQLiteDriver
import Store
import TestSupport

/// The loops over a real store, a marketplace in memory and a scripted machine; time moves when a test says so.
final class World: Sendable {
  let folder: TemporaryFolder
  let market: InMemoryMarketplace
  let shell = ScriptedShell()
  let clock = ManualClock()
  let data: DataDirectory
  let jobNews = KeyedSignals<ID<Job>>()
  let instanceSignal = Signal()
  private let settings: JobSettings
  private let instanceSettings: InstanceSettings
  private let life: Locked<Life>

  /// What a restart replaces.
  struct Life: Sendable {
    var store: Store
    var poller: MarketPoller
    var instances: InstanceReconciler
    var jobs: JobRunner
    var leases: LeaseKeeper
    var budgets: BudgetKeeper
  }

  init(
    offers: [Offer] = [.make(id: 1, dollars: 0.4), .make(id: 2, dollars: 0.5), .make(id: 3, dollars: 0.6)],
    maximumActiveJobs: Int = 200, idleGPUStop: Duration? = nil
  ) throws {
    var settings = JobSettings()
    settings.maximumActiveJobs = maximumActiveJobs
    settings.maximumGPUIdle = idleGPUStop
    self.settings = settings
    var instanceSettings = InstanceSettings()
    instanceSettings.idleGPUStop = idleGPUStop
    self.instanceSettings = instanceSettings
    folder = try TemporaryFolder("world")
    let clock = clock
    market = InMemoryMarketplace(offers: offers, now: { clock.timestamp })
    data = try DataDirectory(path: folder.path)
    life = Locked(
      try Self.begin(
        data: data, market: market, shell: shell, clock: clock, jobNews: jobNews, instanceSignal: instanceSignal,
        settings: settings, instanceSettings: instanceSettings))
  }

  var now: Timestamp { clock.timestamp }
  var store: Store { life.withLock { $0.store } }
  var current: Life { life.withLock { $0 } }

  private static func begin(
    data: DataDirectory, market: InMemoryMarketplace, shell: ScriptedShell, clock: ManualClock,
    jobNews: KeyedSignals<ID<Job>>, instanceSignal: Signal, settings: JobSettings, instanceSettings: InstanceSettings
  ) throws -> Life {
    let now: @Sendable () -> Timestamp = { clock.timestamp }
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let store = try Store(driver: SQLiteDriver(path: data.databasePath), owner: Owner("world"), now: now)
    let poller = MarketPoller(
      marketplace: market, store: store, configuration: .init(), signal: instanceSignal, observed: {}, clock: clock,
      now: now, logger: logger)
    let instances = InstanceReconciler(
      store: store, marketplace: market, shell: shell, observation: { poller.observation },
      settings: instanceSettings, signals: InstanceSignals(instances: instanceSignal, jobs: jobNews),
      now: now, logger: logger)
    let budgets = BudgetKeeper(store: store, jobNews: jobNews, now: now, logger: logger)
    let jobs = JobRunner(
      context: JobContext(
        store: store, marketplace: market, shell: shell, data: data, settings: settings, jobNews: jobNews,
        logNews: KeyedSignals(), instances: instanceSignal, budgetStop: { budgets.stop(of: $0) }, clock: clock,
        now: now, logger: logger))
    let leases = LeaseKeeper(
      store: store, shell: shell, providerURL: "https://vast.example", clock: clock, logger: logger)
    return Life(store: store, poller: poller, instances: instances, jobs: jobs, leases: leases, budgets: budgets)
  }

  /// Ends the loops where they are and begins again from the store alone, after what befell the disk meanwhile.
  func restart(after damage: () -> Void = {}) async throws {
    let old = current
    await old.leases.close()
    await old.jobs.close()
    await old.instances.close()
    await old.store.close()
    damage()
    let new = try Self.begin(
      data: data, market: market, shell: shell, clock: clock, jobNews: jobNews, instanceSignal: instanceSignal,
      settings: settings, instanceSettings: instanceSettings)
    life.withLock { $0 = new }
  }

  /// Turns all loops, a second of the clock each round, until the condition holds. False when it never did.
  func turn(rounds: Int = 400, until condition: () throws -> Bool) async rethrows -> Bool {
    for _ in 0..<rounds {
      if try condition() { return true }
      let life = current
      await life.poller.poll()
      _ = await life.instances.activate()
      _ = await life.budgets.activate()
      _ = await life.jobs.activate()
      _ = await life.leases.activate()
      // Tasks of the loops run on other threads: give them a moment of real time before the clock moves.
      for _ in 0..<3 { await letOthersRun() }
      clock.advance(by: .seconds(1))
    }
    return try condition()
  }

  private func letOthersRun() async {
    await eventually(within: .milliseconds(1)) { false }
  }

  func submit(_ edit: (inout JobSpecification) -> Void = { _ in }) async throws -> ID<Job> {
    let id = ID<Job>(at: now)
    try await insert(id, edit)
    return id
  }

  /// A job whose id the test chose.
  func insert(_ id: ID<Job>, _ edit: (inout JobSpecification) -> Void = { _ in }) async throws {
    var specification = JobSpecification(command: "true")
    specification.outputs = []
    edit(&specification)
    let job = Job(id: id, specification: specification, state: .queued, createdAt: now)
    try await store.write { (tx) throws(StoreError) in try tx.insert(job) }
  }

  func job(_ id: ID<Job>) throws -> Job {
    guard let job = try store.read({ (r) throws(StoreError) in try r.job(id) }) else { throw Missing() }
    return job
  }

  func instances(of id: ID<Job>) throws -> [Instance] {
    try store.read { (r) throws(StoreError) in try r.instances(ofJob: id) }
  }

  func cancel(_ id: ID<Job>) async throws {
    _ = try await store.write { (tx) throws(StoreError) in
      guard var job = try tx.job(id) else { return false }
      job.isCancelRequested = true
      return try tx.update(&job)
    }
    jobNews.raise(id)
  }

  /// Boots whatever loads at the provider.
  func bootAll() {
    for (id, instance) in market.snapshot.instances
    where instance.actualStatus == nil || instance.actualStatus == "loading" { market.boot(id) }
  }

  struct Missing: Error {}
}

extension ManualClock {
  var timestamp: Timestamp {
    Timestamp(seconds: 1_800_000_000) + elapsed
  }
}
