import Artifacts
import Domain
import FleetService
import Locking
import Logging
import MarketplaceLayers
import Reconcilers
import Store
import TestSupport

/// One life of vastd: everything of its core, as the service composes it, over one simulated provider. Between two lives
/// only the files and the provider remember anything.
///
/// `@unchecked Sendable`: there is one thread.
final class Life: @unchecked Sendable {
  private(set) var isAlive = true
  let store: Store
  let fleet: Fleet
  private let thread: OneThread
  private let driver: KnownDriver
  private let poller: MarketPoller
  private let loops: [ReconcilerDriver]
  private let deliveries: EventDelivery

  init(_ folder: String, thread: OneThread, vast: Vast, receiver: Receiver, quietly logger: Logger) throws {
    self.thread = thread
    let clock = thread.clock
    let now: @Sendable () -> Timestamp = { thread.now }
    let data = try DataDirectory(path: folder)
    driver = KnownDriver(path: data.databasePath)
    let store = try Store(driver: driver, owner: vast.owner, now: now)
    self.store = store
    _ = data.removeLeftovers()
    let holder = Holder()
    let line = VastLine(vast: vast, life: holder)
    let market = Retrying(
      CircuitBreaking(line, breaker: CircuitBreaker(clock: clock)), clock: clock,
      random: { Double.random(in: $0, using: &thread.dice) })
    let shell = MachineLine(vast: vast, life: holder)

    let instanceSignal = Signal()
    let jobSignal = Signal()
    let jobNews = KeyedSignals<ID<Job>>()
    let logNews = KeyedSignals<ID<Job>>()
    var polling = MarketPoller.Configuration()
    polling.settlingTime = Self.instanceSettings.settlingTime
    let poller = MarketPoller(
      marketplace: market, store: store, configuration: polling, signal: instanceSignal,
      observed: { instanceSignal.raise() }, clock: clock, now: now, logger: logger)
    self.poller = poller
    let instances = InstanceReconciler(
      store: store, marketplace: market, shell: shell, observation: { poller.observation },
      settings: Self.instanceSettings, signals: InstanceSignals(instances: instanceSignal, jobs: jobNews), now: now,
      logger: logger)
    let budgets = BudgetKeeper(store: store, jobNews: jobNews, now: now, logger: logger)
    let jobs = JobRunner(
      context: JobContext(
        store: store, marketplace: market, shell: shell, data: data, settings: Self.jobSettings, jobNews: jobNews,
        logNews: logNews, instances: instanceSignal, budgetStop: { budgets.stop(of: $0) }, clock: clock, now: now,
        logger: logger))
    let leases = LeaseKeeper(
      store: store, shell: shell, providerURL: "https://vast.example", clock: clock, logger: logger)
    let orphans = OrphanSweeper(
      store: store, marketplace: market, observation: { poller.observation },
      unlistedSpend: { poller.unlistedSpend }, now: now, logger: logger)
    deliveries = EventDelivery(
      store: store, send: { await receiver.send($0, from: holder) }, signal: store.events, clock: clock, now: now,
      logger: logger)
    let account = AccountKeeper(marketplace: market, shell: shell, seen: { _ in }, logger: logger)
    let noting = Noting(instances: instances, life: holder, vast: vast)
    let budgetSignal = Signal()
    loops = [
      ReconcilerDriver(budgets, signal: budgetSignal, period: .seconds(2), clock: clock, logger: logger),
      ReconcilerDriver(noting, signal: instanceSignal, period: .seconds(5), clock: clock, logger: logger),
      ReconcilerDriver(jobs, signal: jobSignal, period: .seconds(5), clock: clock, logger: logger),
      ReconcilerDriver(leases, signal: instanceSignal, period: .seconds(5), clock: clock, logger: logger),
      ReconcilerDriver(orphans, signal: Signal(), period: .seconds(15), clock: clock, logger: logger),
      ReconcilerDriver(account, signal: Signal(), period: .seconds(300), clock: clock, logger: logger),
    ]
    let settings = try LiveSettings(
      configured: ServiceSettings(rateLimitMode: .queue, isFallback: false, pollInterval: .seconds(30)), store: store,
      logger: logger)
    fleet = Fleet(
      store: store, offers: market, peekOffers: { _ in nil }, current: market, settings: settings, data: data,
      connections: FleetConnections(
        wakeJobs: { jobSignal.raise() }, wakeInstances: { instanceSignal.raise() }, jobNews: jobNews, logNews: logNews,
        provider: { ProviderStatus() }, poller: { poller.status }, wakeBudgets: { budgetSignal.raise() }),
      now: now, logger: logger)
    holder.life = self
  }

