package import Domain
import Locking

/// Lets no call through to a provider that does not answer, see `Circuit`. A call that is refused here was never sent: a
/// refused `create` surely rented nothing.
package struct CircuitBreaking: MarketplaceLayer {
  package let inner: any Marketplace
  private let breaker: CircuitBreaker

  package init(_ inner: any Marketplace, breaker: CircuitBreaker) {
    self.inner = inner
    self.breaker = breaker
  }

  package func around<Answer: Sendable>(
    _ operation: MarketplaceOperation, _ call: @Sendable () async throws(MarketplaceError) -> Answer
  ) async throws(MarketplaceError) -> Answer {
    let ticket = try breaker.admit(operation)
    do {
      let answer = try await call()
      breaker.note(.reached, of: ticket)
      return answer
    } catch {
      breaker.note(Circuit.Evidence(error), of: ticket)
      throw error
    }
  }
}

/// The one circuit of a provider, shared by everything that calls it.
package final class CircuitBreaker: Sendable {
  private let timeline: Timeline
  private let changed: @Sendable () -> Void
  private let circuit = Locked(Circuit())

  /// `changed` is told when the circuit has opened or closed.
  package init(clock: any Clock<Duration> = ContinuousClock(), changed: @escaping @Sendable () -> Void = {}) {
    timeline = Timeline(clock)
    self.changed = changed
  }

  package var state: CircuitState {
    let now = timeline.elapsed()
    return circuit.withLock { $0.state(at: now) }
  }

  func admit(_ operation: MarketplaceOperation) throws(MarketplaceError) -> Circuit.Ticket {
    let now = timeline.elapsed()
    switch circuit.withLock({ $0.admit(operation, at: now) }) {
    case .passes(let ticket): return ticket
    case .refused(let retryAfter): throw .circuitOpen(retryAfter: retryAfter)
    }
  }

  func note(_ evidence: Circuit.Evidence, of ticket: Circuit.Ticket) {
    let now = timeline.elapsed()
    if circuit.withLock({ $0.note(evidence, of: ticket, at: now) }) { changed() }
  }
}

extension Circuit.Evidence {
  fileprivate init(_ failure: MarketplaceError) {
    switch failure {
    case .unavailable, .unknownOutcome, .malformedAnswer: self = .failed
    case .unauthorized, .insufficientCredit, .offerTaken, .createdUnusable, .startQueued, .notFound, .refused:
      self = .reached
    // Often our own lane speaking, without a call.
    case .rateLimited, .quotaExceeded, .circuitOpen, .cancelled: self = .nothing
    }
  }
}
