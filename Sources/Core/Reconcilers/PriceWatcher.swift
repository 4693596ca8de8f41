package import Domain
package import Logging
package import Store

/// Records what hosts ask for beyond the present term of a contract, once each, and closes what can be answered no more.
///
/// Only increases of instances that live rows of ours stand for are recorded: others are for their owners to see and answer.
/// The provider does not list all at once, so that absence alone closes nothing: the end of the term does, or of the instance.
package struct PriceWatcher: Reconciler {
  package let name = "prices"

  private let store: Store
  private let marketplace: any Marketplace
  private let observation: @Sendable () -> MarketObservation?
  private let counted: @Sendable (FleetEvent) -> Void
  private let now: @Sendable () -> Timestamp
  private let logger: Logger

  /// - Parameters:
  ///   - observation: the last list of instances, which knows their prices.
  ///   - counted: told each event that was recorded.
  package init(
    store: Store, marketplace: any Marketplace, observation: @escaping @Sendable () -> MarketObservation?,
    counted: @escaping @Sendable (FleetEvent) -> Void = { _ in }, now: @escaping @Sendable () -> Timestamp,
    logger: Logger
  ) {
    self.store = store
    self.marketplace = marketplace
    self.observation = observation
    self.counted = counted
    self.now = now
    self.logger = logger
  }

  package func activate() async -> Outcome {
    var outcome = Outcome()
    do throws(StoreError) {
      let (hasOpen, hasCandidates) = try store.read { (r) throws(StoreError) in
        (try !r.openPriceIncreases().isEmpty, try r.liveInstances().contains(where: \.canBeRaised))
      }
      guard hasOpen || hasCandidates else { return outcome }
      let listed = await list()
      if listed == nil { outcome.failures += 1 }
      let looked = try await record(listed)
      outcome.examined = looked.examined
      outcome.changed = looked.events.count
      for event in looked.events {
        counted(event)
        logger.notice("price increase", metadata: event.metadata)
      }
    } catch {
      logger.error("price increases cannot be recorded", metadata: ["error": "\(error)"])
      outcome.failures += 1
    }
    return outcome
  }

  private func list() async -> [PriceIncrease]? {
    do throws(MarketplaceError) {
      return try await marketplace.priceIncreases()
    } catch {
      logger.warning("price increases not read", metadata: ["code": "\(error.code)", "error": "\(error.detail)"])
      return nil
    }
  }

  /// One transaction, so that what is compared holds still. Nil: there is no list, and only instances that are gone close theirs.
  private func record(
    _ listed: [PriceIncrease]?
  ) async throws(StoreError) -> (examined: Int, events: [FleetEvent]) {
    let now = now()
    let seen = observation()?.instances ?? [:]
    let waiting = Dictionary((listed ?? []).map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    return try await store.write { (tx) throws(StoreError) in
      var events: [FleetEvent] = []
      let live = try tx.liveInstances()
      let isLive = Set(live.map(\.id))
      let open = try tx.openPriceIncreases()
      for var increase in open {
        let before = increase
        if listed != nil {
          increase.observe(waiting[increase.terms.id], on: seen[increase.terms.instanceID])
        }
        if !isLive.contains(increase.instanceID) || (listed != nil && increase.isOver(at: now)) {
          increase.close(at: now)
          events.append(increase.closedEvent(at: now))
        }
        if increase != before { try tx.update(increase) }
      }
      let candidates = Dictionary(
        live.filter(\.canBeRaised).compactMap { one in one.marketID.map { ($0, one) } },
        uniquingKeysWith: { first, _ in first })
      for terms in waiting.values.sorted(by: { $0.id.rawValue < $1.id.rawValue }) {
        guard let instance = candidates[terms.instanceID], try tx.priceIncrease(terms.id) == nil else { continue }
        var increase = AnnouncedIncrease(
          id: ID(at: now), instanceID: instance.id, jobID: instance.jobID, terms: terms, firstSeenAt: now)
        increase.observe(terms, on: seen[terms.instanceID])
        try tx.insert(increase)
        events.append(increase.announcedEvent(label: instance.label, at: now))
      }
      for event in events { try tx.append(event) }
      return (open.count + waiting.count, events)
    }
  }
}

extension Instance {
  /// Rented on demand, and not to go: a bid is its own price. One that was stopped for its idle GPUs pays for its disk, and may be
  /// started again.
  fileprivate var canBeRaised: Bool { marketID != nil && order.bidPerHour == nil && desired != .destroyed }
}

extension FleetEvent {
  fileprivate var metadata: Logger.Metadata {
    var metadata: Logger.Metadata = ["state": "\(type)", "instance_id": "\(subject)"]
    if let jobID { metadata["job_id"] = "\(jobID)" }
    if let price = data["new_price_per_hour_usd"] { metadata["usd_per_hour"] = "\(price.text)" }
    return metadata
  }
}
