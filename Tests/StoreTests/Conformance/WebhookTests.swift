import Domain
import Locking
import Store
import Testing

@Suite struct WebhookTests {
  private let world: World

  init() throws { world = try World() }

  private func webhook(_ format: WebhookFormat = .cloudevents, types: [String] = []) -> Webhook {
    var webhook = Webhook(
      id: ID(at: world.now), url: "https://receiver.example/a?b=c", format: format, types: EventTypes(types),
      createdAt: world.now)
    if format == .cloudevents { webhook.secret = .random() }
    return webhook
  }

  private func event(_ type: String, about subject: String) -> FleetEvent {
    FleetEvent(type: type, subject: subject, at: world.now)
  }

  @Test(arguments: Backend.allCases)
  func `a webhook comes back as it went in, and as it was changed`(backend: Backend) async throws {
    let store = try world.open(backend)
    var webhook = webhook(types: ["job.*", "instance.running"])
    let made = webhook
    try await store.edit { try $0.insert(made) }
    #expect(try store.view { try $0.webhook(made.id) } == made)
    webhook.formerSecret = webhook.secret
    webhook.formerSecretUntil = world.now + .seconds(86400)
    webhook.secret = .random()
    webhook.isEnabled = false
    webhook.disabledReason = "why"
    webhook.failingSince = world.now
    webhook.url = "https://other.example"
    webhook.types = EventTypes(["*"])
    let wanted = webhook
    let changed = try await store.edit { (tx) in
      var webhook = wanted
      return try tx.update(&webhook) ? webhook : nil
    }
    webhook.version = 1
    #expect(changed == webhook)
    #expect(try store.view { try $0.webhooks() } == [webhook])
    // Somebody who read it before the change is refused.
    let isStale = try await store.edit { (tx) in
      var stale = made
      return try !tx.update(&stale)
    }
    #expect(isStale)
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `one webhook is the configuration's and no second`(backend: Backend) async throws {
    let store = try world.open(backend)
    var (first, second) = (webhook(.slack), webhook(.slack))
    (first.isConfigured, second.isConfigured) = (true, true)
    let (one, two) = (first, second)
    try await store.edit { try $0.insert(one) }
    await #expect(throws: StoreError.self) { try await store.edit { try $0.insert(two) } }
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `an event and its deliveries are kept together or not at all`(backend: Backend) async throws {
    let store = try world.open(backend)
    let (all, jobs) = (webhook(), webhook(types: ["job.*"]))
    var off = webhook()
    off.isEnabled = false
    let disabled = off
    try await store.edit { for webhook in [all, jobs, disabled] { try $0.insert(webhook) } }
    let told = event("instance.running", about: "ins_1")
    await #expect(throws: StoreError.self) {
      try await store.edit {
        try $0.append(told)
        throw StoreError.raced
      }
    }
    #expect(try store.view { try $0.pendingDeliveries() } == 0)
    try await store.edit { try $0.append(told) }
    #expect(try store.view { try $0.pendingDeliveries() } == 1)
    let due = try store.view { try $0.dueDeliveries(of: all.id, at: world.now, limit: 10) }
    #expect(due.map(\.event.event) == [told])
    #expect(due.map(\.lane) == ["ins_1"])
    #expect(try store.view { try $0.dueDeliveries(of: jobs.id, at: world.now, limit: 10) }.isEmpty)
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `the second of a lane becomes due when the first is over, and not before`(backend: Backend) async throws {
    let store = try world.open(backend)
    let webhook = webhook()
    try await store.edit { try $0.insert(webhook) }
    for subject in ["a", "a", "b"] {
      let told = event("job.running", about: subject)
      try await store.edit { try $0.append(told) }
    }
    let due = try store.view { try $0.dueDeliveries(of: webhook.id, at: world.now, limit: 10) }
    #expect(due.map { "\($0.lane)\($0.event.sequence)" } == ["a1", "b1"])
    var first = due[0]
    first.state = .delivered
    first.nextAttemptAt = nil
    let over = first
    try await store.edit {
      #expect(try $0.update(over))
      try $0.advance(lane: "a", of: webhook.id, at: over.createdAt)
      #expect(try !$0.update(over))
    }
    let next = try store.view { try $0.dueDeliveries(of: webhook.id, at: world.now, limit: 10) }
    #expect(next.map { "\($0.lane)\($0.event.sequence)" } == ["b1", "a2"] || next.map(\.lane) == ["a", "b"])
    let waiting = try store.view { try $0.waitingDeliveries(of: webhook.id, lane: "a", limit: 9) }
    #expect(waiting.map(\.event.sequence) == [2])
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `lists of deliveries are newest first, by pages`(backend: Backend) async throws {
    let store = try world.open(backend)
    let webhook = webhook()
    try await store.edit { try $0.insert(webhook) }
    for number in 0..<5 {
      world.advance(by: .seconds(1))
      let told = event("job.running", about: "s\(number)")
      try await store.edit { try $0.append(told) }
    }
    let first = try store.view { try $0.deliveries(of: webhook.id, state: .pending, PageRequest(limit: 3)) }
    #expect(first.items.map(\.lane) == ["s4", "s3", "s2"])
    let rest = try store.view {
      try $0.deliveries(of: webhook.id, state: nil, PageRequest(limit: 3, before: first.next))
    }
    #expect(rest.items.map(\.lane) == ["s1", "s0"])
    #expect(rest.next == nil)
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `a deleted webhook takes its deliveries along and leaves no byte of its secrets`(backend: Backend) async throws {
    let store = try world.open(backend)
    var made = webhook()
    made.url = "https://receiver.example/\(String(repeating: "q7", count: 30))"
    let webhook = made
    let told = event("job.running", about: "a")
    try await store.edit {
      try $0.insert(webhook)
      try $0.append(told)
    }
    #expect(try await store.edit { try $0.delete(webhook: webhook.id) })
    #expect(try await !store.edit { try $0.delete(webhook: webhook.id) })
    #expect(try store.view { try $0.pendingDeliveries() } == 0)
    await store.close()
    let mark = Array(String(repeating: "q7", count: 30).utf8)
    let bytes = world.bytesOnDisk()
    #expect(!bytes.indices.dropLast(mark.count).contains { bytes[$0] == mark[0] && bytes[$0...].starts(with: mark) })
  }

  @Test(arguments: Backend.allCases)
  func `old events go with their deliveries, unless one is still on its way`(backend: Backend) async throws {
    let store = try world.open(backend)
    let before = event("job.queued", about: "a")
    try await store.edit { try $0.append(before) }
    let webhook = webhook()
    let waiting = event("job.running", about: "b")
    try await store.edit {
      try $0.insert(webhook)
      try $0.append(waiting)
    }
    world.advance(by: .seconds(100))
    let late = event("job.running", about: "c")
    try await store.edit { try $0.append(late) }
    let limit = world.now - .seconds(50)
    #expect(try await store.edit { try $0.purgeEvents(before: limit, limit: 10) } == 1)
    let left = try store.view { try $0.events(after: 0, limit: 10) }
    #expect(left.map(\.event) == [waiting, late])
    #expect(left.map(\.position) == [2, 3])
    #expect(try store.view { try $0.position(of: before.id) } == nil)
    #expect(try store.view { try $0.position(of: late.id) } == 3)
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `what waits for a receiver that is disabled holds no old event back`(backend: Backend) async throws {
    let store = try world.open(backend)
    let webhook = webhook()
    let (old, older) = (event("job.running", about: "a"), event("job.queued", about: "a"))
    try await store.edit {
      try $0.insert(webhook)
      try $0.append(older)
      try $0.append(old)
    }
    world.advance(by: .seconds(100))
    let limit = world.now - .seconds(50)
    let late = event("job.succeeded", about: "a")
    try await store.edit { try $0.append(late) }
    #expect(try await store.edit { try $0.purgeEvents(before: limit, limit: 10) } == 0)
    try await disable(webhook.id, in: store)
    #expect(try await store.edit { try $0.purgeEvents(before: limit, limit: 10) } == 2)
    // The first of what is left is the next to go.
    let due = try store.view { try $0.dueDeliveries(of: webhook.id, at: world.now, limit: 10) }
    #expect(due.map(\.event.event) == [late])
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `a receiver that is disabled for its failing keeps the newest events`(backend: Backend) async throws {
    let store = try world.open(backend)
    let webhook = webhook()
    let told = (0..<Webhook.mostKept).map { event("job.running", about: "s\($0 % 3)") }
    try await store.edit {
      try $0.insert(webhook)
      for event in told { try $0.append(event) }
    }
    try await disable(webhook.id, in: store)
    let last = [event("job.failed", about: "s0"), event("job.failed", about: "s1")]
    for event in last { try await store.edit { try $0.append(event) } }
    #expect(try store.view { try $0.pendingDeliveries() } == Webhook.mostKept)
    let failed = try store.view { try $0.deliveries(of: webhook.id, state: .failed, PageRequest(limit: 10)).items }
    #expect(Set(failed.map(\.event.event)) == Set(told.prefix(2)))
    #expect(failed.allSatisfy { $0.lastError != nil && $0.nextAttemptAt == nil })
    let due = try store.view { try $0.dueDeliveries(of: webhook.id, at: world.now, limit: 10) }
    #expect(Set(due.map(\.event.event)) == Set(told[2..<5]))
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `the oldest that waits is tried by a moment, unless something is anyway`(backend: Backend) async throws {
    let store = try world.open(backend)
    let webhook = webhook()
    try await store.edit { try $0.insert(webhook) }
    for subject in ["a", "b"] {
      let told = event("job.running", about: subject)
      try await store.edit { try $0.append(told) }
    }
    let (soon, late) = (world.now + .seconds(900), world.now + .seconds(9000))
    try await store.edit { (tx) in
      for var delivery in try tx.dueDeliveries(of: webhook.id, at: late, limit: 9) {
        delivery.nextAttemptAt = late
        _ = try tx.update(delivery)
      }
      try tx.probe(webhook.id, by: soon)
    }
    #expect(try store.view { try $0.dueDeliveries(of: webhook.id, at: soon, limit: 9) }.map(\.lane) == ["a"])
    try await store.edit { try $0.probe(webhook.id, by: soon + .seconds(1)) }
    #expect(try store.view { try $0.nextDelivery(of: webhook.id) } == soon)
    await store.close()
  }

  private func disable(_ id: ID<Webhook>, in store: Store) async throws {
    try await store.edit { (tx) in
      guard var webhook = try tx.webhook(id) else { return }
      (webhook.isEnabled, webhook.disabledReason) = (false, "why")
      _ = try tx.update(&webhook)
    }
  }

  @Test(arguments: Backend.allCases)
  func `events are found by what they are about`(backend: Backend) async throws {
    let store = try world.open(backend)
    let (job, instance) = (ID<Job>(at: world.now), ID<Instance>(at: world.now))
    let events = [
      FleetEvent(type: "job.queued", subject: job.rawValue, jobID: job, at: world.now),
      FleetEvent(
        type: "instance.running", subject: instance.rawValue, instanceID: instance, jobID: job, at: world.now),
      FleetEvent(type: "job.queued", subject: "other", at: world.now),
    ]
    try await store.edit { for event in events { try $0.append(event) } }
    var (byJob, byInstance, byType) = (EventFilter(), EventFilter(), EventFilter())
    byJob.jobID = job
    byInstance.instanceID = instance
    byType.type = "job.queued"
    let (one, two, three) = (byJob, byInstance, byType)
    #expect(try store.view { try $0.events(after: 0, one, limit: 9).map(\.position) } == [1, 2])
    #expect(try store.view { try $0.events(after: 0, two, limit: 9).map(\.position) } == [2])
    #expect(try store.view { try $0.events(after: 1, three, limit: 9).map(\.position) } == [3])
    #expect(try store.view { try $0.lastPosition() } == 3)
    await store.close()
  }
}
