import Artifacts
import Domain
import FleetService
import Glibc
import Locking
import Logging
import SQLiteDriver
import Store
import TestSupport

/// The facade over a real store and a marketplace in memory. No loop runs: what they would do is done by hand.
final class FleetWorld: Sendable {
  /// How often the loops were woken, and what `/health` is told of them.
  struct Surroundings: Sendable {
    var jobWakings = 0
    var instanceWakings = 0
    var provider = ProviderStatus(latency: .milliseconds(12))
    var poller = PollerStatus(interval: .seconds(30))
    var time = Timestamp(seconds: 1_800_000_000)
  }

  let folder: TemporaryFolder
  let store: Store
  let market: InMemoryMarketplace
  let data: DataDirectory
  let settings: LiveSettings
  let fleet: Fleet
  let jobNews = KeyedSignals<ID<Job>>()
  let logNews = KeyedSignals<ID<Job>>()
  let surroundings = Locked(Surroundings())

  init(offers: [Offer] = [.make(id: 1, dollars: 0.4), .make(id: 2, dollars: 0.5), .make(id: 3, dollars: 0.6)]) throws {
    folder = try TemporaryFolder("fleet")
    data = try DataDirectory(path: folder.path + "/data", reserveBytes: 0)
    let surroundings = surroundings
    // Every reading is later than the one before, as it is in life.
    let now: @Sendable () -> Timestamp = {
      surroundings.withLock { state in
        state.time = state.time + .microseconds(1500)
        return state.time
      }
    }
    market = InMemoryMarketplace(offers: offers, now: now)
    store = try Store(driver: SQLiteDriver(path: data.databasePath), owner: Owner("tests"), now: now)
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    settings = try LiveSettings(
      configured: ServiceSettings(rateLimitMode: .queue, isFallback: false, pollInterval: .seconds(30)), store: store,
      logger: logger)
    fleet = Fleet(
      store: store, offers: market, peekOffers: { _ in nil }, current: market, settings: settings,
      data: data,
      connections: FleetConnections(
        wakeJobs: { surroundings.withLock { $0.jobWakings += 1 } },
        wakeInstances: { surroundings.withLock { $0.instanceWakings += 1 } },
        jobNews: jobNews, logNews: logNews, provider: { surroundings.withLock { $0.provider } },
        poller: { surroundings.withLock { $0.poller } }),
      now: now, logger: logger)
  }

  var now: Timestamp { surroundings.withLock { $0.time } }
  func advance(by span: Duration) { surroundings.withLock { $0.time = $0.time + span } }

  /// Names of the files in a part of the data directory.
  func files(in part: String) -> [String] {
    guard let folder = opendir(data.path + "/" + part) else { return ["(no \(part))"] }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
        tuple.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  // MARK: Asking

  func submit(
    key: IdempotencyKey? = nil, _ edit: (inout JobSpecification) -> Void = { _ in }
  ) async throws -> Creation<Job> {
    var specification = JobSpecification(command: "true")
    edit(&specification)
    return try await fleet.submit(specification, idempotency: key.map { .make($0) })
  }

  func job(_ edit: (inout JobSpecification) -> Void = { _ in }) async throws -> ID<Job> {
    try await submit(key: nil, edit).made.id
  }

  func jobCount() throws -> Int {
    try store.read { (r) throws(StoreError) in try r.jobCounts() }.values.reduce(0, +)
  }

  func liveInstances() throws -> [Instance] {
    try store.read { (r) throws(StoreError) in try r.liveInstances() }
  }

  func upload(_ bytes: [UInt8] = Archives.good, key: IdempotencyKey? = nil) async throws -> Creation<Upload> {
    let incoming = try fleet.beginUpload()
    try bytes.withUnsafeBytes { try incoming.append($0) }
    return try await fleet.finish(incoming, idempotency: key.map { .make($0) })
  }

  // MARK: What the loops would do

  /// Moves a job by these events, each at a later second.
  func move(_ id: ID<Job>, _ events: [JobEvent], _ edit: (inout Job) -> Void = { _ in }) async throws {
    var job = try fleet.job(id)
    edit(&job)
    for (index, event) in events.enumerated() { try job.apply(event, at: now + .seconds(index + 1)) }
    let changed = job
    let isWritten = try await store.write { (tx) throws(StoreError) in
      var job = changed
      return try tx.update(&job)
    }
    precondition(isWritten, "nobody else writes in these tests")
    logNews.raise(id)
  }

  /// Leads a job from `queued` to a state.
  func bring(_ id: ID<Job>, to state: JobState) async throws {
    let path: [JobEvent] =
      switch state {
      case .awaitingApproval, .queued: []
      case .provisioning: [.placed]
      case .starting: [.placed, .ready]
      case .running: [.placed, .ready, .launched]
      case .collecting: [.placed, .ready, .launched, .ended]
      case .cleaningUp: [.gaveUp]
      case .succeeded: [.gaveUp, .finishedWell]
      case .failed: [.gaveUp, .finishedBadly]
      case .cancelled: [.gaveUp, .finishedCancelled]
      }
    try await move(id, path) { job in
      if state.isFinal { job.outcome = JobOutcome(rawValue: state.rawValue) }
    }
  }

  /// A row for a machine, moved by these events.
  func instance(
    for job: ID<Job>?, _ events: [InstanceEvent] = [], _ edit: (inout Instance) -> Void = { _ in }
  ) async throws -> Instance {
    advance(by: .milliseconds(2))
    let id = ID<Instance>(at: now)
    let tag = InstanceTag(owner: store.owner, instanceID: id)
    let order = RentalOrder(offerID: 1, label: tag.label("test"), image: "image", diskGigabytes: 10)
    var instance = Instance(id: id, order: order, label: "test", tag: tag, gpuCount: 1, createdAt: now)
    instance.jobID = job
    instance.marketID = MarketID(4711)
    edit(&instance)
    for event in events { try instance.apply(event) }
    let row = instance
    try await store.write { (tx) throws(StoreError) in try tx.insert(row) }
    return row
  }

  func appendLog(_ id: ID<Job>, _ text: String) throws {
    _ = try data.jobDirectory(id)
    let log = try LogFile(path: data.logPath(id))
    defer { log.close() }
    try log.append(Array(text.utf8))
    logNews.raise(id)
  }
}

extension IdempotencyKey {
  static func make(_ key: String, body: String = "body", principal: String = "p", route: String = "r") -> Self {
    IdempotencyKey(principal: principal, route: route, key: key, fingerprint: body)
  }
}

extension IdempotentRequest {
  /// Answers with whatever was made, in Swift's own words.
  static func make(_ key: IdempotencyKey) -> Self {
    IdempotentRequest(key: key) { StoredAnswer(status: 201, location: nil, body: Array("\($0)".utf8)) }
  }
}

struct NotMade: Error {}

extension Creation {
  var made: Made {
    get throws {
      guard case .made(let made) = self else { throw NotMade() }
      return made
    }
  }

  var replayed: StoredAnswer? {
    if case .replayed(let answer) = self { answer } else { nil }
  }
}

/// The facade's error from a call that should fail with one; nil when it went well.
func fault<R>(of body: () async throws -> R) async throws -> FleetError? {
  do {
    _ = try await body()
    return nil
  } catch let error as FleetError {
    return error
  }
}

extension FleetError {
  var conflictCode: String? {
    switch self {
    case .conflict(let code, _), .notYet(let code, _): code
    default: nil
    }
  }
}
