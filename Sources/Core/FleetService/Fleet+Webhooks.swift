package import Domain
import Locking
import Store

/// What a new receiver is to be.
package struct WebhookRequest: Sendable, Hashable {
  package var url: String
  package var format: WebhookFormat
  package var types: EventTypes
  /// Nil: one is made by chance, where the format has one.
  package var secret: WebhookSecret?

  package init(url: String, format: WebhookFormat, types: EventTypes, secret: WebhookSecret?) {
    self.url = url
    self.format = format
    self.types = types
    self.secret = secret
  }
}

/// What is to change of a receiver; nil stays.
package struct WebhookChanges: Sendable, Hashable {
  package var url: String?
  package var types: EventTypes?
  package var isEnabled: Bool?
  /// The new key; the present one signs beside it for a day.
  package var secret: WebhookSecret?

  package init() {}
}

extension Fleet {
  /// Each may have eight calls under way and a queue in the store.
  package static let maximumWebhooks = 50
  /// How long the former key goes on signing after a rotation: a day to bring the new one out.
  package static let secretOverlap = Duration.seconds(24 * 3600)

  package func webhooks() throws(FleetError) -> [Webhook] {
    try read { (r) throws(StoreError) in try r.webhooks() }
  }

  package func webhook(_ id: ID<Webhook>) throws(FleetError) -> Webhook {
    guard let webhook = try read({ (r) throws(StoreError) in try r.webhook(id) }) else {
      throw .notFound(what: "webhook")
    }
    return webhook
  }

  package func createWebhook(
    _ request: WebhookRequest, idempotency: IdempotentRequest<Webhook>?
  ) async throws(FleetError) -> Creation<Webhook> {
    let now = now()
    return try await create(idempotency) { (tx) throws(StoreError) in
      guard try tx.webhooks().count < Self.maximumWebhooks else {
        return .failure(
          .conflict(
            code: "too_many_webhooks", detail: "There are \(Self.maximumWebhooks) webhooks already; delete one first."))
      }
      var webhook = Webhook(
        id: ID(at: now), url: request.url, format: request.format, types: request.types, createdAt: now)
      if request.format == .cloudevents { webhook.secret = request.secret ?? .random() }
      try tx.insert(webhook)
      return .success(webhook)
    }
  }

  package func update(_ id: ID<Webhook>, _ changes: WebhookChanges) async throws(FleetError) -> Webhook {
    let now = now()
    let webhook = try await change(id) { (tx, webhook) throws(StoreError) in
      let before = webhook
      if let url = changes.url { webhook.url = url }
      if let types = changes.types { webhook.types = types }
      if let secret = changes.secret {
        webhook.formerSecret = webhook.secret
        webhook.formerSecretUntil = now + Self.secretOverlap
        webhook.secret = secret
      }
      if let isEnabled = changes.isEnabled, isEnabled != webhook.isEnabled {
        webhook.isEnabled = isEnabled
        webhook.disabledReason = nil
        webhook.failingSince = nil
      }
      // Whatever made it fail may be put right by any of these: what waits goes at once, and has all its time.
      guard (webhook.url, webhook.secret) != (before.url, before.secret) || (webhook.isEnabled && !before.isEnabled)
      else { return }
      webhook.failingSince = nil
      try tx.renewDeliveries(of: id)
    }
    eventNews.raise()
    return webhook
  }

  package func deleteWebhook(_ id: ID<Webhook>) async throws(FleetError) {
    try refuseConfigured(try webhook(id))
    guard try await write({ (tx) throws(StoreError) in try tx.delete(webhook: id) }) else {
      throw .notFound(what: "webhook")
    }
  }

  /// Sends an event `webhook.test` to this receiver alone, also to one that did not ask for its type.
  package func testWebhook(_ id: ID<Webhook>) async throws(FleetError) -> Delivery {
    let event = FleetEvent(
      type: "webhook.test", subject: id.rawValue, at: now(), data: ["webhook_id": .text(id.rawValue)])
    return try await enqueue(for: id) { (tx, webhook) throws(StoreError) in
      .success(try tx.append(event, onlyFor: webhook))
    }
  }

  /// Newest first.
  package func deliveries(
    of id: ID<Webhook>, state: DeliveryState?, _ page: PageRequest
  ) throws(FleetError) -> Page<Delivery> {
    _ = try webhook(id)
    return try read { (r) throws(StoreError) in try r.deliveries(of: id, state: state, page) }
  }

  /// Sends an event again, at the end of what waits for the same subject: a delivery of its own.
  package func replay(_ delivery: ID<Delivery>, of id: ID<Webhook>) async throws(FleetError) -> Delivery {
    let new = try await enqueue(for: id) { (tx, webhook) throws(StoreError) in
      guard let old = try tx.delivery(delivery), old.webhookID == id else {
        return .failure(.notFound(what: "delivery"))
      }
      guard old.state != .pending else {
        return .failure(
          .conflict(code: "delivery_pending", detail: "The delivery is still on its way; it needs no replay."))
      }
      return .success(try tx.enqueue(old.event, for: webhook))
    }
    eventNews.raise()
    return new
  }

  /// Makes a delivery to a receiver that is there and enabled when it is made.
  private func enqueue(
    for id: ID<Webhook>,
    _ body: @escaping @Sendable (StoreTransaction, Webhook) throws(StoreError) -> Result<ID<Delivery>, FleetError>
  ) async throws(FleetError) -> Delivery {
    let result = try await write { (tx) throws(StoreError) -> Result<Delivery, FleetError> in
      guard let webhook = try tx.webhook(id) else { return .failure(.notFound(what: "webhook")) }
      guard webhook.isEnabled else { return .failure(.disabled(webhook)) }
      switch try body(tx, webhook) {
      case .failure(let error): return .failure(error)
      case .success(let id):
        guard let delivery = try tx.delivery(id) else { return .failure(.notFound(what: "delivery")) }
        return .success(delivery)
      }
    }
    return try result.get()
  }

  /// Of the webhook that Vast calls; nil when none is registered.
  package func vastWebhookSecret() throws(FleetError) -> String? {
    try read { (r) throws(StoreError) in try r.marketWebhook()?.secret }
  }

  /// Has the next list of instances come as soon as Vast's pace allows.
  package func lookSooner() { connections.lookSooner() }

  package func moment() -> Timestamp { now() }

  private func change(
    _ id: ID<Webhook>,
    _ body: @escaping @Sendable (StoreTransaction, inout Webhook) throws(StoreError) -> Void
  ) async throws(FleetError) -> Webhook {
    let result = try await write { (tx) throws(StoreError) -> Result<Webhook, FleetError> in
      guard var webhook = try tx.webhook(id) else { return .failure(.notFound(what: "webhook")) }
      if webhook.isConfigured { return .failure(.configuredWebhook) }
      let before = webhook
      try body(tx, &webhook)
      if webhook != before { _ = try tx.update(&webhook) }
      return .success(webhook)
    }
    return try result.get()
  }

  private func refuseConfigured(_ webhook: Webhook) throws(FleetError) {
    if webhook.isConfigured { throw .configuredWebhook }
  }
}

extension FleetError {
  fileprivate static func disabled(_ webhook: Webhook) -> FleetError {
    let advice = webhook.isConfigured ? "a restart of vastd enables it" : "enable it first, by PATCH with enabled: true"
    return .conflict(code: "webhook_disabled", detail: "The webhook is disabled; \(advice).")
  }

  fileprivate static let configuredWebhook = FleetError.conflict(
    code: "webhook_configured", detail: "This webhook is set by VASTD_SLACK_WEBHOOK_URL; change it there.")
}
