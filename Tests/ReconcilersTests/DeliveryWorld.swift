import Artifacts
import Domain
import Locking
import Logging
import Reconcilers
import SQLiteDriver
import Store
import TestSupport

/// A store with receivers that answer as the test says, and the loop between them.
final class DeliveryWorld: Sendable {
  typealias Answer = @Sendable (WebhookMessage) async -> WebhookReply

  let clock = ManualClock()
  let store: Store
  let signal = Signal()
  let received = Locked<[WebhookMessage]>([])
  let results = Locked<[String]>([])
  private let answer = Locked<Answer>({ _ in .answered(status: 204, retryAfter: nil) })
  private let folder: TemporaryFolder
  private let loop: Locked<EventDelivery?>

  init() throws {
    folder = try TemporaryFolder("deliveries")
    let clock = clock
    store = try Store(driver: SQLiteDriver(path: folder.path + "/vastd.db"), now: { clock.timestamp })
    loop = Locked(nil)
    begin()
  }

  var delivery: EventDelivery { loop.withLock { $0! } }
  var now: Timestamp { clock.timestamp }

  /// A new life of the loop over the same store; `now` when its clock is another.
  func begin(now: (@Sendable () -> Timestamp)? = nil) {
    let (clock, answer, received, results) = (clock, answer, received, results)
    let new = EventDelivery(
      store: store,
      send: { message in
        let reply = await answer.withLock { $0 }(message)
        if case .answered(200..<300, _) = reply { received.withLock { $0.append(message) } }
        return reply
      }, signal: signal, counted: { result in results.withLock { $0.append(result) } }, clock: clock,
      now: now ?? { clock.timestamp }, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    loop.withLock { $0 = new }
  }

  func answers(_ new: @escaping Answer) { answer.withLock { $0 = new } }

  func addWebhook(
    _ url: String = "https://receiver.example/hook", format: WebhookFormat = .cloudevents, types: [String] = []
  ) async throws -> ID<Webhook> {
    var webhook = Webhook(
      id: ID(at: now), url: url, format: format, types: EventTypes(types), createdAt: now)
    webhook.secret = format == .slack ? nil : .random()
    let made = webhook
    try await store.write { (tx) throws(StoreError) in try tx.insert(made) }
    return made.id
  }

  /// As its owner would.
  func enable(_ id: ID<Webhook>) async throws {
    try await store.write { (tx) throws(StoreError) in
      guard var webhook = try tx.webhook(id) else { return }
      webhook.isEnabled = true
      webhook.disabledReason = nil
      webhook.failingSince = nil
      _ = try tx.update(&webhook)
      try tx.renewDeliveries(of: id)
    }
  }

  func webhook(_ id: ID<Webhook>) throws -> Webhook? {
    try store.read { (r) throws(StoreError) in try r.webhook(id) }
  }

  func record(_ type: String, about subject: String) async throws {
    let event = FleetEvent(type: type, subject: subject, at: now)
    try await store.write { (tx) throws(StoreError) in try tx.append(event) }
  }

  /// Lets the loop look until nothing is under way and nothing is due.
  func turn() async {
    while await delivery.activate().changed > 0 {
      await eventually { self.delivery.callsUnderWay == 0 }
    }
  }

  /// Turns once each `step` of the clock.
  func live(for span: Duration, step: Duration) async {
    let end = now + span
    while now < end {
      await turn()
      clock.advance(by: step)
    }
    await turn()
  }

  /// What a receiver got: subject and sequence, in order.
  func got(_ url: String = "https://receiver.example/hook") -> [String: [Int64]] {
    var got: [String: [Int64]] = [:]
    for message in received.withLock({ $0 }) where message.webhook.url == url {
      for recorded in message.events { got[recorded.event.subject, default: []].append(recorded.sequence) }
    }
    return got
  }

  func deliveries(of id: ID<Webhook>, _ state: DeliveryState? = nil) throws -> [Delivery] {
    try store.read { (r) throws(StoreError) in try r.deliveries(of: id, state: state, PageRequest(limit: 1000)).items }
  }
}
