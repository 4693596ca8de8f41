import Domain
import Locking
import Reconcilers
import Store
import TestSupport
import Testing

@Suite struct `The delivery of events` {
  private let down = WebhookReply.unreachable(reason: "connection refused")

  @Test func `each receiver gets what it asked for, once and in order for each subject`() async throws {
    let world = try DeliveryWorld()
    let all = try await world.addWebhook()
    let jobs = try await world.addWebhook("https://jobs.example", types: ["job.*"])
    for number in 0..<30 {
      try await world.record(number % 3 == 0 ? "job.running" : "instance.running", about: "s\(number % 5)")
    }
    await world.turn()
    #expect(world.got() == Dictionary(uniqueKeysWithValues: (0..<5).map { ("s\($0)", Array(1...6)) }))
    #expect(world.got("https://jobs.example").values.map(\.count).reduce(0, +) == 10)
    #expect(try world.deliveries(of: all, .delivered).count == 30)
    #expect(try world.deliveries(of: jobs, .delivered).count == 10)
    await world.turn()
    #expect(world.received.withLock { $0.count } == 40)
  }

  @Test func `what was recorded before a receiver was added is not sent to it`() async throws {
    let world = try DeliveryWorld()
    try await world.record("job.queued", about: "a")
    _ = try await world.addWebhook()
    try await world.record("job.running", about: "a")
    await world.turn()
    #expect(world.got() == ["a": [2]])
  }

  @Test func `a receiver that is down for three days gets everything afterwards, in order for each subject`()
    async throws
  {
    let world = try DeliveryWorld()
    let id = try await world.addWebhook()
    let attempts = Locked(0)
    world.answers { _ in
      attempts.withLock { $0 += 1 }
      return .unreachable(reason: "connection refused")
    }
    for hour in 0..<72 {
      for subject in ["a", "b", "s\(hour)"] { try await world.record("job.running", about: subject) }
      await world.live(for: .seconds(3600), step: .seconds(600))
    }
    // A dead receiver costs a few calls an hour, not one for each event and retry.
    #expect(attempts.withLock { $0 } < 72 * 12)
    #expect(try world.webhook(id)?.isEnabled == true)
    world.answers { _ in .answered(status: 200, retryAfter: nil) }
    await world.live(for: .seconds(24 * 3600), step: .seconds(600))
    let got = world.got()
    #expect(got["a"] == Array(1...72))
    #expect(got["b"] == Array(1...72))
    #expect(got.count == 74)
    #expect(try world.deliveries(of: id, .pending).isEmpty)
    #expect(try world.webhook(id)?.failingSince == nil)
  }

  @Test func `a receiver that hangs delays nobody else`() async throws {
    let world = try DeliveryWorld()
    _ = try await world.addWebhook("https://hangs.example")
    _ = try await world.addWebhook()
    let release = Signal()
    world.answers { message in
      if message.webhook.url == "https://hangs.example" { await release.wait(after: 0) }
      return .answered(status: 200, retryAfter: nil)
    }
    for number in 0..<40 { try await world.record("job.running", about: "s\(number)") }
    for _ in 0..<20 {
      _ = await world.delivery.activate()
      await eventually(within: .milliseconds(50)) { world.got().count == 40 }
    }
    #expect(world.got().count == 40)
    await eventually(within: .seconds(5)) { world.delivery.callsUnderWay == EventDelivery.callsPerReceiver }
    #expect(world.delivery.callsUnderWay == EventDelivery.callsPerReceiver)
    release.raise()
    await world.delivery.close()
  }

  @Test func `an event that its receiver refuses holds up its own subject only, and is given up after five days`()
    async throws
  {
    let world = try DeliveryWorld()
    let id = try await world.addWebhook()
    world.answers { message in
      .answered(status: message.events[0].event.type == "job.failed" ? 422 : 200, retryAfter: nil)
    }
    try await world.record("job.failed", about: "a")
    try await world.record("job.running", about: "a")
    try await world.record("job.running", about: "b")
    await world.turn()
    #expect(world.got() == ["b": [1]])
    for _ in 0..<13 {
      await world.live(for: .seconds(12 * 3600), step: .seconds(3600))
      try await world.record("job.running", about: "b")
    }
    #expect(world.got()["a"] == [2])
    let failed = try world.deliveries(of: id, .failed)
    #expect(failed.map(\.event.event.type) == ["job.failed"])
    #expect(failed.first?.lastStatus == 422)
    #expect(try world.webhook(id)?.isEnabled == true)
  }

