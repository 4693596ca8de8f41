import Domain
import Testing

@Suite struct `The plan of a delivery` {
  private let now = Timestamp(seconds: 1_800_000_000)

  private func plan(
    _ reply: WebhookReply, attempts: Int = 0, firstAttempt: Duration? = nil, failingFor: Duration? = nil,
    format: WebhookFormat = .cloudevents, isAlone: Bool = true, jitter: Double = 0
  ) -> DeliveryPlan.Step {
    var webhook = Webhook(
      id: ID(at: now), url: "https://a.example", format: format, types: EventTypes(), createdAt: now)
    webhook.failingSince = failingFor.map { now - $0 }
    let event = RecordedEvent(position: 1, sequence: 1, event: FleetEvent(type: "job.failed", subject: "a", at: now))
    var delivery = Delivery(
      id: ID(at: now), webhookID: webhook.id, number: 1, lane: "a", event: event, createdAt: now)
    delivery.attempts = attempts
    delivery.firstAttemptAt = firstAttempt.map { now - $0 }
    return DeliveryPlan(for: delivery, isAlone: isAlone, to: webhook, after: reply, now: now, jitter: jitter).step
  }

  @Test(arguments: [200, 201, 204, 299]) func `only 2xx is success`(status: Int) {
    #expect(plan(.answered(status: status, retryAfter: nil)) == .done)
  }

  @Test(arguments: [301, 302, 400, 401, 404, 429, 500, 503]) func `everything else is tried again`(status: Int) {
    #expect(plan(.answered(status: status, retryAfter: nil)) == .retry(at: now + .seconds(5)))
  }

  @Test func `delays grow to a day and come to more than three days`() {
    var total = Duration.zero
    var last = Duration.zero
    for attempts in 0..<DeliveryPlan.delays.count {
      guard case .retry(let moment) = plan(.unreachable(reason: ""), attempts: attempts) else {
        Issue.record("no retry after attempt \(attempts)")
        return
      }
      #expect(moment - now > last)
      last = moment - now
      total += last
    }
    #expect(last == .seconds(24 * 3600))
    #expect(total > .seconds(72 * 3600))
    #expect(plan(.unreachable(reason: ""), attempts: 40) == .retry(at: now + last))
  }

  @Test func `chance spreads a delay by a tenth at most, and a wish of the receiver's is followed up to a day`() {
    #expect(plan(.unreachable(reason: ""), attempts: 1, jitter: 1) == .retry(at: now + .seconds(330)))
    #expect(plan(.answered(status: 503, retryAfter: .seconds(600))) == .retry(at: now + .seconds(600)))
    #expect(plan(.answered(status: 503, retryAfter: .seconds(9_999_999))) == .retry(at: now + .seconds(24 * 3600)))
  }

  @Test func `after five days it ends: the delivery where others arrive, the receiver where none did`() {
    let days = Duration.seconds(5 * 24 * 3600)
    #expect(
      plan(.unreachable(reason: ""), attempts: 9, firstAttempt: days, failingFor: .seconds(60))
        == .giveUp(reason: "Every attempt at this event has failed for five days."))
    #expect(
      plan(.unreachable(reason: ""), attempts: 9, firstAttempt: days, failingFor: days)
        == .disable(reason: "Every attempt has failed for five days."))
    #expect(
      plan(.unreachable(reason: ""), attempts: 8, firstAttempt: days - .seconds(1), failingFor: days)
        == .retry(at: now + .seconds(24 * 3600)))
  }

  @Test func `a message that Slack refuses is given up, once it is known which`() {
    let refused = WebhookReply.answered(status: 400, retryAfter: nil)
    #expect(plan(refused, format: .slack) == .giveUp(reason: "Slack answered 400: it refuses this message."))
    #expect(plan(refused, format: .slack, isAlone: false) == .separate)
  }

  @Test(arguments: [403, 404, 500]) func `what may be put right at Slack is tried again`(status: Int) {
    #expect(plan(.answered(status: status, retryAfter: nil), format: .slack) == .retry(at: now + .seconds(5)))
  }

  @Test func `a receiver is called again within a quarter of an hour, or when it asks for it`() {
    func probe(_ reply: WebhookReply) -> Timestamp {
      let webhook = Webhook(
        id: ID(at: now), url: "https://a.example", format: .slack, types: EventTypes(), createdAt: now)
      let event = FleetEvent(type: "job.failed", subject: "a", at: now)
      let delivery = Delivery(
        id: ID(at: now), webhookID: webhook.id, number: 1, lane: "",
        event: RecordedEvent(position: 1, sequence: 1, event: event), createdAt: now)
      return DeliveryPlan(for: delivery, isAlone: true, to: webhook, after: reply, now: now, jitter: 0).probeBy
    }
    #expect(probe(.unreachable(reason: "")) == now + .seconds(900))
    #expect(probe(.answered(status: 503, retryAfter: .seconds(60))) == now + .seconds(900))
    #expect(probe(.answered(status: 503, retryAfter: .seconds(3600))) == now + .seconds(3600))
  }

  @Test func `who is disabled for failing is owed what comes, and nobody the news of their own failing`() {
    var webhook = Webhook(
      id: ID(at: now), url: "https://a.example", format: .cloudevents, types: EventTypes(), createdAt: now)
    let event = FleetEvent(type: "job.failed", subject: "a", at: now)
    #expect(webhook.isOwed(event))
    #expect(!webhook.isOwed(FleetEvent(type: "webhook.delivery_failed", subject: webhook.id.rawValue, at: now)))
    #expect(webhook.isOwed(FleetEvent(type: "webhook.delivery_failed", subject: "whk_other", at: now)))
    webhook.isEnabled = false
    #expect(!webhook.isOwed(event))
    webhook.disabledReason = "gone"
    #expect(webhook.isOwed(event))
    webhook.types = EventTypes(["instance.*"])
    #expect(!webhook.isOwed(event))
  }

  @Test func `a receiver is left alone for longer the longer it fails, and five minutes at most`() {
    #expect(ReceiverPause.after(failures: 2) == .zero)
    #expect(ReceiverPause.after(failures: 3) == .seconds(5))
    #expect(ReceiverPause.after(failures: 4) == .seconds(10))
    #expect(ReceiverPause.after(failures: 1000) == .seconds(300))
  }

  @Test(arguments: [
    ("job.*", "job.failed", true), ("job.*", "jobs.failed", false), ("*", "a.b", true),
    ("job.failed", "job.failed", true), ("job.failed", "job.failed.twice", false), ("job.*", "job.", false),
  ])
  func `patterns of types`(pattern: String, type: String, matches: Bool) {
    #expect(EventTypes([pattern]).include(type, for: .cloudevents) == matches)
  }

  @Test func `no pattern means all for a program and what people read for Slack`() {
    #expect(EventTypes().include("instance.loading_to_running", for: .cloudevents))
    #expect(!EventTypes().include("instance.loading_to_running", for: .slack))
    #expect(EventTypes().include("budget.exceeded", for: .slack))
  }

  @Test(arguments: [
    ("*", true), ("job.*", true), ("job.failed", true), ("instance.running_to_exited", true), ("job", false),
    ("", false), ("Job.failed", false), ("job.*.x", false), ("job.", false), ("*.failed", false), ("a b.c", false),
  ])
  func `what can be a pattern`(text: String, isPattern: Bool) {
    #expect(EventTypes.isPattern(text) == isPattern)
  }
}
