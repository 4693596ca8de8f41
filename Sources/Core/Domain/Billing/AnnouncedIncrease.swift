/// A price increase that a host has announced for an instance of ours: the row in the store.
package struct AnnouncedIncrease: Sendable, Hashable, Identified {
  package static let idPrefix = "inc"

  /// Raw values are stored and served.
  package enum Answer: String, Sendable, Hashable, CaseIterable {
    case accepted
    case refused
  }

  package let id: ID<AnnouncedIncrease>
  package let instanceID: ID<Instance>
  /// The job of that instance, as its own row says; no part of this one.
  package var jobID: ID<Job>?
  /// As the provider listed it last.
  package var terms: PriceIncrease
  /// What the whole instance costs by the hour before and after; nil while that cannot be told.
  package var pricePerHour: PriceIncrease.Change<Money>?
  package let firstSeenAt: Timestamp
  /// Whether the last list held it. One that it lacks may wait all the same: the provider does not list all at once.
  package var isListed = true
  /// When a call left that was to accept, or to refuse, and may have been heard. Beside an `answer` they say no more than it.
  package private(set) var asked: [Answer: Timestamp] = [:]
  /// What the provider took from us.
  package private(set) var answer: Answer?
  package private(set) var answeredAt: Timestamp?
  /// Since when it waits for nothing: answered, over, or its instance is gone.
  package private(set) var closedAt: Timestamp?

  package init(
    id: ID<AnnouncedIncrease>, instanceID: ID<Instance>, jobID: ID<Job>?, terms: PriceIncrease, firstSeenAt: Timestamp
  ) {
    self.id = id
    self.instanceID = instanceID
    self.jobID = jobID
    self.terms = terms
    self.firstSeenAt = firstSeenAt
  }

  package var isOpen: Bool { closedAt == nil }

  /// Whether a call of ours may have answered it, and nobody knows.
  package var isInDoubt: Bool { answer == nil && !asked.isEmpty }

  /// Before the call leaves.
  package mutating func ask(_ answer: Answer, at moment: Timestamp) { asked[answer] = moment }

  /// The call surely changed nothing: as if it had not left.
  package mutating func takeBack(_ answer: Answer, to earlier: Timestamp?) { asked[answer] = earlier }

  package mutating func take(_ answer: Answer, at moment: Timestamp) {
    self.answer = answer
    answeredAt = moment
    close(at: moment)
  }

  package mutating func close(at moment: Timestamp) { closedAt = closedAt ?? moment }

  /// Takes over what a list said of it. Nil: the list lacked it.
  package mutating func observe(_ listed: PriceIncrease?, on instance: MarketInstance?) {
    isListed = listed != nil
    guard let listed else { return }
    terms = listed
    // Where the old price was known it stays: at the end of the term the instance costs the new one already.
    if pricePerHour == nil { pricePerHour = instance.flatMap(listed.pricePerHour) }
  }

  /// Whether it can be answered no more: its term has ended, and the list agrees. Where the provider tells no end nothing does.
  package func isOver(at moment: Timestamp) -> Bool {
    guard !isListed, let deadline = terms.deadline else { return false }
    return deadline <= moment
  }

  /// For the store, which reads back what the above once produced.
  package mutating func restore(
    asked: [Answer: Timestamp], answer: Answer?, answeredAt: Timestamp?, closedAt: Timestamp?
  ) {
    self.asked = asked
    self.answer = answer
    self.answeredAt = answeredAt
    self.closedAt = closedAt
  }
}

/// Which announced increases a reader wants.
package enum PriceIncreaseFilter: String, Sendable, Hashable, CaseIterable {
  /// Those that wait for an answer.
  case open
  case all
}

extension AnnouncedIncrease {
  /// The event that tells of it for the first time.
  package func announcedEvent(label: String, at moment: Timestamp) -> FleetEvent {
    var facts = facts
    facts["label"] = .text(label)
    facts.note("price_per_hour_usd", pricePerHour?.old)
    facts.note("new_price_per_hour_usd", pricePerHour?.new)
    facts.note("deadline", terms.deadline?.rfc3339)
    return event("billing.price_increase", facts, at: moment)
  }

  /// The event that it no longer waits. Without `answer` it is over, or was answered in a way that nobody knows: `in_doubt`.
  package func closedEvent(at moment: Timestamp) -> FleetEvent {
    var facts = facts
    facts.note("answer", answer?.rawValue)
    if isInDoubt { facts["in_doubt"] = .flag(true) }
    return event("billing.price_increase_closed", facts, at: moment)
  }

  private var facts: [String: EventFact] {
    ["price_increase_id": .text(id.rawValue), "provider_increase_id": .integer(terms.id.rawValue)]
  }

  private func event(_ type: String, _ facts: [String: EventFact], at moment: Timestamp) -> FleetEvent {
    FleetEvent(
      type: type, subject: instanceID.rawValue, instanceID: instanceID, jobID: jobID, at: moment, data: facts)
  }
}
