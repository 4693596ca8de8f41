/// One event on its way to one receiver.
package struct Delivery: Sendable, Hashable, Identified {
  package static let idPrefix = "dlv"

  package var id: ID<Delivery>
  package var webhookID: ID<Webhook>
  /// Deliveries of one lane are made in the order of their numbers.
  package var number: Int64
  package var lane: String
  package var event: RecordedEvent
  package var state: DeliveryState
  package var attempts: Int
  /// Nil while an earlier one of its lane is under way, and once it is over.
  package var nextAttemptAt: Timestamp?
  package var firstAttemptAt: Timestamp?
  package var lastAttemptAt: Timestamp?
  /// What the receiver last answered; nil when it did not.
  package var lastStatus: Int?
  /// Why the last attempt was none, in words.
  package var lastError: String?
  package var createdAt: Timestamp

  package init(
    id: ID<Delivery>, webhookID: ID<Webhook>, number: Int64, lane: String, event: RecordedEvent, createdAt: Timestamp
  ) {
    self.id = id
    self.webhookID = webhookID
    self.number = number
    self.lane = lane
    self.event = event
    self.createdAt = createdAt
    state = .pending
    attempts = 0
  }

  /// Whether it was part of a call that was refused as a whole: its next one holds nothing else, so that it suffers for no other.
  package var goesAlone: Bool { lastStatus == 400 }
}

/// Raw values are stored and served.
package enum DeliveryState: String, Sendable, Hashable, CaseIterable {
  case pending
  case delivered
  /// Given up: refused for good, or for days. Can be replayed.
  case failed
}

/// One call to a receiver: an event, or several where its format can hold them.
package struct WebhookMessage: Sendable {
  package var webhook: Webhook
  package var events: [RecordedEvent]
  package var attemptedAt: Timestamp

  package init(webhook: Webhook, events: [RecordedEvent], attemptedAt: Timestamp) {
    self.webhook = webhook
    self.events = events
    self.attemptedAt = attemptedAt
  }
}

/// What came of a call to a receiver.
package enum WebhookReply: Sendable, Hashable {
  /// An answer, whatever its status; `retryAfter` as the receiver asks for.
  case answered(status: Int, retryAfter: Duration?)
  /// No answer: no such name, no connection, a broken one, or none in time.
  case unreachable(reason: String)
  /// Never sent: it leads to an address where webhooks must not go.
  case forbiddenAddress(reason: String)
}
