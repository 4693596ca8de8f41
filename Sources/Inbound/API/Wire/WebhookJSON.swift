import Domain
import EventFormats
import JSON

enum WebhookJSON {
  /// `secret`, when given, is shown: in the answer that made it and never again.
  static func render(_ webhook: Webhook, showing secret: WebhookSecret? = nil) -> [UInt8] {
    var writer = JSONWriter()
    writer.object { writer in
      writer.member("id", webhook.id)
      writer.member("url", webhook.shownURL)
      writer.member("format", webhook.format.rawValue)
      writer.array("types", webhook.types.patterns)
      writer.member("enabled", webhook.isEnabled)
      writer.member("disabled_reason", webhook.disabledReason)
      writer.member("failing_since", webhook.failingSince)
      writer.member("configured", webhook.isConfigured)
      writer.member("former_secret_until", webhook.formerSecretUntil)
      writer.member("created_at", webhook.createdAt)
      if let secret { writer.member("secret", secret.text) }
    }
    return writer.bytes
  }

  static func render(_ delivery: Delivery) -> [UInt8] {
    var writer = JSONWriter()
    writer.object { writer in
      writer.member("id", delivery.id)
      writer.member("webhook_id", delivery.webhookID)
      writer.member("event_id", delivery.event.event.id)
      writer.member("event_type", delivery.event.event.type)
      writer.member("subject", delivery.event.event.subject)
      writer.member("sequence", delivery.event.sequence)
      writer.member("state", delivery.state.rawValue)
      writer.member("attempts", delivery.attempts)
      writer.member("next_attempt_at", delivery.nextAttemptAt)
      writer.member("last_attempt_at", delivery.lastAttemptAt)
      writer.member("last_status", delivery.lastStatus)
      writer.member("last_error", delivery.lastError)
      writer.member("created_at", delivery.createdAt)
    }
    return writer.bytes
  }
}

extension Webhook {
  /// Slack's URL is a credential: its host is enough to know it by.
  var shownURL: String {
    guard format == .slack, let slashes = url.startOfAuthority else { return url }
    return url[..<slashes] + url[slashes...].prefix { $0 != "/" && $0 != "?" } + "/…"
  }
}

extension String {
  /// Where the authority of a URL begins.
  fileprivate var startOfAuthority: Index? {
    var previous: Character?
    for index in indices {
      if self[index] == "/", previous == "/" { return self.index(after: index) }
      previous = self[index]
    }
    return nil
  }
}
