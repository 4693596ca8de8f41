/// A lifecycle as data: which event moves which state where. Can be looked up, drawn and tested.
package struct TransitionTable<State: Hashable & Sendable, Event: Hashable & Sendable>: Sendable {
  package struct Transition: Sendable, Hashable {
    package let from: State
    package let event: Event
    package let to: State

    package init(_ from: State, on event: Event, to: State) {
      self.from = from
      self.event = event
      self.to = to
    }
  }

  package let transitions: [Transition]

  package init(_ transitions: [Transition]) {
    self.transitions = transitions
  }

  package func destination(from state: State, on event: Event) -> State? {
    transitions.first { $0.from == state && $0.event == event }?.to
  }
}

/// A move that the table does not have: a fault in our own logic or a lost race, never a caller's doing.
package struct IllegalTransition: Error, Hashable {
  package let from: String
  package let event: String

  package init(from: String, event: String) {
    self.from = from
    self.event = event
  }
}

/// Why something did not work, in words that callers and dashboards can rely on.
package struct Failure: Sendable, Hashable {
  /// A stable word in snake_case: `no_offers`, `ssh_timeout`, `command_failed` …
  package var code: String
  /// A sentence for people: what happened and what to do about it. Holds no secret.
  package var detail: String
  /// Whether the same request may succeed later without a change.
  package var isRetryable: Bool

  package init(code: String, detail: String, isRetryable: Bool = false) {
    self.code = code
    self.detail = detail
    self.isRetryable = isRetryable
  }
}
