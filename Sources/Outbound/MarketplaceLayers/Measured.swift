package import Domain
package import Telemetry

/// Counts calls that failed by what the failure means. How often Vast was asked, with which status and how long it took, only
/// the client knows, since a list is several requests: `observer` is for it.
package struct Measured: MarketplaceLayer {
  package let inner: any Marketplace
  private let metrics: Metrics

  package init(_ inner: any Marketplace, metrics: Metrics) {
    self.inner = inner
    self.metrics = metrics
  }

  package func around<Answer: Sendable>(
    _ operation: MarketplaceOperation, _ call: @Sendable () async throws(MarketplaceError) -> Answer
  ) async throws(MarketplaceError) -> Answer {
    do {
      return try await call()
    } catch {
      // Our own giving up says nothing about Vast.
      if error != .cancelled { metrics.vastErrors.counter(operation.rawValue, error.code).increment() }
      throw error
    }
  }

  /// To be told of each request: its HTTP status, or nil when no answer came, and its duration.
  package static func observer(
    _ metrics: Metrics
  ) -> @Sendable (MarketplaceOperation, _ status: Int?, Duration) -> Void {
    { operation, status, duration in
      metrics.vastRequests.counter(operation.rawValue, status.map { String($0) } ?? "error").increment()
      metrics.vastRequestDuration.histogram(operation.rawValue).observe(duration)
    }
  }
}