  /// Begins to work, as after the start of the program.
  func begin() {
    let (poller, deliveries, store) = (poller, deliveries, store)
    let now = thread.now
    Task {
      await addReceiver(to: store, at: now)
      await poller.run()
    }
    Task { await deliveries.run() }
    for loop in loops { Task { await loop.run() } }
  }

  /// Once, before there is anything to tell.
  private func addReceiver(to store: Store, at now: Timestamp) async {
    do throws(StoreError) {
      try await store.write { (tx) throws(StoreError) in
        guard try tx.webhooks().isEmpty else { return }
        try tx.insert(
          Webhook(
            id: ID(at: now), url: "https://receiver.example", format: .cloudevents, types: EventTypes(), createdAt: now)
        )
      }
    } catch {
      return
    }
  }

  /// kill -9: no task takes another step, no answer is heard, what was not committed is gone.
  func die() {
    isAlive = false
    thread.dropEverything()
    driver.closeAll()
    // Lets go of its connections in this thread's list; there is nothing that it could still write.
    let store = store
    Task { await store.close() }
    while thread.step() {}
  }

  /// Tells the provider's books what the rows have of its answers.
  func noteLooks(in vast: Vast) {
    do throws(StoreError) {
      for row in try store.read({ (r) throws(StoreError) in try r.liveInstances() }) {
        if let id = row.marketID, let moment = row.lastSeenAt { vast.noted(id, at: moment) }
      }
    } catch {
      return
    }
  }

  func job(_ id: ID<Job>) -> Job? {
    do throws(StoreError) {
      return try store.read { (r) throws(StoreError) in try r.job(id) }
    } catch {
      return nil
    }
  }

  func row(of label: String) -> Instance? {
    guard let tag = InstanceTag(inLabel: label) else { return nil }
    do throws(StoreError) {
      return try store.read { (r) throws(StoreError) in try r.instance(tag.instanceID) }
    } catch {
      return nil
    }
  }

  /// The bounds of the service, shortened in step with the provider's lags: boots take seconds here and lies half a minute.
  private static var instanceSettings: InstanceSettings {
    var settings = InstanceSettings()
    settings.startTimeout = .seconds(40)
    settings.settlingTime = .seconds(20)
    settings.absenceGrace = .seconds(15)
    settings.offlineGrace = .seconds(60)
    settings.unintendedStopGrace = .seconds(10)
    return settings
  }

  private static var jobSettings: JobSettings {
    var settings = JobSettings()
    settings.sshTimeout = .seconds(20)
    settings.silenceTimeout = .seconds(60)
    settings.preparationTimeout = .seconds(120)
    settings.collectionTimeout = .seconds(120)
    settings.cutShortCollectionTimeout = .seconds(60)
    return settings
  }
}

/// What the lines know of the life that they belong to; it is there before the life is whole.
///
/// `@unchecked Sendable`: there is one thread.
final class Holder: @unchecked Sendable {
  fileprivate(set) weak var life: Life?
  var isAlive: Bool { life?.isAlive ?? false }
  func row(of label: String) -> Instance? { life?.row(of: label) }
}

/// The loop of instances, with a look at the rows before and after it: what they took over of the provider's answers bounds
/// how far the ledger may be from the provider's meter.
private struct Noting: Reconciler {
  let instances: InstanceReconciler
  let life: Holder
  let vast: Vast

  var name: String { instances.name }

  func activate() async -> Outcome {
    life.life?.noteLooks(in: vast)
    let outcome = await instances.activate()
    life.life?.noteLooks(in: vast)
    return outcome
  }
}
