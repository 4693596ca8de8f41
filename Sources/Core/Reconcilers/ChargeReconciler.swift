package import Domain
package import Logging
package import Store

/// Holds the ledger against what the provider charged, day by day: adds the traffic, corrects what fell while nobody looked, and
/// tells of every other difference.
package struct ChargeReconciler: Reconciler {
  package let name = "charges"

  let store: Store
  private let marketplace: any Marketplace
  let counted: @Sendable (FleetEvent) -> Void
  let now: @Sendable () -> Timestamp
  let logger: Logger

  /// - Parameter counted: told each event that was recorded.
  package init(
    store: Store, marketplace: any Marketplace, counted: @escaping @Sendable (FleetEvent) -> Void = { _ in },
    now: @escaping @Sendable () -> Timestamp, logger: Logger
  ) {
    self.store = store
    self.marketplace = marketplace
    self.counted = counted
    self.now = now
    self.logger = logger
  }

  package func activate() async -> Outcome {
    var outcome = Outcome()
    do throws(StoreError) {
      var failure: Failure?
      for day in try dueDays() {
        let charges: [MarketCharge]
        do throws(MarketplaceError) {
          charges = try await marketplace.charges(from: day, to: day.nextMidnight)
        } catch {
          if error == .cancelled { return outcome }
          outcome.failures += 1
          logger.warning("charges not read", metadata: ["day": "\(day.date)", "code": "\(error.code)"])
          failure = failure ?? Failure(code: error.code, detail: error.detail, isRetryable: error.isTransient)
          if error.concernsOneDay { continue } else { break }
        }
        let done = try await reconcile(charges, of: day)
        outcome.examined += done.examined
        outcome.changed += done.changed
      }
      try await note(failure)
    } catch {
      logger.error("charges cannot be recorded", metadata: ["error": "\(error)"])
      outcome.failures += 1
    }
    return outcome
  }

  /// None before anything was rented.
  private func dueDays() throws(StoreError) -> [Timestamp] {
    let now = now()
    return try store.read { (r) throws(StoreError) in
      guard let first = try r.firstInstanceAt() else { return [] }
      return try r.chargeProgress().dueDays(since: first, now: now)
    }
  }

  private func note(_ failure: Failure?) async throws(StoreError) {
    try await store.write { [now] (tx) throws(StoreError) in
      var progress = try tx.chargeProgress()
      if failure == nil { progress.lastRunAt = now() }
      progress.failure = failure
      try tx.keep(progress)
    }
  }
}

extension MarketplaceError {
  /// It says something about the day that was asked for, and nothing about whether another one can be had.
  fileprivate var concernsOneDay: Bool {
    switch self {
    case .refused, .notFound, .malformedAnswer: true
    case .unauthorized, .insufficientCredit, .offerTaken, .createdUnusable, .startQueued, .rateLimited, .quotaExceeded,
      .unavailable, .circuitOpen, .unknownOutcome, .cancelled:
      false
    }
  }
}
