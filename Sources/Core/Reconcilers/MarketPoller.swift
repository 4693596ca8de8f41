package import Domain
package import Locking
package import Logging
package import Store

/// The one loop that lists instances: a complete list per interval serves everything, however many instances there are.
package final class MarketPoller: Sendable {
  package struct Configuration: Sendable {
    /// While nothing changes (`VASTD_POLL_INTERVAL_S`). Asked each time: it can be changed while the loop runs.
    package var interval: @Sendable () -> Duration = { .seconds(30) }
    /// At the most while a machine of ours runs, whatever `interval` says: of the time between two looks further apart than
    /// `IdleGPU.longestSpan` nobody knows whether its GPUs were idle, and no bound on that would ever be met.
    package static let longestInterval = Duration.seconds(60)
    /// While an instance boots, goes or is looked for. Vast allows a list a second for the whole account; two leave room.
    package var busyInterval = Duration.seconds(2)
    /// From when on a list that lacks an order is worth a witness (`VASTD_SETTLE_S`); before, it proves nothing anyway.
    package var settlingTime = InstanceSettings().settlingTime
    /// Between two looks at the spend while nothing is missing. Vast allows one in two seconds; two minutes find what was
    /// forgotten soon enough, and cost 30 calls an hour.
    package var spendInterval = Duration.seconds(120)

    package init() {}
  }

  private struct State {
    var observation: MarketObservation?
    var startedAt: Timestamp?
    var error: Failure?
    var unlisted: UnlistedSpend?
    var spendAskedAt: Timestamp?
    /// Somebody has reason to think that something changed.
    var isHurried = false
  }

  private let marketplace: any Marketplace
  private let store: Store
  private let configuration: Configuration
  private let signal: Signal
  private let observed: @Sendable () -> Void
  private let clock: any Clock<Duration>
  private let now: @Sendable () -> Timestamp
  private let logger: Logger
  private let state = Locked(State())

  /// - Parameters:
  ///   - signal: raised when instances or the interval change; the poller then looks whether it is in a hurry.
  ///   - observed: called after each complete list.
  package init(
    marketplace: any Marketplace, store: Store, configuration: Configuration, signal: Signal,
    observed: @escaping @Sendable () -> Void, clock: any Clock<Duration>, now: @escaping @Sendable () -> Timestamp,
    logger: Logger
  ) {
    self.marketplace = marketplace
    self.store = store
    self.configuration = configuration
    self.signal = signal
    self.observed = observed
    self.clock = clock
    self.now = now
    self.logger = logger
  }

  /// The last complete list; never a failed or half one.
  package var observation: MarketObservation? { state.withLock { $0.observation } }

  /// As the last look at the spend found it; nil before the first.
  package var unlistedSpend: UnlistedSpend? { state.withLock { $0.unlisted } }

  package var status: PollerStatus {
    let interval = interval
    return state.withLock { state in
      PollerStatus(lastPollAt: state.observation?.startedAt, interval: interval, error: state.error)
    }
  }

  /// Until the task is cancelled.
  package func run() async {
    while !Task.isCancelled {
      await poll()
      await waitUntilDue()
    }
  }

  /// Has the next list come as soon as the pace of a busy time allows. However often it is called, one list answers it.
  package func lookSooner() {
    state.withLock { $0.isHurried = true }
    signal.raise()
  }

  /// Asks for one complete list. A failure leaves the last one in place: it proves nothing new.
  package func poll() async {
    let startedAt = now()
    state.withLock { state in
      state.startedAt = startedAt
      state.isHurried = false
    }
    do throws(MarketplaceError) {
      let instances = try await marketplace.listInstances()
      let witness = await witness(to: instances, at: startedAt)
      state.withLock { state in
        state.observation = MarketObservation(instances, startedAt: startedAt, witness: witness)
        state.error = nil
      }
      observed()
    } catch {
      guard error != .cancelled else { return }
      state.withLock { $0.error = Failure(code: error.code, detail: error.detail, isRetryable: true) }
      logger.warning("instance list failed", metadata: ["code": "\(error.code)", "error": "\(error.detail)"])
    }
  }

  /// Whether the list lacks something of ours that may exist and that somebody might now conclude to be gone.
  private func isMissingSome(_ instances: [MarketInstance], at startedAt: Timestamp) -> Bool {
    let listed = Set(instances.map(\.id))
    let tags = Set(instances.compactMap { $0.label.flatMap(InstanceTag.init(inLabel:)) })
    return live.contains { row in
      if let id = row.marketID { return row.state.mayExist && !listed.contains(id) }
      guard row.state == .creating, let orderedAt = row.orderedAt else { return false }
      return startedAt - orderedAt >= configuration.settlingTime && !tags.contains(row.tag)
    }
  }

  /// Asks the spend when something is missing, and once in a while besides, to know what flows for other things. Nil when it
  /// was not asked, cannot be had, or cannot be compared: then the list has to do by itself.
  private func witness(to instances: [MarketInstance], at startedAt: Timestamp) async -> SpendWitness? {
    let isMissing = isMissingSome(instances, at: startedAt)
    let isDue = state.withLock { $0.spendAskedAt.map { startedAt - $0 >= configuration.spendInterval } ?? true }
    guard isMissing || isDue else { return nil }
    state.withLock { $0.spendAskedAt = startedAt }
    guard let spend = await spendInTime() else { return nil }
    guard isMissing else {
      note(spend.unexplained(by: instances), at: startedAt)
      return nil
    }
    // One look alone may have been a lie, and would cover up for what is missing now.
    let usual = state.withLock { $0.unlisted.flatMap { $0.isCertain ? $0.perHour : nil } } ?? .zero
    let witness = spend.witness(to: instances, usual: usual)
    if witness == .contradicts, observation?.witness != .contradicts {
      logger.warning("money flows for something that the list does not show")
    }
    return witness
  }

  private func note(_ unexplained: Money?, at startedAt: Timestamp) {
    guard let unexplained else { return }
    state.withLock { state in
      let looks = unexplained > .zero ? (state.unlisted?.looks ?? 0) + 1 : 0
      state.unlisted = UnlistedSpend(perHour: unexplained, looks: looks, asOf: startedAt)
    }
  }

  /// The list waits for its witness, and everything waits for the list: a provider that is slow to say what it costs must not
  /// keep a machine from being seen.
  private static let patience = Duration.seconds(10)

  private func spendInTime() async -> MarketSpend? {
    await withTaskGroup(of: MarketSpend?.self) { [marketplace, clock, logger] group in
      group.addTask {
        do throws(MarketplaceError) {
          return try await marketplace.spend()
        } catch {
          logger.debug("spend not read", metadata: ["code": "\(error.code)"])
          return nil
        }
      }
      group.addTask {
        do { try await clock.pause(for: Self.patience) } catch { return nil }
        return nil
      }
      let first = await group.next() ?? nil
      group.cancelAll()
      return first
    }
  }

  private func waitUntilDue() async {
    while !Task.isCancelled {
      let seen = signal.count
      let rest = due - now()
      guard rest > .zero else { return }
      await signal.wait(after: seen, upTo: rest, clock: clock)
    }
  }

  /// When the next list is due. In a hurry it counts from the last change that we caused, too: a list asked for in the
  /// same moment could not show what came of it.
  private var due: Timestamp {
    let (started, isHurried) = state.withLock { ($0.startedAt, $0.isHurried) }
    let last = started ?? now()
    let live = live
    let interval = usualInterval(live)
    let regular = last + (isHurried ? min(configuration.busyInterval, interval) : interval)
    guard let changedAt = live.filter(\.isAwaited).map(\.changedAt).max() else { return regular }
    return min(max(last, changedAt) + configuration.busyInterval, regular)
  }

  private var interval: Duration {
    let live = live
    let usual = usualInterval(live)
    return live.contains(where: \.isAwaited) ? min(configuration.busyInterval, usual) : usual
  }

  /// While nothing is expected to change.
  private func usualInterval(_ live: [Instance]) -> Duration {
    let interval = configuration.interval()
    return live.contains { $0.state == .running } ? min(interval, Configuration.longestInterval) : interval
  }

  private var live: [Instance] {
    do throws(StoreError) {
      return try store.read { (r) throws(StoreError) in try r.liveInstances() }
    } catch {
      return []
    }
  }
}

extension Instance {
  /// The provider is expected to say something new about it soon.
  fileprivate var isAwaited: Bool {
    state.isInTransition || (desired == .destroyed && state.mayExist)
  }

  /// When we last did something that the provider will show.
  fileprivate var changedAt: Timestamp {
    [orderedAt, acceptedAt, idleStop?.askedAt, destroyAskedAt].compactMap { $0 }.max() ?? createdAt
  }
}
