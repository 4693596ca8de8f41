import API
import Domain
import JSON
import Store
import TestSupport
import Testing

@Suite struct WebhookCallTests {
  @Test func `a secret is shown once, and not again under the same key`() async throws {
    let world = try APIWorld()
    let key = [("Idempotency-Key", "k1")]
    let body = #"{"url":"https://a.example/hook?x=1"}"#
    let first = try await world.call("POST", "/v1/webhooks", body, headers: key)
    guard case .string(let secret) = try first.json["secret"], case .string(let id) = try first.json["id"] else {
      throw Unexpected(what: first.text)
    }
    #expect(secret.hasPrefix("whsec_") && secret.utf8.count == 50)
    let again = try await world.call("POST", "/v1/webhooks", body, headers: key)
    #expect(again.status == 201 && again.header("idempotent-replayed") == "true")
    #expect(try again.json["id"] == .string(id) && again.json["secret"] == nil)
    for answer in [
      try await world.call("GET", "/v1/webhooks/\(id)"), try await world.call("GET", "/v1/webhooks"),
      try await world.call("PATCH", "/v1/webhooks/\(id)", #"{"types":["*"]}"#),
    ] {
      #expect(answer.status == 200)
      #expect(!answer.text.contains("whsec_"))
    }
    #expect(try !world.logText().contains(secret))
    await world.close()
  }

  @Test func `a rotation shows the new secret, and the former goes on signing for a day`() async throws {
    let world = try APIWorld()
    let id = try await make(world, #"{"url":"https://a.example"}"#)
    let before = try #require(try stored(world, id))
    let rotated = try await world.call("PATCH", "/v1/webhooks/\(id)", #"{"rotate_secret":true}"#)
    guard case .string(let shown) = try rotated.json["secret"] else { throw Unexpected(what: rotated.text) }
    let after = try #require(try stored(world, id))
    #expect(shown.hasPrefix("whsec_") && after.secret != before.secret && after.formerSecret == before.secret)
    let moment = try #require(after.formerSecretUntil)
    #expect(after.signingSecrets(at: moment - .seconds(1)).count == 2)
    #expect(after.signingSecrets(at: moment).count == 1)
    await world.close()
  }

  @Test(arguments: [
    (#"{}"#, "/url"), (#"{"url":"http://a.example"}"#, "/url"), (#"{"url":"https://127.0.0.1/"}"#, "/url"),
    (#"{"url":"https://user:pw@a.example"}"#, "/url"), (#"{"url":"https://a.example","types":["Job"]}"#, "/types/0"),
    (#"{"url":"https://a.example","secret":"abc"}"#, "/secret"), (#"{"url":"https://a.example","kind":1}"#, "/kind"),
    (#"{"url":"https://a.example","format":"xml"}"#, "/format"),
    (
      #"{"url":"https://a.example","format":"slack","secret":"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}"#,
      "/secret"
    ),
  ])
  func `a wrong field is named`(body: String, pointer: String) async throws {
    let world = try APIWorld()
    let answer = try await world.call("POST", "/v1/webhooks", body)
    #expect(answer.status == 422)
    #expect(try answer.pointers == [pointer])
    #expect(try world.store.read { (r) throws(StoreError) in try r.webhooks() }.isEmpty)
    await world.close()
  }

  @Test func `with private addresses allowed, a receiver in the own network may speak plain HTTP`() async throws {
    let world = try APIWorld(configure: { $0.allowsPrivateWebhooks = true })
    #expect(try await world.call("POST", "/v1/webhooks", #"{"url":"http://10.0.0.1:8080/x"}"#).status == 201)
    await world.close()
  }

  @Test func `Slack's URL is a credential and is shown without its path`() async throws {
    let world = try APIWorld()
    let id = try await make(world, #"{"url":"https://hooks.slack.com/services/T0/B0/sEcReT","format":"slack"}"#)
    let answer = try await world.call("GET", "/v1/webhooks/\(id)")
    #expect(try answer.json["url"] == .string("https://hooks.slack.com/…"))
    #expect(!answer.text.contains("sEcReT"))
    #expect(try await world.call("PATCH", "/v1/webhooks/\(id)", #"{"rotate_secret":true}"#).status == 422)
    await world.close()
  }

  @Test func `there are fifty webhooks at the most`() async throws {
    let world = try APIWorld()
    for number in 0..<50 { _ = try await make(world, #"{"url":"https://a.example/\#(number)"}"#) }
    let answer = try await world.call("POST", "/v1/webhooks", #"{"url":"https://a.example"}"#)
    #expect(answer.status == 409)
    #expect(try answer.json["code"] == .string("too_many_webhooks"))
    await world.close()
  }

  @Test func `the webhook of the configuration is not changed by callers, and is tested all the same`() async throws {
    let world = try APIWorld()
    var webhook = Webhook(
      id: ID(at: Timestamp(seconds: 1)), url: "https://hooks.slack.com/x", format: .slack, types: EventTypes(),
      createdAt: Timestamp(seconds: 1))
    webhook.isConfigured = true
    let made = webhook
    try await world.store.write { (tx) throws(StoreError) in try tx.insert(made) }
    #expect(try await world.call("PATCH", "/v1/webhooks/\(made.id)", #"{"enabled":false}"#).status == 409)
    #expect(try await world.call("DELETE", "/v1/webhooks/\(made.id)").status == 409)
    #expect(try await world.call("POST", "/v1/webhooks/\(made.id)/test").status == 202)
    await world.close()
  }

  @Test func `a disabled webhook gets nothing, and when it is enabled what waited goes on`() async throws {
    let world = try APIWorld()
    let id = try await make(world, #"{"url":"https://a.example"}"#)
    let webhookID = try #require(ID<Webhook>(id))
    _ = try await world.record("job.queued", about: "a")
    #expect(try await world.call("PATCH", "/v1/webhooks/\(id)", #"{"enabled":false}"#).status == 200)
    _ = try await world.record("job.running", about: "a")
    #expect(try await world.call("POST", "/v1/webhooks/\(id)/test").status == 409)
    #expect(try await world.call("PATCH", "/v1/webhooks/\(id)", #"{"enabled":true}"#).status == 200)
    let pending = try world.store.read { (r) throws(StoreError) in
      try r.deliveries(of: webhookID, state: .pending, PageRequest(limit: 10)).items
    }
    #expect(pending.map(\.event.event.type) == ["job.queued"])
    await world.close()
  }

  @Test(arguments: [#"{"url":"https://b.example"}"#, #"{"rotate_secret":true}"#])
  func `a webhook that fails and is put right is tried at once`(change: String) async throws {
    let world = try APIWorld()
    let id = try await make(world, #"{"url":"https://a.example"}"#)
    _ = try await world.record("job.queued", about: "a")
    let webhookID = try #require(ID<Webhook>(id))
    let later = try await world.fail(webhookID)
    #expect(try await world.call("PATCH", "/v1/webhooks/\(id)", #"{"types":["*"]}"#).status == 200)
    #expect(try stored(world, id)?.failingSince != nil, "what has no part in it changes nothing")
    let answer = try await world.call("PATCH", "/v1/webhooks/\(id)", change)
    #expect(try answer.status == 200 && answer.json["failing_since"] == .null)
    let waiting = try world.store.read { (r) throws(StoreError) in
      try r.deliveries(of: webhookID, state: .pending, PageRequest(limit: 9)).items
    }
    #expect(waiting.count == 1)
    let next = try #require(waiting.first?.nextAttemptAt)
    #expect(next < later && waiting.first?.attempts == 0 && waiting.first?.firstAttemptAt == nil)
    await world.close()
  }

  @Test func `a webhook that was disabled for its failing has what it missed when it is enabled`() async throws {
    let world = try APIWorld()
    let id = try await make(world, #"{"url":"https://a.example"}"#)
    let webhookID = try #require(ID<Webhook>(id))
    try await world.store.write { (tx) throws(StoreError) in
      guard var webhook = try tx.webhook(webhookID) else { return }
      (webhook.isEnabled, webhook.disabledReason) = (false, "The receiver answered 410: it is gone.")
      _ = try tx.update(&webhook)
    }
    _ = try await world.record("job.running", about: "a")
    #expect(try await world.call("PATCH", "/v1/webhooks/\(id)", #"{"enabled":true}"#).status == 200)
    let pending = try world.store.read { (r) throws(StoreError) in
      try r.dueDeliveries(of: webhookID, at: Timestamp(seconds: 4_000_000_000), limit: 10)
    }
    #expect(pending.map(\.event.event.type) == ["job.running"])
    await world.close()
  }

  @Test func `a replay is a new delivery of the same event, and only of what is over`() async throws {
    let world = try APIWorld()
    let id = try await make(world, #"{"url":"https://a.example"}"#)
    let sent = try await world.call("POST", "/v1/webhooks/\(id)/test").json
    guard case .string(let text) = sent["id"], let delivery = ID<Delivery>(text) else {
      throw Unexpected(what: "no id")
    }
    let path = "/v1/webhooks/\(id)/deliveries/\(delivery)/replay"
    #expect(try await world.call("POST", path).status == 409)
    try await world.settle(delivery, as: .delivered)
    let replay = try await world.call("POST", path).json
    #expect(replay["event_id"] == sent["event_id"] && replay["id"] != sent["id"])
    let other = try await make(world, #"{"url":"https://b.example"}"#)
    #expect(try await world.call("POST", "/v1/webhooks/\(other)/deliveries/\(delivery)/replay").status == 404)
    let list = try await world.call("GET", "/v1/webhooks/\(id)/deliveries?limit=1").json
    guard case .array(let items) = list["items"], case .string(let cursor) = list["next_cursor"] else {
      throw Unexpected(what: "no page")
    }
    #expect(items.count == 1 && items[0]["id"] == replay["id"])
    let rest = try await world.call("GET", "/v1/webhooks/\(id)/deliveries?limit=1&cursor=\(cursor)").json
    #expect(rest["next_cursor"] == .null)
    #expect(try await world.call("GET", "/v1/webhooks/\(other)/deliveries?cursor=\(cursor)").status == 400)
    await world.close()
  }

  private func make(_ world: APIWorld, _ body: String) async throws -> String {
    let answer = try await world.call("POST", "/v1/webhooks", body)
    guard answer.status == 201, case .string(let id) = try answer.json["id"] else {
      throw Unexpected(what: answer.text)
    }
    return id
  }

  private func stored(_ world: APIWorld, _ id: String) throws -> Webhook? {
    guard let id = ID<Webhook>(id) else { return nil }
    return try world.store.read { (r) throws(StoreError) in try r.webhook(id) }
  }
}
