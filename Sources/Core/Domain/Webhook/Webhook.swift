/// Where events are sent, and how its receiver knows that they are ours.
package struct Webhook: Sendable, Hashable, Identified {
  package static let idPrefix = "whk"

  /// Events kept for one that was disabled for its failing, the newest: some days of a busy service, and some megabytes.
  package static let mostKept = 10_000

  package var id: ID<Webhook>
  /// Counts the writes of this row; a write with an old number is refused.
  package var version: Int64 = 0
  /// A credential where the format is Slack's: shown without its path then.
  package var url: String
  package var format: WebhookFormat
  package var types: EventTypes
  /// Nil for Slack, whose URL is the secret.
  package var secret: WebhookSecret?
  /// The one before a rotation, and until when it signs beside the new one.
  package var formerSecret: WebhookSecret?
  package var formerSecretUntil: Timestamp?
  /// Made from `VASTD_SLACK_WEBHOOK_URL`: follows the configuration and is not changed by callers.
  package var isConfigured = false
  package var isEnabled = true
  /// Why it was disabled when nobody asked for that.
  package var disabledReason: String?
  /// Since when every attempt has failed; nil while the last one succeeded or none was made.
  package var failingSince: Timestamp?
  package var createdAt: Timestamp

  package init(id: ID<Webhook>, url: String, format: WebhookFormat, types: EventTypes, createdAt: Timestamp) {
    self.id = id
    self.url = url
    self.format = format
    self.types = types
    self.createdAt = createdAt
  }

  /// Whether an event is kept for this receiver. One that was disabled for its failing gets later what it misses; one that its owner
  /// disabled asked for nothing. What tells of a receiver's own failing would come back as more of it.
  package func isOwed(_ event: FleetEvent) -> Bool {
    (isEnabled || disabledReason != nil) && types.include(event.type, for: format) && event.subject != id.rawValue
  }

  /// What signs a message at a moment, the newest first.
  package func signingSecrets(at moment: Timestamp) -> [WebhookSecret] {
    guard let secret else { return [] }
    guard let formerSecret, let formerSecretUntil, moment < formerSecretUntil else { return [secret] }
    return [secret, formerSecret]
  }

  /// The events whose order its receiver sees: of one subject each; a Slack channel reads one stream.
  package func lane(of subject: String) -> String { format == .slack ? "" : subject }
}

/// How an event is written for its receiver. Raw values are stored and served.
package enum WebhookFormat: String, Sendable, Hashable, CaseIterable {
  /// CloudEvents 1.0 in JSON, one event a call, signed by the Standard Webhooks scheme.
  case cloudevents
  /// Slack's Block Kit, several events a call when they come together.
  case slack

  /// How long the first event of a lane waits for others to go with it.
  package var gathering: Duration {
    switch self {
    case .cloudevents: .zero
    case .slack: .seconds(1)
    }
  }

  /// Events that one call can hold.
  package var eventsPerMessage: Int {
    switch self {
    case .cloudevents: 1
    case .slack: 20
    }
  }
}

/// The shared key of a webhook: 24 to 64 bytes. A secret.
package struct WebhookSecret: Sendable, Hashable {
  package static let prefix = "whsec_"
  package static let lengths = 24...64

  package let bytes: [UInt8]

  package init?(_ bytes: [UInt8]) {
    guard Self.lengths.contains(bytes.count) else { return nil }
    self.bytes = bytes
  }

  /// 32 bytes by chance.
  package static func random() -> WebhookSecret {
    var generator = SystemRandomNumberGenerator()
    return WebhookSecret((0..<32).map { _ in UInt8.random(in: 0...255, using: &generator) })!
  }
}
