package import Domain
import Locking
package import Telemetry

/// What is known of how Vast answers: the metrics of the calls, and the picture of it that `/health` shows.
package final class CallRecord: Sendable {
  private let metrics: Metrics
  private let now: @Sendable () -> Timestamp
  private let state = Locked(ProviderStatus())

  package init(metrics: Metrics, now: @escaping @Sendable () -> Timestamp) {
    self.metrics = metrics
    self.now = now
  }

  package var status: ProviderStatus { state.withLock { $0 } }

  /// One request, as the client saw it: its HTTP status, or nil when no answer came. A list is several.
  package func requestEnded(_ operation: MarketplaceOperation, status: Int?, duration: Duration) {
    metrics.vastRequests.counter(operation.rawValue, status.map { String($0) } ?? "error").increment()
    metrics.vastRequestDuration.histogram(operation.rawValue).observe(duration)
    if status != nil { state.withLock { $0.latency = duration } }
  }

  /// One call, by what it came to; nil is a success.
  func callEnded(_ operation: MarketplaceOperation, _ failure: MarketplaceError?) {
    switch failure {
    // Our own giving up says nothing about Vast.
    case .cancelled: return
    case let failure?: metrics.vastErrors.counter(operation.rawValue, failure.code).increment()
    case nil: break
    }
    switch failure {
    case .unauthorized, .unavailable, .unknownOutcome, .malformedAnswer:
      state.withLock { state in
        state.error = failure.map { Failure(code: $0.code, detail: $0.detail, isRetryable: $0.isTransient) }
      }
    // A clear no is a good answer.
    case nil, .insufficientCredit, .offerTaken, .createdUnusable, .startQueued, .notFound, .refused:
      let now = now()
      state.withLock { state in
        state.lastSuccessAt = now
        if operation.needsKey || state.error?.code != Self.unauthorizedCode { state.error = nil }
      }
    // Vast is there, and busy: neither better nor worse than before.
    case .rateLimited, .quotaExceeded, .circuitOpen, .cancelled: break
    }
  }

  private static let unauthorizedCode = MarketplaceError.unauthorized(detail: "").code
}

extension MarketplaceOperation {
  /// Whether a success shows that the key is good. Offers are shown to anybody.
  fileprivate var needsKey: Bool { self != .searchOffers && self != .gpuNames }
}
