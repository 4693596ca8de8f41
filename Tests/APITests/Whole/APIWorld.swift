@testable import API
import Artifacts
import Domain
import FleetService
import Glibc
import HTTPServer
import JSON
import Locking
import Logging
import SQLiteDriver
import Store
import Telemetry
import TestSupport

/// The API as it is served: a real server on a port of its own, the fleet over a real store, a marketplace in memory.
/// No loop runs: a test moves jobs along by hand.
final class APIWorld: Sendable {
  static let token = "a-token-for-the-tests-of-the-api"

  let folder: TemporaryFolder
  let store: Store
  let market: InMemoryMarketplace
  let data: DataDirectory
  let fleet: Fleet
  let server: HTTPServer
  let api: API
  let metrics = Metrics(version: "1.2.3", commit: "abc")
  let logNews = KeyedSignals<ID<Job>>()
  /// What the cache holds for every query; nil: nothing.
  let cached = Locked<OfferListing?>(nil)
  let orphans = Locked(OrphanReport())
  let sooner = Locked(0)
  let provider = Locked(ProviderStatus(latency: .milliseconds(12)))
  private let now = Locked(Timestamp(seconds: 1_800_000_000))
  private let logs: Logs
  private let logPath: String

  init(
    token: String? = token, probes: Bool = false, configure: (inout APIConfiguration) -> Void = { _ in }
  ) throws {
    folder = try TemporaryFolder("api")
    data = try DataDirectory(path: folder.path + "/data")
    let clock: @Sendable () -> Timestamp = { [now] in
      // Every reading is later than the one before, as ids and pages want it.
      now.withLock { now in
        now = now + .microseconds(1500)
        return now
      }
    }
    market = InMemoryMarketplace(offers: [.make(id: 1), .make(id: 2, dollars: 0.5)], now: clock)
    store = try Store(driver: SQLiteDriver(path: data.databasePath), owner: Owner("tests"), now: clock)
    logPath = folder.path + "/log"
    logs = Logs(level: .info, format: .json, descriptor: open(logPath, O_WRONLY | O_CREAT | O_APPEND, 0o600))
    let logger = logs.logger("test")
    let (cached, provider, orphans, sooner) = (cached, provider, orphans, sooner)
    let settings = try LiveSettings(
      configured: ServiceSettings(rateLimitMode: .queue, isFallback: false, pollInterval: .seconds(30)), store: store,
      logger: logger)
    fleet = Fleet(
      store: store, offers: market, peekOffers: { _ in cached.withLock { $0 } }, current: market, settings: settings,
      data: data,
      connections: FleetConnections(
        wakeJobs: {}, wakeInstances: {}, jobNews: KeyedSignals(), logNews: logNews,
        provider: { provider.withLock { $0 } }, poller: { PollerStatus(interval: .seconds(30)) },
        orphans: { orphans.withLock { $0 } }, lookSooner: { sooner.withLock { $0 += 1 } }),
      now: clock, logger: logger)
    var configuration = APIConfiguration(
      version: "1.2.3", token: try token.map { try AccessToken(bootstrap: $0) }, cursorSecret: Array(0..<32))
    configure(&configuration)
    let (metrics, accessLog) = (metrics, AccessLog(logs: logs))
    api =
      probes
      ? API(
        probesOf: fleet, configuration: configuration, metrics: { metrics.render() }, httpSeries: metrics.http,
        accessLog: accessLog, logger: logger)
      : API(
        fleet: fleet, configuration: configuration, metrics: { metrics.render() }, httpSeries: metrics.http,
        accessLog: accessLog, logger: logger)
    server = try HTTPServer(configuration: HTTPServerConfiguration(), handler: api)
  }

  /// Ends the server and the store; the folder goes with the world.
  func close() async {
    await server.drain(grace: .seconds(5))
    await store.close()
  }

  func advance(by span: Duration) { now.withLock { $0 = $0 + span } }

  // MARK: Calls

  /// One request on a connection of its own, with the token unless told otherwise.
  func call(
    _ method: String, _ target: String, _ body: String? = nil, headers: [(String, String)] = [],
    token: String? = APIWorld.token
  ) async throws -> RawResponse {
    var headers = headers
    if body != nil, !headers.contains(where: { $0.0 == "Content-Type" }) {
      headers.append(("Content-Type", "application/json"))
    }
    return try await call(method, target, bytes: body.map { Array($0.utf8) }, headers: headers, token: token)
  }

  func call(
    _ method: String, _ target: String, bytes body: [UInt8]?, headers: [(String, String)],
    token: String? = APIWorld.token
  ) async throws -> RawResponse {
    let client = try RawClient(port: server.port)
    await client.send(request(method, target, headers: headers, token: token, length: body?.count) + (body ?? []))
    return try await client.response(toHead: method == "HEAD")
  }

  func request(
    _ method: String, _ target: String, headers: [(String, String)] = [], token: String? = APIWorld.token,
    length: Int? = nil
  ) -> [UInt8] {
    var text = "\(method) \(target) HTTP/1.1\r\nHost: localhost\r\n"
    if let token { text += "Authorization: Bearer \(token)\r\n" }
    if let length { text += "Content-Length: \(length)\r\n" }
    for (name, value) in headers { text += "\(name): \(value)\r\n" }
    return Array((text + "\r\n").utf8)
  }

  // MARK: What the loops would do

  func submit(_ body: String = #"{"command":"true"}"#) async throws -> ID<Job> {
    let response = try await call("POST", "/v1/jobs", body)
    guard response.status == 201, case .string(let text) = try response.json["id"], let id = ID<Job>(text) else {
      throw Unexpected(what: "\(response.status) \(response.text)")
    }
    return id
  }

