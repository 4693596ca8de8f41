/// Where the provider sends notifications of its own, and the key that signs them.
package struct MarketWebhook: Sendable, Hashable {
  package var url: String
  package var secret: String

  package init(url: String, secret: String) {
    self.url = url
    self.secret = secret
  }

  /// What is worth a look: whatever may have changed the state of an instance.
  package static let eventTypes = [
    "client:instance_created", "client:instance_started", "client:instance_stopped", "client:instance_resumed",
    "client:instance_deleted", "client:instance_offline", "client:instance_online", "client:outbid",
  ]
}
