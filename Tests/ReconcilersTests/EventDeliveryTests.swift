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
    try await world.enable(id)
    world.begin()
    await world.turn()
    #expect(world.got()["a"] == [1, 2])
  }

  @Test(arguments: WebhookFormat.allCases)
  func `a receiver that says it is gone is disabled at once`(format: WebhookFormat) async throws {
    let world = try DeliveryWorld()
    let id = try await world.addWebhook(format: format)
    world.answers { _ in .answered(status: 410, retryAfter: nil) }
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

  // MARK: Outages

  @Test(arguments: WebhookFormat.allCases)
  func `a receiver that comes back after a long night learns of it within a quarter of an hour`(format: WebhookFormat)
    async throws
  {
    let world = try DeliveryWorld()
    let id = try await world.addWebhook(format: format)
    world.answers { [down] _ in down }
    try await world.record("job.failed", about: "a")
    // Long after the delays have grown to hours.
    await world.live(for: .seconds(30 * 3600), step: .seconds(60))
    try await world.record("job.succeeded", about: "a")
    world.answers { _ in .answered(status: 200, retryAfter: nil) }
    await world.live(for: .seconds(16 * 60), step: .seconds(60))
    #expect(world.got()["a"] == [1, 2])
    #expect(try world.deliveries(of: id, .pending).isEmpty)
  }

  @Test func `a receiver that asks for hours is left alone for hours`() async throws {
    let world = try DeliveryWorld()
    _ = try await world.addWebhook()
    let calls = Locked(0)
    world.answers { _ in
      calls.withLock { $0 += 1 }
      return .answered(status: 503, retryAfter: .seconds(7200))
    }
    try await world.record("job.failed", about: "a")
    await world.live(for: .seconds(7000), step: .seconds(60))
    #expect(calls.withLock { $0 } == 1)
  }

  @Test func `what is recorded while a receiver is disabled for its failing waits for it`() async throws {
    let world = try DeliveryWorld()
    let id = try await world.addWebhook()
    world.answers { _ in .answered(status: 410, retryAfter: nil) }
    try await world.record("job.queued", about: "a")
    await world.turn()
    try await world.record("job.failed", about: "a")
    await world.turn()
    #expect(try world.webhook(id)?.isEnabled == false)
    world.answers { _ in .answered(status: 200, retryAfter: nil) }
    try await world.enable(id)
    await world.turn()
    #expect(world.got() == ["a": [1, 2]], "and not that it was disabled")
  }

  @Test func `what a former address answers is nothing against the new one`() async throws {
    let world = try DeliveryWorld()
    let id = try await world.addWebhook()
    let store = world.store
    world.answers { message in
      guard message.webhook.url != "https://new.example" else { return .answered(status: 200, retryAfter: nil) }
      _ = try? await store.write { (tx) throws(StoreError) in
        guard var webhook = try tx.webhook(id) else { return }
        webhook.url = "https://new.example"
        _ = try tx.update(&webhook)
      }
      return .answered(status: 410, retryAfter: nil)
    }
    try await world.record("job.failed", about: "a")
    await world.turn()
    #expect(try world.webhook(id)?.isEnabled == true)
    #expect(world.got("https://new.example") == ["a": [1]])
  }

  // MARK: What is refused

  @Test func `of a burst that Slack refuses only the event that it cannot take is given up`() async throws {
    let world = try DeliveryWorld()
    let id = try await world.addWebhook(format: .slack)
    world.answers { message in
      .answered(status: message.events.contains { $0.event.subject == "s2" } ? 400 : 200, retryAfter: nil)
    }
    for number in 0..<5 { try await world.record("job.failed", about: "s\(number)") }
    await world.live(for: .seconds(20), step: .seconds(1))
    #expect(try world.deliveries(of: id, .failed).map(\.event.event.subject) == ["s2"])
    #expect(world.got().keys.sorted() == ["s0", "s1", "s3", "s4"])
    #expect(world.results.withLock { $0.filter { $0 == "retried" }.count } == 1)
    #expect(try world.webhook(id)?.failingSince == nil)
  }

  @Test func `a delivery that is given up is an event for the others`() async throws {
    let world = try DeliveryWorld()
    let id = try await world.addWebhook()
    _ = try await world.addWebhook("https://other.example", types: ["webhook.*"])
    world.answers { message in
      .answered(status: message.events[0].event.type == "job.failed" ? 422 : 200, retryAfter: nil)
    }
    try await world.record("job.failed", about: "a")
    for _ in 0..<13 {
      await world.live(for: .seconds(12 * 3600), step: .seconds(3600))
      try await world.record("job.running", about: "b")
    }
    let told = world.received.withLock { $0.flatMap(\.events) }.map(\.event).filter { $0.type.hasPrefix("webhook.") }
    let failed = try #require(try world.deliveries(of: id, .failed).first)
    #expect(told.map(\.type) == ["webhook.delivery_failed"])
    #expect(told.first?.subject == id.rawValue)
    #expect(told.first?.data["webhook_id"] == .text(id.rawValue))
    #expect(told.first?.data["event_id"] == .text(failed.event.event.id.rawValue))
    #expect(told.first?.data["detail"] == .text("Every attempt at this event has failed for five days."))
    #expect(world.got()[id.rawValue] == nil, "it is not told of its own")
  }

  @Test func `receivers that refuse the news of each other's failing do not go on about it`() async throws {
    let world = try DeliveryWorld()
    _ = try await world.addWebhook(format: .slack, types: ["*"])
    _ = try await world.addWebhook("https://other.example", format: .slack, types: ["*"])
    world.answers { _ in .answered(status: 400, retryAfter: nil) }
    try await world.record("job.failed", about: "a")
    await world.live(for: .seconds(600), step: .seconds(1))
    let events = try world.store.read { (r) throws(StoreError) in try r.events(after: 0, limit: 100) }
    #expect(events.map(\.event.type) == ["job.failed", "webhook.delivery_failed", "webhook.delivery_failed"])
  }

  @Test func `what was due when it was looked at, and is put off by its turn, is not sent`() async throws {
    let world = try DeliveryWorld()
    _ = try await world.addWebhook()
    let calls = Locked(0)
    world.answers { [down] _ in
      calls.withLock { $0 += 1 }
      return down
    }
    try await world.record("job.failed", about: "a")
    await world.turn()
    // A look that is five seconds ahead of the call stands for one that saw what the call before has put off since.
    let looks = Locked(0)
    let clock = world.clock
    world.begin(now: {
      clock.timestamp
        + (looks.withLock { looks in
          looks += 1
          return looks
        } == 1 ? .seconds(10) : .zero)
    })
    _ = await world.delivery.activate()
    await eventually { world.delivery.callsUnderWay == 0 }
    #expect(calls.withLock { $0 } == 1)
  }
}