  func change(_ id: ID<Job>, _ edit: @escaping @Sendable (inout Job) -> Void) async throws {
    let isWritten = try await store.write { (tx) throws(StoreError) in
      guard var job = try tx.job(id) else { return false }
      edit(&job)
      return try tx.update(&job)
    }
    guard isWritten else { throw Unexpected(what: "the job was not written") }
  }

  /// Moves a job on by these events.
  func move(_ id: ID<Job>, _ events: [JobEvent], _ edit: @escaping @Sendable (inout Job) -> Void = { _ in })
    async throws
  {
    try await change(id) { job in
      edit(&job)
      for event in events {
        do { try job.apply(event, at: Timestamp(seconds: 1_800_000_100)) } catch { preconditionFailure("\(error)") }
      }
    }
    logNews.raise(id)
  }

  func settle(_ id: ID<Delivery>, as state: DeliveryState) async throws {
    let isWritten = try await store.write { (tx) throws(StoreError) in
      guard var delivery = try tx.delivery(id) else { return false }
      delivery.state = state
      delivery.attempts += 1
      delivery.nextAttemptAt = nil
      return try tx.update(delivery)
    }
    guard isWritten else { throw Unexpected(what: "the delivery was not written") }
  }

  /// What the loop would note of a receiver that has failed for hours: since when, and when its head is due again.
  func fail(_ id: ID<Webhook>) async throws -> Timestamp {
    let moment = now.withLock { $0 }
    let next = moment + .seconds(20 * 3600)
    try await store.write { (tx) throws(StoreError) in
      for var delivery in try tx.dueDeliveries(of: id, at: next, limit: 9) {
        (delivery.attempts, delivery.firstAttemptAt, delivery.nextAttemptAt) = (8, moment, next)
        _ = try tx.update(delivery)
      }
      guard var webhook = try tx.webhook(id) else { return }
      webhook.failingSince = moment
      _ = try tx.update(&webhook)
    }
    return next
  }

  func keepCheckpoint(of job: ID<Job>, _ bytes: [UInt8]) async throws -> ID<Checkpoint> {
    let moment = now.withLock { $0 }
    let checkpoint = Checkpoint(
      id: ID(at: moment), jobID: job, attempt: 1, mark: "ab", sizeBytes: Int64(bytes.count),
      sha256: String(repeating: "ab", count: 32), createdAt: moment)
    _ = try data.checkpointDirectory(job)
    try folder.write(bytes, to: data.checkpointPath(checkpoint.id, of: job))
    try await store.write { (tx) throws(StoreError) in try tx.insert(checkpoint) }
    return checkpoint.id
  }

  func exclude(machine: Int64) async throws -> ID<Exclusion> {
    let moment = now.withLock { $0 }
    let exclusion = Exclusion(
      id: ID(at: moment), machineID: machine, hostID: 3, reason: "preempted", jobID: nil, createdAt: moment)
    try await store.write { (tx) throws(StoreError) in try tx.insert(exclusion) }
    return exclusion.id
  }

  /// Registers Vast's webhook, and gives the headers of a notification of its.
  func signAsVast(_ body: String, id: String, age: Duration = .zero) async throws -> [(String, String)] {
    let webhook = MarketWebhook(url: "https://vastd.example/webhooks/vast", secret: "0123456789abcdef0123456789abcdef")
    try await store.write { (tx) throws(StoreError) in try tx.keep(webhook) }
    let stamp = String((now.withLock { $0 } - age).microseconds / 1_000_000)
    let code = VastNotification.code(of: Array("\(stamp).\(body)".utf8), with: webhook.secret)
    return [
      ("X-Vast-Event-Id", id), ("X-Vast-Timestamp", stamp), ("X-Vast-Signature-256", "sha256=" + SHA256.hex(code)),
      ("Content-Type", "application/json"),
    ]
  }

  func record(_ type: String, about subject: String, jobID: ID<Job>? = nil) async throws -> ID<FleetEvent> {
    let event = FleetEvent(type: type, subject: subject, jobID: jobID, at: now.withLock { $0 })
    try await store.write { (tx) throws(StoreError) in try tx.append(event) }
    return event.id
  }

  func appendLog(_ id: ID<Job>, _ text: String) throws {
    _ = try data.jobDirectory(id)
    let log = try LogFile(path: data.logPath(id))
    try log.append(Array(text.utf8))
    log.close()
    logNews.raise(id)
  }

  /// Ends a job well, with these bytes as its results.
  func finish(_ id: ID<Job>, results: [UInt8]) async throws {
    _ = try data.jobDirectory(id)
    try folder.write(results, to: data.resultsPath(id))
    try await move(id, [.placed, .ready, .launched, .ended, .collected, .finishedWell]) { job in
      job.outcome = .succeeded
      job.exitCode = 0
      job.results = Job.Results(
        sizeBytes: Int64(results.count), sha256: String(repeating: "ab", count: 32), missing: [])
    }
  }

  /// Everything logged so far.
  func logText() throws -> String {
    guard logs.flush(timeoutMilliseconds: 10_000) else { throw Unexpected(what: "the log was not written") }
    return String(decoding: try folder.read(logPath), as: UTF8.self)
  }
}

struct Unexpected: Error { let what: String }

extension RawResponse {
  var json: JSONObject {
    get throws {
      guard case .object(let object) = try JSONValue.parse(body, limits: JSONLimits(refusesDuplicateNames: true)) else {
        throw Unexpected(what: text)
      }
      return object
    }
  }

  var pointers: [String] {
    get throws {
      guard case .array(let errors) = try json["errors"] else { return [] }
      return errors.compactMap { error in
        if case .object(let object) = error, case .string(let pointer) = object["pointer"] { pointer } else { nil }
      }
    }
  }
}
