/// A complete, well-formed list of the account's instances. Only what began after an effect can prove anything about it.
package struct MarketObservation: Sendable {
  package let instances: [MarketID: MarketInstance]
  /// When the first page was asked for.
  package let startedAt: Timestamp
  /// What the spend said right after it; nil when it was not asked, or did not say.
  package let witness: SpendWitness?

  package init(_ instances: [MarketInstance], startedAt: Timestamp, witness: SpendWitness? = nil) {
    self.instances = Dictionary(instances.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    self.startedAt = startedAt
    self.witness = witness
  }

  /// The lowest-numbered instance that bears the tag.
  package func instance(tagged tag: InstanceTag) -> MarketInstance? {
    instances.values.filter { $0.label.flatMap(InstanceTag.init(inLabel:)) == tag }.min { $0.id < $1.id }
  }
}

/// How long an instance may take for what. Each bound ends a wait that would otherwise cost money for ever.
package struct InstanceSettings: Sendable {
  /// From the accepted order to running (`VASTD_START_TIMEOUT_S`). Five minutes pull most images; the next machine may have it cached.
  package var startTimeout = Duration.seconds(300)
  /// From asking a stopped machine to run again to running. It takes half a minute where the GPUs are free; a start that waits
  /// for them may wait for ever, and another machine is up in a few minutes.
  package var reviveTimeout = Duration.seconds(120)
  /// How long after the order complete lists must lack a rental of unknown outcome (`VASTD_SETTLE_S`). Creations show up
  /// within seconds; an answer can be a minute late.
  package var settlingTime = Duration.seconds(90)
  /// How many times as long when those lists have no row at all and nobody bears witness to that. A list that was empty for
  /// every caller made others rent again and again.
  package static let emptyListFactor = 3
  /// How many times as long while money flows for something that lists do not show: half an hour by default. It is most
  /// likely the rental that is looked for; but a provider that bills for what is long gone must not hold a job up for ever.
  package static let contradictedListFactor = 20
  /// Between two looks that together prove an absence, as a part of the settling time: 10 s by default. A list that goes wrong
  /// mostly goes wrong for some seconds, and two lists of the same lie are one witness.
  package var confirmationSpan: Duration { settlingTime / 9 }
  /// While money flows for something that lists do not show, lists and reads prove a destroyed machine gone only after this.
  /// They are two against one, and the spend may lag behind.
  package var contradictedGrace = Duration.seconds(300)
  /// An instance that nobody asked to go must be missing this long before it is looked for by a direct read.
  package var absenceGrace = Duration.seconds(60)
  /// A destroy that was accepted and not done is asked for again after this long.
  package var destroyRetry = Duration.seconds(10)
  /// A stop that was accepted and not done is asked for again after this long.
  package var stopRetry = Duration.seconds(10)
  /// How long an instance that serves no job may have idle GPUs before it is stopped (`VASTD_IDLE_GPU_STOP_S`); nil for ever.
  package var idleGPUStop: Duration?
  /// A host may be silent this long before its machine counts as lost.
  package var offlineGrace = Duration.seconds(600)
  /// Vast shows `intended_status: stopped` for a moment after creation on some hosts.
  package var unintendedStopGrace = Duration.seconds(30)
  /// Offers tried for one row when each turns out to be taken.
  package var maximumOffers = 5

  package init() {}
}

/// What to do next about one instance, from its row and the last complete list. Pure: time is a parameter.
package struct InstancePlan: Sendable {
  package enum Step: Sendable, Hashable {
    /// Nothing to do until something changes.
    case wait
    /// Given up before anything was sent.
    case cancel
    /// Send the order, once.
    case create
    /// An order of unknown outcome turns out to have worked.
    case adopt(MarketInstance)
    /// Another complete list without the tag.
    case noteAbsence
    /// Enough lists, long enough: the order came to nothing.
    case giveUpSearching
    /// Take over what the list shows, with the event that it means, if any, and a failure that goes with it.
    case record(MarketInstance, InstanceEvent?, Failure?)
    /// It does not come up: put the failure on record and have it destroyed.
    case fail(MarketInstance?, Failure)
    /// It stopped under its job: ask for it to run again, once.
    case start
    /// Its GPUs have been idle for too long: want it stopped.
    case wantStopped(MarketInstance, Idleness)
    /// Wanted stopped, and this look gives no reason to: want it to run after all.
    case wantRunning(MarketInstance)
    /// Ask for it to stop; from `running`, write that first.
    case stop
    /// Missing from the list: ask for it by its number.
    case confirmAbsence
    /// Ask for destruction; from a state that is not `destroying`, write that first.
    case destroy
  }

  package let step: Step

  /// `watchedSince`: when this process began to watch. An order found in the store may have left a moment before the
  /// process that wrote it died, so settling counts from then at the earliest. `unusedSince`: since when it has served no
  /// job; nil when it serves one.
  package init(
    for instance: Instance, observation: MarketObservation?, lastDestroyCall: Timestamp? = nil,
    watchedSince: Timestamp? = nil, unusedSince: Timestamp? = nil, now: Timestamp, settings: InstanceSettings
  ) {
    let planner = Planner(
      instance: instance, watchedSince: watchedSince, unusedSince: unusedSince, now: now, settings: settings)
    switch instance.state {
    case .requested:
      step = instance.desired == .destroyed ? .cancel : .create
    case .creating:
      step = planner.search(observation)
    case .loading, .running, .stopping, .stopped:
      let isToStart = instance.state == .stopped && instance.mayRevive
      step = instance.desired == .destroyed ? .destroy : isToStart ? .start : planner.follow(observation)
    case .lost:
      step = .destroy
    case .destroying:
      step = planner.finishDestroying(observation, lastCall: lastDestroyCall)
    case .destroyed, .failed:
      step = .wait
    }
  }
}

struct Planner {
  let instance: Instance
  let watchedSince: Timestamp?
  let unusedSince: Timestamp?
  let now: Timestamp
  let settings: InstanceSettings

  func search(_ observation: MarketObservation?) -> InstancePlan.Step {
    guard let orderedAt = instance.orderedAt, let observation, observation.startedAt > orderedAt else { return .wait }
    if let found = observation.instance(tagged: instance.tag) { return .adopt(found) }
    // Only lists from after the settling time count, and two of them have to say the same some time apart.
    let settledAt = max(orderedAt, watchedSince ?? orderedAt) + neededTime(observation)
    guard observation.startedAt >= settledAt else { return .wait }
    guard instance.absences > 0, let absentSince = instance.absentSince, absentSince >= settledAt else {
      return .noteAbsence
    }
    return observation.startedAt - absentSince >= settings.confirmationSpan ? .giveUpSearching : .wait
  }

  /// How long after an order a list like this one may count. An empty list says the least: it is what a provider shows whose
  /// list is broken, unless the spend agrees with it.
  private func neededTime(_ observation: MarketObservation) -> Duration {
    switch observation.witness {
    case .contradicts: settings.settlingTime * InstanceSettings.contradictedListFactor
    case nil where observation.instances.isEmpty: settings.settlingTime * InstanceSettings.emptyListFactor
    case .agrees, nil: settings.settlingTime
    }
  }

  func follow(_ observation: MarketObservation?) -> InstancePlan.Step {
    guard let id = instance.marketID, let observation, let acceptedAt = instance.acceptedAt,
      observation.startedAt > acceptedAt, observation.startedAt > (instance.lastSeenAt ?? acceptedAt)
    else { return mayStopUnseen ? .stop : overdue(seen: nil) }
    guard let seen = observation.instances[id] else { return absent(observation) }
    return instance.state == .loading ? boot(seen) : watch(seen)
  }

  private func absent(_ observation: MarketObservation) -> InstancePlan.Step {
    guard let since = instance.absentSince else { return .noteAbsence }
    let grace = observation.witness == .contradicts ? settings.contradictedGrace : settings.absenceGrace
    return observation.startedAt - since >= max(grace, settings.absenceGrace) ? .confirmAbsence : .noteAbsence
  }

  private func boot(_ seen: MarketInstance) -> InstancePlan.Step {
    if seen.actualStatus == "running" { return .record(seen, .booted, nil) }
    if let message = seen.statusMessage, StatusMessage.tellsError(message) {
      // Sticky text: an error must be seen twice before it counts.
      guard instance.errorSightings >= 1 else { return .record(seen, nil, nil) }
      return .fail(seen, StatusMessage.failure(message))
    }
    if seen.intendedStatus == "stopped", let acceptedAt = instance.acceptedAt,
      now - acceptedAt >= settings.unintendedStopGrace
    {
      return .fail(
        seen, Failure(code: "start_refused", detail: "Vast.ai stopped the instance before it ran.", isRetryable: true))
    }
    return overdue(seen: seen)
  }

  private func overdue(seen: MarketInstance?) -> InstancePlan.Step {
    // Unseen it is not given up before this process has had its chance to look: it may have come up while nobody did.
    let timeout = instance.runningAt == nil ? settings.startTimeout : settings.reviveTimeout
    guard instance.state == .loading, let acceptedAt = instance.acceptedAt,
      now - (seen == nil ? max(acceptedAt, watchedSince ?? acceptedAt) : acceptedAt) >= timeout
    else { return seen.map { .record($0, nil, nil) } ?? .wait }
    let status =
      (seen?.statusMessage ?? instance.statusMessage).map { " Last message: \(StatusMessage.display($0))" } ?? ""
    return .fail(
      seen,
      Failure(
        code: "start_timeout",
        detail: "The instance did not run within \(Int(timeout.inSeconds)) s.\(status)", isRetryable: true
      ))
  }

  private func watch(_ seen: MarketInstance) -> InstancePlan.Step {
    switch seen.actualStatus {
    case "running":
      return instance.state == .stopped ? .record(seen, .booted, nil) : use(seen)
    case "exited", "stopped":
      return ended(seen)
    case "offline", "unknown":
      guard let since = instance.absentSince, now - since >= settings.offlineGrace else {
        return .record(seen, nil, nil)
      }
      return .record(
        seen, .vanished,
        Failure(
          code: "host_offline", detail: "The host has not reported for \(Int((now - since).inSeconds)) s.",
          isRetryable: true))
    default:
      return .record(seen, nil, nil)
    }
  }

  /// `exited` does not say why. An intended stop that we did not ask for is the platform's or a person's.
  private func ended(_ seen: MarketInstance) -> InstancePlan.Step {
    if instance.state == .stopping { return stopping(seen) }
    guard instance.state == .running else { return .record(seen, nil, nil) }
    let isOver: InstanceEvent = instance.mayRevive ? .stopSeen : .vanished
    if seen.intendedStatus == "stopped" {
      guard instance.order.bidPerHour != nil else {
        let failure = Failure(
          code: "instance_stopped", detail: "The instance was stopped from outside.", isRetryable: true)
        return .record(seen, .stopSeen, failure)
      }
      let failure = Failure(code: "preempted", detail: "The interruptible instance was outbid.", isRetryable: true)
      return .record(seen, isOver, failure)
    }
    // A container that ended by itself; seen twice, since the status flickers on a reboot.
    guard instance.errorSightings >= 1 else { return .record(seen, nil, nil) }
    return .record(
      seen, isOver,
      Failure(code: "instance_exited", detail: "The container ended by itself.", isRetryable: true))
  }

  func finishDestroying(_ observation: MarketObservation?, lastCall: Timestamp?) -> InstancePlan.Step {
    guard let id = instance.marketID, let askedAt = instance.destroyAskedAt else { return .destroy }
    let isDue = lastCall.map { now - $0 >= settings.destroyRetry } ?? true
    // Lists lack it, and yet a read after the last call showed it: that call came to nothing.
    if let seenAt = instance.lastSeenAt, seenAt > lastCall ?? askedAt { return isDue ? .destroy : .wait }
    if let observation, observation.startedAt > (lastCall ?? askedAt), observation.instances[id] == nil,
      observation.witness != .contradicts || observation.startedAt - askedAt >= settings.contradictedGrace
    {
      return isNewProof(observation, since: askedAt) ? .confirmAbsence : .wait
    }
    return isDue ? .destroy : .wait
  }

  /// The first look, or one that is far enough from it: at once where the spend agrees, who is a third witness.
  private func isNewProof(_ observation: MarketObservation, since askedAt: Timestamp) -> Bool {
    guard instance.absences > 0, let since = instance.absentSince else { return observation.startedAt > askedAt }
    let span = observation.witness == .agrees ? Duration.zero : settings.confirmationSpan
    return observation.startedAt > since && observation.startedAt - since >= span
  }
}
