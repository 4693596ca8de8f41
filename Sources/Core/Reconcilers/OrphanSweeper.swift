package import Domain
import Locking
package import Logging
package import Store

/// Finds machines that bear our tag and that no row claims, tells of them, and destroys them after a grace period: the last
/// step of "how a rental survives anything". An answer can come later than any settling time, and money flows all the same.
///
/// What no list shows has no number and no label: only the spend tells of it, and all that can be done is to say so.
///
/// What it knows of orphans is in memory: a restart only begins the grace again. Their cost is not in the ledger, whose
/// lines belong to rows that live; Vast's own charges name them by label.
package final class OrphanSweeper: Reconciler {
  package let name = "orphans"

  /// From the first list that shows it to its destruction. Our own rows are written within milliseconds of an answer; the
  /// rest is for a person who reads the event and wants to object by relabelling it.
  package static let grace = Duration.seconds(120)
  /// A destroy that was accepted and not done is asked for again after this long.
  private static let destroyRetry = Duration.seconds(30)

  private struct Found: Sendable {
    let tag: InstanceTag
    let seen: MarketInstance
  }

  private struct State: Sendable {
    var orphans: [MarketID: Orphan] = [:]
    /// The last list all of whose orphans are in `orphans`.
    var asOf: Timestamp?
    /// Whether the unlisted spend that flows now was told.
    var hasToldOfSpend = false
  }

  private let store: Store
  private let marketplace: any Marketplace
  private let observation: @Sendable () -> MarketObservation?
  private let unlistedSpend: @Sendable () -> UnlistedSpend?
  private let counted: @Sendable (FleetEvent) -> Void
  private let destroyed: @Sendable () -> Void
  private let now: @Sendable () -> Timestamp
  private let logger: Logger
  private let state = Locked(State())

  /// - Parameters:
  ///   - unlistedSpend: what the last look at the spend found.
  ///   - counted: told each event that was recorded.
  ///   - destroyed: told each destroy that the provider accepted.
  package init(
    store: Store, marketplace: any Marketplace, observation: @escaping @Sendable () -> MarketObservation?,
    unlistedSpend: @escaping @Sendable () -> UnlistedSpend? = { nil },
    counted: @escaping @Sendable (FleetEvent) -> Void = { _ in }, destroyed: @escaping @Sendable () -> Void = {},
    now: @escaping @Sendable () -> Timestamp, logger: Logger
  ) {
    self.store = store
    self.marketplace = marketplace
    self.observation = observation
    self.unlistedSpend = unlistedSpend
    self.counted = counted
    self.destroyed = destroyed
    self.now = now
    self.logger = logger
  }

  /// What is known now.
  package var report: OrphanReport {
    let state = state.withLock { $0 }
    return OrphanReport(
      orphans: state.orphans.values.sorted { ($0.firstSeenAt, $0.seen.id) > ($1.firstSeenAt, $1.seen.id) },
      asOf: state.asOf, unlistedSpend: unlistedSpend())
  }

  package func activate() async -> Outcome {
    var outcome = Outcome()
    switch await tellOfSpend() {
    case true?: outcome.changed += 1
    case false?: outcome.failures += 1
    case nil: break
    }
    guard let observation = observation() else { return outcome }
    let orphans: [MarketID: Found]
    do throws(StoreError) {
      orphans = try findOrphans(in: observation)
    } catch {
      logger.error("orphans cannot be told", metadata: ["error": "\(error)"])
      outcome.failures = 1
      return outcome
    }
    outcome.examined = observation.instances.count
    state.withLock { state in
      state.orphans = state.orphans.filter { orphans[$0.key] != nil }
      for (id, found) in orphans { state.orphans[id]?.seen = found.seen }
    }
    for (id, found) in orphans.sorted(by: { $0.key < $1.key }) where !Task.isCancelled {
      switch await sweep(id, found, listedAt: observation.startedAt) {
      case true?: outcome.changed += 1
      case false?: outcome.failures += 1
      case nil: break
      }
    }
    state.withLock { state in
      // One that could not be told is not known yet, and then the list is not either.
      if orphans.keys.allSatisfy({ state.orphans[$0] != nil }) { state.asOf = observation.startedAt }
    }
    return outcome
  }

  private func findOrphans(in observation: MarketObservation) throws(StoreError) -> [MarketID: Found] {
    var orphans: [MarketID: Found] = [:]
    for seen in observation.instances.values {
      guard let tag = seen.tag(of: store.owner) else { continue }
      let row = try store.read { (reader) throws(StoreError) in try reader.instance(tag.instanceID) }
      if row?.claims(seen.id) != true { orphans[seen.id] = Found(tag: tag, seen: seen) }
    }
    return orphans
  }

  /// True when something was done about it, false when that failed, nil when its time has not come.
  private func sweep(_ id: MarketID, _ found: Found, listedAt: Timestamp) async -> Bool? {
    guard let orphan = state.withLock({ $0.orphans[id] }) else {
      guard await tell(id, found.tag) else { return false }
      let orphan = Orphan(seen: found.seen, firstSeenAt: listedAt, destroyAfter: listedAt + Self.grace)
      state.withLock { $0.orphans[id] = orphan }
      return true
    }
    guard listedAt >= orphan.destroyAfter else { return nil }
    if let askedAt = orphan.destroyAskedAt, now() - askedAt < Self.destroyRetry { return nil }
    return await destroy(id, found.tag)
  }

  private func tell(_ id: MarketID, _ tag: InstanceTag) async -> Bool {
    let event = FleetEvent(
      type: "instance.orphan_found", subject: tag.instanceID.rawValue, instanceID: tag.instanceID, at: now(),
      data: ["provider_id": .integer(id.rawValue)])
    do throws(StoreError) {
      try await store.write { (tx) throws(StoreError) in try tx.append(event) }
    } catch {
      logger.error("orphan cannot be recorded", metadata: metadata(id, tag, ["error": "\(error)"]))
      return false
    }
    counted(event)
    logger.warning("orphan found", metadata: metadata(id, tag))
    return true
  }

  /// Once for each time that it begins. True when it was told now, false when that failed.
  private func tellOfSpend() async -> Bool? {
    guard let unlisted = unlistedSpend() else { return nil }
    guard unlisted.isCertain else {
      if unlisted.perHour == .zero { state.withLock { $0.hasToldOfSpend = false } }
      return nil
    }
    guard !state.withLock({ $0.hasToldOfSpend }) else { return nil }
    let event = FleetEvent(
      type: "account.unlisted_spend", subject: "account", at: now(),
      data: ["per_hour_usd": .money(unlisted.perHour)])
    do throws(StoreError) {
      try await store.write { (tx) throws(StoreError) in try tx.append(event) }
    } catch {
      logger.error("unlisted spend cannot be recorded", metadata: ["error": "\(error)"])
      return false
    }
    state.withLock { $0.hasToldOfSpend = true }
    counted(event)
    logger.warning(
      "the account pays for something that no list shows", metadata: ["usd_per_hour": "\(unlisted.perHour.dollars)"])
    return true
  }

  /// A list may be old and a label may have been changed: a direct read has the last word on whose machine it is.
  private func destroy(_ id: MarketID, _ tag: InstanceTag) async -> Bool? {
    do throws(MarketplaceError) {
      let seen = try await marketplace.readInstance(id)
      guard seen?.tag(of: store.owner) == tag else { return nil }
      let now = now()
      state.withLock { $0.orphans[id]?.destroyAskedAt = now }
      try await marketplace.destroy(id)
    } catch {
      if error == .notFound { return nil }
      logger.error(
        "orphan not destroyed", metadata: metadata(id, tag, ["code": "\(error.code)", "error": "\(error.detail)"]))
      return false
    }
    destroyed()
    logger.warning("orphan destroyed", metadata: metadata(id, tag))
    return true
  }

  private func metadata(_ id: MarketID, _ tag: InstanceTag, _ more: Logger.Metadata = [:]) -> Logger.Metadata {
    more.merging(["instance_id": "\(tag.instanceID)", "provider_id": "\(id)"]) { $1 }
  }
}