  @Test func `a receiver that fails for five days is disabled, which is an event for the others, and nothing is lost`()
    async throws
  {
    let world = try DeliveryWorld()
    let id = try await world.addWebhook()
    _ = try await world.addWebhook("https://other.example")
    world.answers { [down] message in
      message.webhook.url == "https://other.example" ? .answered(status: 200, retryAfter: nil) : down
    }
    try await world.record("job.running", about: "a")
    try await world.record("job.succeeded", about: "a")
    await world.live(for: .seconds(8 * 24 * 3600), step: .seconds(3600))
    let disabled = try #require(try world.webhook(id))
    #expect(!disabled.isEnabled)
    #expect(disabled.disabledReason == "Every attempt has failed for five days.")
    #expect(world.got("https://other.example")[id.rawValue] == [1])
    #expect(try world.deliveries(of: id, .pending).count == 2)

    world.answers { _ in .answered(status: 200, retryAfter: nil) }
    _ = try await world.store.write { (tx) throws(StoreError) in
      guard var webhook = try tx.webhook(id) else { return }
      webhook.isEnabled = true
      _ = try tx.update(&webhook)
      try tx.renewDeliveries(of: id)
    }
    world.begin()
    await world.turn()
    #expect(world.got()["a"] == [1, 2])
  }

  @Test(arguments: [(410, WebhookFormat.cloudevents), (404, .slack), (403, .slack)])
  func `a receiver that says it is gone is disabled at once`(status: Int, format: WebhookFormat) async throws {
    let world = try DeliveryWorld()
    let id = try await world.addWebhook(format: format)
    world.answers { _ in .answered(status: status, retryAfter: nil) }
    try await world.record("job.failed", about: "a")
    world.clock.advance(by: .seconds(1))
    await world.turn()
    #expect(try world.webhook(id)?.isEnabled == false)
    #expect(world.results.withLock { $0 } == ["disabled"])
  }

  @Test func `an end in the middle of a call repeats that call and no other`() async throws {
    let world = try DeliveryWorld()
    _ = try await world.addWebhook()
    let (started, release) = (Signal(), Signal())
    let calls = Locked<[Int64]>([])
    world.answers { message in
      let sequence = message.events[0].sequence
      calls.withLock { $0.append(sequence) }
      if sequence == 2 {
        started.raise()
        await release.wait(after: 0)
        return .unreachable(reason: "broken off")
      }
      return .answered(status: 200, retryAfter: nil)
    }
    for type in ["job.queued", "job.running", "job.succeeded"] { try await world.record(type, about: "a") }
    let turning = Task { await world.turn() }
    await started.wait(after: 0)
    await world.delivery.close()
    turning.cancel()
    await turning.value
    world.answers { message in
      calls.withLock { $0.append(message.events[0].sequence) }
      return .answered(status: 200, retryAfter: nil)
    }
    world.begin()
    await world.turn()
    #expect(calls.withLock { $0 } == [1, 2, 2, 3])
    #expect(world.got() == ["a": [1, 2, 3]])
  }

  @Test func `a burst for Slack is one message, and the next has to wait a second`() async throws {
    let world = try DeliveryWorld()
    let id = try await world.addWebhook(format: .slack)
    for number in 0..<25 { try await world.record("job.failed", about: "s\(number)") }
    try await world.record("job.provisioning", about: "s1")
    await world.turn()
    #expect(world.received.withLock { $0.count } == 0)
    world.clock.advance(by: .seconds(1))
    await world.turn()
    #expect(world.received.withLock { $0.map(\.events.count) } == [20])
    world.clock.advance(by: .seconds(1))
    await world.turn()
    #expect(world.received.withLock { $0.map(\.events.count) } == [20, 5])
    #expect(try world.deliveries(of: id, .pending).isEmpty)
  }

  @Test func `a receiver that asks for patience gets it`() async throws {
    let world = try DeliveryWorld()
    _ = try await world.addWebhook()
    let calls = Locked(0)
    world.answers { _ in
      calls.withLock { $0 += 1 }
      return .answered(status: 429, retryAfter: .seconds(120))
    }
    try await world.record("job.failed", about: "a")
    try await world.record("job.failed", about: "b")
    await world.live(for: .seconds(110), step: .seconds(10))
    #expect(calls.withLock { $0 } <= 2)
    await world.live(for: .seconds(40), step: .seconds(10))
    #expect(calls.withLock { $0 } >= 3)
  }

  @Test func `a receiver that is deleted during a call leaves nothing behind`() async throws {
    let world = try DeliveryWorld()
    let id = try await world.addWebhook()
    let store = world.store
    world.answers { _ in
      _ = try? await store.write { (tx) throws(StoreError) in try tx.delete(webhook: id) }
      return .answered(status: 200, retryAfter: nil)
    }
    try await world.record("job.failed", about: "a")
    await world.turn()
    #expect(try world.deliveries(of: id).isEmpty)
    #expect(try world.store.read { (r) throws(StoreError) in try r.events(after: 0, limit: 10).count } == 1)
  }
}
