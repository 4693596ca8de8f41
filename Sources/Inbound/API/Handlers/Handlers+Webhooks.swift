import Domain
import FleetService
import HTTPServer

extension Handlers {
  /// The secret is in this answer and in no other, also not when the same request is answered again by its key.
  func createWebhook(_ call: Call) async throws(APIError) -> Response {
    try refuseQuery(call)
    let key = try call.idempotencyKey(.createWebhook)
    let request = try WebhookInput.request(call.body, allowsPrivate: configuration.allowsPrivateWebhooks)
    let kept: @Sendable (Webhook) -> StoredAnswer = { Self.created($0, body: WebhookJSON.render($0)) }
    let creation = try await asking { () async throws(FleetError) in
      try await fleet.createWebhook(request, idempotency: key.map { IdempotentRequest(key: $0, encode: kept) })
    }
    return created(creation, call) { webhook in
      Self.created(webhook, body: WebhookJSON.render(webhook, showing: webhook.secret))
    }
  }

  private static func created(_ webhook: Webhook, body: [UInt8]) -> StoredAnswer {
    StoredAnswer(status: 201, location: "/v1/webhooks/\(webhook.id)", body: body)
  }

  /// All of them: there are at most fifty.
  func listWebhooks(_ call: Call) throws(APIError) -> Response {
    try refuseQuery(call)
    let webhooks = try asking { () throws(FleetError) in try fleet.webhooks() }
    return call.json(ListJSON.page(webhooks.reversed().map { WebhookJSON.render($0) }, next: nil))
  }

  func getWebhook(_ call: Call) throws(APIError) -> Response {
    try refuseQuery(call)
    let id = try id(call, Webhook.self)
    return call.json(WebhookJSON.render(try asking { () throws(FleetError) in try fleet.webhook(id) }))
  }

  func updateWebhook(_ call: Call) async throws(APIError) -> Response {
    try refuseQuery(call)
    let id = try id(call, Webhook.self)
    let format = try asking { () throws(FleetError) in try fleet.webhook(id).format }
    let changes = try WebhookInput.changes(
      call.body, of: format, allowsPrivate: configuration.allowsPrivateWebhooks)
    let webhook = try await asking { () async throws(FleetError) in try await fleet.update(id, changes) }
    return call.json(WebhookJSON.render(webhook, showing: changes.secret))
  }

  func deleteWebhook(_ call: Call) async throws(APIError) -> Response {
    try refuseQuery(call)
    let id = try id(call, Webhook.self)
    try await asking { () async throws(FleetError) in try await fleet.deleteWebhook(id) }
    return Response(status: 204, headers: [("X-Request-Id", call.context.requestID)], context: call.context)
  }

  func testWebhook(_ call: Call) async throws(APIError) -> Response {
    try refuseQuery(call)
    let id = try id(call, Webhook.self)
    let delivery = try await asking { () async throws(FleetError) in try await fleet.testWebhook(id) }
    return call.json(WebhookJSON.render(delivery), status: 202)
  }

  func listDeliveries(_ call: Call) throws(APIError) -> Response {
    let id = try id(call, Webhook.self)
    var reader = try QueryReader(call.head)
    let state = try reader.choice("state", of: DeliveryState.self)
    let scope = "deliveries\nwebhook=\(id)\nstate=\(state?.rawValue ?? "")"
    let request = try reader.page(scope, cursors)
    let page = try asking { () throws(FleetError) in try fleet.deliveries(of: id, state: state, request) }
    let next = page.next.map { cursors.encode($0, scope: scope) }
    return call.json(ListJSON.page(page.items.map { WebhookJSON.render($0) }, next: next))
  }

  func replayDelivery(_ call: Call) async throws(APIError) -> Response {
    try refuseQuery(call)
    let id = try id(call, Webhook.self)
    let delivery = try part(call, Delivery.self)
    let replay = try await asking { () async throws(FleetError) in try await fleet.replay(delivery, of: id) }
    return call.json(WebhookJSON.render(replay), status: 202)
  }
}
