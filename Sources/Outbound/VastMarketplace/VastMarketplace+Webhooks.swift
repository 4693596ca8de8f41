package import Domain
import JSON

extension VastMarketplace {
  /// Vast shows a secret once, when a webhook is made or its secret is rotated. So one that is there already, as after a lost
  /// answer, gets a new secret, and no second one is made of the four that an account may have.
  package func registerWebhook(url: String) async throws(MarketplaceError) -> MarketWebhook {
    let list = try await translated(.registerWebhook) { () async throws(VastError) in
      try await client.webhooks().accepted()
    }
    guard let rows = list["webhooks"]?.asItems ?? list.asItems else {
      throw .malformedAnswer(detail: "no list of webhooks")
    }
    let present = rows.first { ($0["webhook_url"] ?? $0["url"])?.asText == url }?["id"]?.asInteger
    try await turn(.registerWebhook)
    let answer = try await translated(.registerWebhook) { () async throws(VastError) in
      if let present { return try await client.rotateWebhookSecret(present).accepted() }
      return try await client.addWebhook(url, MarketWebhook.eventTypes).accepted()
    }
    let made = answer["webhook"] ?? answer
    guard let secret = made["webhook_secret"]?.asText ?? made["secret"]?.asText, secret.utf8.count >= 16 else {
      throw .malformedAnswer(detail: "a webhook without its secret")
    }
    return MarketWebhook(url: url, secret: secret)
  }
}
