package import Artifacts
package import Domain
package import Locking
package import Logging
package import Store

/// The facade: everything that a caller can ask for. Its methods write down what is wanted and answer; the loops make it so.
package final class Fleet: Sendable {
  let store: Store
  let offers: any Marketplace
  let current: any Marketplace
  let peekOffers: @Sendable (OfferQuery) -> OfferListing?
  let liveSettings: LiveSettings
  let data: DataDirectory
  let connections: FleetConnections
  let now: @Sendable () -> Timestamp
  let logger: Logger
  let startedAt: Timestamp
  /// Keys of uploads under way: their bytes take minutes, so a second one may come meanwhile.
  let uploadsInFlight = Locked<Set<IdempotencyKey.Scope>>([])
  /// Price increases that are being answered: the marketplace takes one answer, so two calls at once would hide each other's.
  let answersInFlight = Locked<Set<ID<AnnouncedIncrease>>>([])
  /// Orders of cached listings, so that a search answered from the cache is not sorted again.
  let rankings = Locked<[OfferQuery: Ranking]>([:])
  private let draining = Locked(false)

  /// - Parameters:
  ///   - offers: a marketplace whose answers may be old and say so, for those who only look.
  ///   - peekOffers: what it would answer to a query without waiting.
  ///   - current: the same without what is past its time, for who is about to rent; nothing here rents through either.
  package init(
    store: Store, offers: any Marketplace, peekOffers: @escaping @Sendable (OfferQuery) -> OfferListing?,
    current: any Marketplace, settings: LiveSettings, data: DataDirectory, connections: FleetConnections,
    now: @escaping @Sendable () -> Timestamp, logger: Logger
  ) {
    self.store = store
    self.offers = offers
    self.peekOffers = peekOffers
    self.current = current
    liveSettings = settings
    self.data = data
    self.connections = connections
    self.now = now
    self.logger = logger
    startedAt = now()
  }

  /// From now on readiness is false; what is asked for is still done.
  package func beginDraining() {
    draining.withLock { $0 = true }
  }

  var isDraining: Bool { draining.withLock { $0 } }

  /// How often rows were written since the start: while it stays the same, so does every answer that was made of rows alone.
  package var commits: UInt64 { store.commits }

  func read<R>(_ body: (StoreReader) throws(StoreError) -> R) throws(FleetError) -> R {
    do throws(StoreError) {
      return try store.read(body)
    } catch {
      throw FleetError(error)
    }
  }

  func write<R: Sendable>(
    _ body: @escaping @Sendable (StoreTransaction) throws(StoreError) -> R
  ) async throws(FleetError) -> R {
    do throws(StoreError) {
      return try await store.write(body)
    } catch {
      throw FleetError(error)
    }
  }
}

/// What ties the facade to the loops without knowing them.
package struct FleetConnections: Sendable {
  /// Jobs changed: look at them now.
  package var wakeJobs: @Sendable () -> Void
  /// Instances changed: look at them now.
  package var wakeInstances: @Sendable () -> Void
  /// News of one job, a cancel for instance.
  package var jobNews: KeyedSignals<ID<Job>>
  /// A job's log grew or is complete.
  package var logNews: KeyedSignals<ID<Job>>
  package var provider: @Sendable () -> ProviderStatus
  package var poller: @Sendable () -> PollerStatus
  /// Instances with our tag that no row claims.
  package var orphans: @Sendable () -> OrphanReport
  /// The SSH host key pinned under a name, if any.
  package var hostKey: @Sendable (String) -> String?
  /// Something may have changed at the provider.
  package var lookSooner: @Sendable () -> Void
  /// Budgets changed: look at them now.
  package var wakeBudgets: @Sendable () -> Void
  /// The last look at the account.
  package var accountReading: @Sendable () -> AccountReading?

  package init(
    wakeJobs: @escaping @Sendable () -> Void, wakeInstances: @escaping @Sendable () -> Void,
    jobNews: KeyedSignals<ID<Job>>, logNews: KeyedSignals<ID<Job>>,
    provider: @escaping @Sendable () -> ProviderStatus, poller: @escaping @Sendable () -> PollerStatus,
    orphans: @escaping @Sendable () -> OrphanReport = { OrphanReport() },
    hostKey: @escaping @Sendable (String) -> String? = { _ in nil },
    lookSooner: @escaping @Sendable () -> Void = {}, wakeBudgets: @escaping @Sendable () -> Void = {},
    accountReading: @escaping @Sendable () -> AccountReading? = { nil }
  ) {
    self.wakeJobs = wakeJobs
    self.wakeInstances = wakeInstances
    self.jobNews = jobNews
    self.logNews = logNews
    self.provider = provider
    self.poller = poller
    self.orphans = orphans
    self.hostKey = hostKey
    self.lookSooner = lookSooner
    self.wakeBudgets = wakeBudgets
    self.accountReading = accountReading
  }
}
