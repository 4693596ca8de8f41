/// Whether calls to the provider are made: all of them, none, or one to see whether it answers again. Raw values are served.
package enum CircuitState: String, Sendable, Hashable, CaseIterable {
  case closed
  case open
  case halfOpen = "half_open"

  /// As the gauge shows it: worse is more.
  package var level: Double {
    switch self {
    case .closed: 0
    case .halfOpen: 1
    case .open: 2
    }
  }
}

/// How the provider answers, for `/health`. Kept by the layer that measures calls.
package struct ProviderStatus: Sendable, Hashable {
  /// Of the last call that was answered.
  package var latency: Duration?
  package var lastSuccessAt: Timestamp?
  /// Nil when the last call went well.
  package var error: Failure?
  package var circuit: CircuitState

  package init(
    latency: Duration? = nil, lastSuccessAt: Timestamp? = nil, error: Failure? = nil, circuit: CircuitState = .closed
  ) {
    self.latency = latency
    self.lastSuccessAt = lastSuccessAt
    self.error = error
    self.circuit = circuit
  }
}

/// How the shared poll of the instance list goes, for `/health`.
package struct PollerStatus: Sendable, Hashable {
  /// When the last complete list was asked for.
  package var lastPollAt: Timestamp?
  /// The interval that applies now.
  package var interval: Duration
  package var error: Failure?

  package init(lastPollAt: Timestamp? = nil, interval: Duration, error: Failure? = nil) {
    self.lastPollAt = lastPollAt
    self.interval = interval
    self.error = error
  }
}
