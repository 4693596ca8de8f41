/// How the provider answers, for `/health`. Kept by the layer that measures calls.
package struct ProviderStatus: Sendable, Hashable {
  /// Of the last call that was answered.
  package var latency: Duration?
  package var lastSuccessAt: Timestamp?
  /// Nil when the last call went well.
  package var error: Failure?

  package init(latency: Duration? = nil, lastSuccessAt: Timestamp? = nil, error: Failure? = nil) {
    self.latency = latency
    self.lastSuccessAt = lastSuccessAt
    self.error = error
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
