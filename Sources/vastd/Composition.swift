import API
import Artifacts
import CSystem
import Domain
import FleetService
import HTTPClient
import HTTPServer
import Locking
import Logging
import MarketplaceLayers
import Reconcilers
import SQLiteDriver
import SSHShell
import Store
import Telemetry
import VastMarketplace
import WebhookSender

/// Knows every concrete type and builds them, top to bottom. Nothing else does.
struct Composition: Sendable {
  let configuration: Configuration
  let logs: Logs
  let logger: Logger
  let metrics: Metrics
  let store: Store
  let fleet: Fleet
  let client: HTTPClient
  let shell: OpenSSHShell
  let poller: MarketPoller
  let instances: InstanceReconciler
  let jobs: JobRunner
  let leases: LeaseKeeper
  /// Of its own, so that receivers share nothing with the calls to Vast.
  let webhookClient: HTTPClient
  let deliveries: EventDelivery
  let drivers: [ReconcilerDriver]
  let api: HTTPServer
  let probes: HTTPServer?

  init(_ configuration: Configuration) throws {
    self.configuration = configuration
    let redactor = Redactor()
    if case .text(let key) = configuration.vastKey { _ = redactor.register(key) }
    if let token = configuration.token { _ = redactor.register(token) }
    if let url = configuration.slackWebhookURL { _ = redactor.register(url) }
    logs = Logs(level: configuration.logLevel, format: configuration.logFormat, redactor: redactor)
    logs.bootstrap()
    logger = logs.logger("vastd")
    metrics = Metrics(version: Build.version, commit: Build.commit)

    // What it remembers.
    let data = try DataDirectory(path: configuration.dataDirectory)
    let databasePath = configuration.databasePath ?? data.databasePath
    store = try Store(driver: SQLiteDriver(path: databasePath), owner: configuration.owner, now: currentTime)
    try Self.clock.begin(after: store, logger: logger)
    // The store's lock has proved that nobody else works in this folder.
    let leftovers = data.removeLeftovers()
    logger.notice(
      "store open",
      metadata: [
        "owner": "\(store.owner.name)", "migrations": "\(store.opening.migrations)", "leftovers": "\(leftovers)",
      ])

    let settings = try LiveSettings(
      configured: configuration.serviceSettings, store: store, logger: logs.logger("settings"))

    // What it commands.
    let providerSignal = Signal()
    let vast = Outbound(
      configuration, settings: { settings.current }, metrics: metrics, redactor: redactor,
      circuitChanged: { providerSignal.raise() })
    client = vast.client
    let shell = try OpenSSHShell(.init(dataDirectory: data.path))
    self.shell = shell
    let remote = FaultingShell(shell)

    // Who tells whom.
    let instanceSignal = Signal()
    let jobSignal = Signal()
    let jobNews = KeyedSignals<ID<Job>>()
    let logNews = KeyedSignals<ID<Job>>()
    let metrics = metrics
    let counted: @Sendable (FleetEvent) -> Void = { metrics.events.counter($0.type).increment() }

    // The loops.
    var pollerConfiguration = MarketPoller.Configuration()
    pollerConfiguration.interval = { settings.current.pollInterval }
    pollerConfiguration.busyInterval = configuration.busyPollInterval
    pollerConfiguration.settlingTime = configuration.settlingTime
    let poller = MarketPoller(
      marketplace: vast.fresh, store: store, configuration: pollerConfiguration, signal: instanceSignal,
      observed: {
        metrics.pollLag.mark()
        instanceSignal.raise()
      },
      clock: ContinuousClock(), now: currentTime, logger: logs.logger("poller"))
    self.poller = poller
    instances = InstanceReconciler(
      store: store, marketplace: vast.fresh, shell: remote, observation: { poller.observation },
      settings: configuration.instanceSettings,
      signals: InstanceSignals(instances: instanceSignal, jobs: jobNews, counted: counted),
      now: currentTime, logger: logs.logger("instances"))
    let budgetSignal = Signal()
    let budgets = BudgetKeeper(
      store: store, jobNews: jobNews, counted: counted, now: currentTime, logger: logs.logger("budgets"))
    var jobSettings = JobSettings()
    jobSettings.sshTimeout = configuration.sshTimeout
    jobSettings.maximumGPUIdle = configuration.idleGPUStop
    jobSettings.maximumActiveJobs = affordableJobs(jobSettings.maximumActiveJobs)
    jobs = JobRunner(
      context: JobContext(
        store: store, marketplace: vast.fresh, shell: remote, data: data, settings: jobSettings, jobNews: jobNews,
        logNews: logNews, instances: instanceSignal,
        finishedPhase: { metrics.jobPhaseDuration.histogram($0).observe($1) }, counted: counted,
        budgetStop: { budgets.stop(of: $0) },
        recovered: { metrics.recoveries.counter($0).increment() },
        clock: ContinuousClock(), now: currentTime, logger: logs.logger("jobs")))
    leases = LeaseKeeper(
      store: store, shell: shell, providerURL: configuration.vastURL, clock: ContinuousClock(),
      logger: logs.logger("leases"))
    webhookClient = configuration.webhookClient
    let sender = WebhookSender(client: webhookClient, source: "/vastd/\(store.owner.name)")
    deliveries = EventDelivery(
      store: store, send: { await sender.send($0) }, signal: store.events,
      counted: { metrics.webhookDeliveries.counter($0).increment() }, recorded: counted, clock: ContinuousClock(),
      now: currentTime, logger: logs.logger("deliveries"))
    let account = Locked<AccountReading?>(nil)
    let creditSignal = Signal()
    let accountKeeper = AccountKeeper(
      marketplace: vast.fresh, shell: remote,
      seen: { reading in
        metrics.credit.set(reading.credit.dollars)
        account.withLock { $0 = reading }
        creditSignal.raise()
      }, logger: logs.logger("account"))
    let credit = CreditWatcher(
      store: store, reading: { account.withLock { $0 } }, threshold: configuration.lowCredit, counted: counted,
      now: currentTime, logger: logs.logger("credit"))
    let orphans = OrphanSweeper(
      store: store, marketplace: vast.fresh, observation: { poller.observation },
      unlistedSpend: { poller.unlistedSpend },
      counted: { event in
        counted(event)
        if event.type == "instance.orphan_found" { metrics.orphans.counter("found").increment() }
      },
      destroyed: { metrics.orphans.counter("destroyed").increment() }, now: currentTime,
      logger: logs.logger("orphans"))
    let provider = ProviderWatcher(
      store: store, status: vast.status, counted: counted, now: currentTime, logger: logs.logger("provider"))
    let prices = PriceWatcher(
      store: store, marketplace: vast.fresh, observation: { poller.observation }, counted: counted, now: currentTime,
      logger: logs.logger("prices"))
    let charges = ChargeReconciler(
      store: store, marketplace: vast.fresh, counted: counted, now: currentTime, logger: logs.logger("charges"))
    var loops = [
      ReconcilerDriver(
        provider, signal: providerSignal, period: .seconds(15), clock: ContinuousClock(), logger: logs.logger("driver")),
      ReconcilerDriver(
        instances, signal: instanceSignal, period: .seconds(5), clock: ContinuousClock(), logger: logs.logger("driver")),
      ReconcilerDriver(
        jobs, signal: jobSignal, period: .seconds(5), clock: ContinuousClock(), logger: logs.logger("driver")),
      // A job whose machine's SSH answers raises the signal of the instances.
      ReconcilerDriver(
        leases, signal: instanceSignal, period: .seconds(5), clock: ContinuousClock(), logger: logs.logger("driver")),
      ReconcilerDriver(
        budgets, signal: budgetSignal, period: .seconds(2), clock: ContinuousClock(), logger: logs.logger("driver")),
      ReconcilerDriver(
        credit, signal: creditSignal, period: .seconds(60), clock: ContinuousClock(), logger: logs.logger("driver")),
      ReconcilerDriver(
        orphans, signal: Signal(), period: .seconds(15), clock: ContinuousClock(), logger: logs.logger("driver")),
      ReconcilerDriver(
        accountKeeper, signal: Signal(), period: .seconds(300), clock: ContinuousClock(), logger: logs.logger("driver")),
      ReconcilerDriver(
        prices, signal: Signal(), period: configuration.priceInterval, clock: ContinuousClock(),
        logger: logs.logger("driver")),
      ReconcilerDriver(
        charges, signal: Signal(), period: configuration.reconcileInterval, clock: ContinuousClock(),
        logger: logs.logger("driver")),
      ReconcilerDriver(
        DiskKeeper(
          ballast: Ballast(data), isStoreFull: { [store] in store.lastWriteFailure == .full },
          logger: logs.logger("disk")),
        signal: Signal(), period: .seconds(2), clock: ContinuousClock(), logger: logs.logger("driver")),
      ReconcilerDriver(
        Janitor(store: store, data: data, now: currentTime, logger: logs.logger("janitor")), signal: Signal(),
        period: .seconds(3600), clock: ContinuousClock(), logger: logs.logger("driver")),
    ]
    if let url = configuration.publicURL {
      let keeper = VastWebhookKeeper(
        store: store, marketplace: vast.fresh, url: url + "/webhooks/vast", learned: { _ = redactor.register($0) },
        logger: logs.logger("vast_webhook"))
      loops.append(
        ReconcilerDriver(
          keeper, signal: Signal(), period: .seconds(300), clock: ContinuousClock(), logger: logs.logger("driver")))
    }
    drivers = loops

    // How requests come in.
    let fleet = Fleet(
      store: store, offers: vast.lenient, peekOffers: vast.peekOffers, current: vast.current, settings: settings,
      data: data,
      connections: FleetConnections(
        wakeJobs: { jobSignal.raise() }, wakeInstances: { instanceSignal.raise() }, jobNews: jobNews, logNews: logNews,
        provider: vast.status, poller: { poller.status }, orphans: { orphans.report },
        hostKey: { shell.hostKey(pinnedAs: $0) }, lookSooner: { poller.lookSooner() },
        wakeBudgets: { budgetSignal.raise() }, accountReading: { account.withLock { $0 } }),
      now: currentTime, logger: logs.logger("fleet"))
    self.fleet = fleet
    let inbound = try Inbound(
      configuration, fleet: fleet, store: store, metrics: metrics, circuit: { vast.status().circuit }, logs: logs)
    api = inbound.api
    probes = inbound.probes
  }
}

extension Configuration {
  /// While something is expected to change: two seconds at Vast's pace, and never more often than a simulator can tell.
  fileprivate var busyPollInterval: Duration {
    .microseconds(Int64(max(0.75, min(2 * pacing, 60)) * 1_000_000))
  }

  /// Goes where a caller's address leads: not into our own surroundings unless that is allowed.
  fileprivate var webhookClient: HTTPClient {
    var client = HTTPClientConfiguration(userAgent: "vastd/\(Build.version)", names: NameResolver())
    if !allowsPrivateWebhooks { client.letsThrough = { PublicAddress.includes($0) } }
    return HTTPClient(configuration: client)
  }

  fileprivate var serviceSettings: ServiceSettings {
    ServiceSettings(rateLimitMode: rateLimitMode, isFallback: isFallback, pollInterval: pollInterval)
  }

  fileprivate var instanceSettings: InstanceSettings {
    var settings = InstanceSettings()
    settings.startTimeout = startTimeout
    settings.settlingTime = settlingTime
    settings.idleGPUStop = idleGPUStop
    return settings
  }
}
