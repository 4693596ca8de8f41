package import Domain
package import Store

/// The Slack channel that the configuration names, as a webhook among the others: made, changed and taken away with it.
package enum ConfiguredWebhook {
  /// True when something was changed. What waited for a channel that is not configured any more goes with it.
  package static func settle(url: String?, in store: Store, at now: Timestamp) async throws(StoreError) -> Bool {
    try await store.write { (tx) throws(StoreError) -> Bool in
      let present = try tx.webhooks().first { $0.isConfigured }
      switch (present, url) {
      case (nil, nil): return false
      case (let old?, nil): return try tx.delete(webhook: old.id)
      case (nil, let url?):
        var webhook = Webhook(id: ID(at: now), url: url, format: .slack, types: EventTypes(), createdAt: now)
        webhook.isConfigured = true
        try tx.insert(webhook)
        return true
      case (var webhook?, let url?):
        guard webhook.url != url || !webhook.isEnabled else { return false }
        // A start is the way to enable it again: nothing else can.
        webhook.url = url
        webhook.isEnabled = true
        webhook.disabledReason = nil
        webhook.failingSince = nil
        try tx.renewDeliveries(of: webhook.id)
        return try tx.update(&webhook)
      }
    }
  }
}
