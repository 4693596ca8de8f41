package import Domain
package import Locking
package import Logging
package import Store

/// Carries recorded events to their receivers: at least once, in order within a lane, retried for days. A receiver that hangs
/// or fails takes the slots that are its own and delays nobody else.
///
/// What is due stands in the store; this holds only who is under way and who is left alone for a while. So a restart repeats at
/// most the calls whose answers were lost.
package final class EventDelivery: Reconciler {
  package let name = "deliveries"

  /// Calls to one receiver at a time. Each is a lane of its own; more would only make the receiver's queue longer.
  package static let callsPerReceiver = 8
  /// A receiver that answers again gets at once what it missed, unless that was tried this recently: it may be what it chokes on.
  static let hasteGap = Duration.seconds(60)

  private struct Lane: Hashable, Sendable {
    var webhookID: ID<Webhook>
    var name: String
  }

  private struct UnderWay: Sendable {
    var lanes: Set<Lane> = []
    var calls: [ID<Webhook>: Int] = [:]
    /// Counts the tasks, each of which has a number of its own.
    var lastTask: UInt64 = 0
  }

  private struct Standing: Sendable {
    var failures = 0
    var pausedUntil: Timestamp?
  }

  private let store: Store
  private let send: @Sendable (WebhookMessage) async -> WebhookReply
  private let signal: Signal
  private let counted: @Sendable (_ result: String) -> Void
  private let recorded: @Sendable (FleetEvent) -> Void
  private let clock: any Clock<Duration>
  private let now: @Sendable () -> Timestamp
  private let logger: Logger
  private let tasks = OwnedTasks<UInt64>()
  private let underWay = Locked(UnderWay())
  private let standings = Locked<[ID<Webhook>: Standing]>([:])

  /// - Parameters:
  ///   - send: makes one call, bounded in time.
  ///   - signal: raised when something may be due: events were recorded, a receiver was changed.
  ///   - counted: told what each call came to: `delivered`, `retried`, `failed`, `disabled`.
  ///   - recorded: told each event that was recorded here.
  package init(
    store: Store, send: @escaping @Sendable (WebhookMessage) async -> WebhookReply, signal: Signal,
    counted: @escaping @Sendable (_ result: String) -> Void = { _ in },
    recorded: @escaping @Sendable (FleetEvent) -> Void = { _ in }, clock: any Clock<Duration>,
    now: @escaping @Sendable () -> Timestamp, logger: Logger
  ) {
    self.store = store
    self.send = send
    self.signal = signal
    self.counted = counted
    self.recorded = recorded
    self.clock = clock
    self.now = now
    self.logger = logger
  }

  /// Until the task is cancelled.
  package func run() async {
    while !Task.isCancelled {
      let seen = signal.count
      _ = await activate()
      await signal.wait(after: seen, upTo: untilNext, clock: clock)
    }
  }

  package func activate() async -> Outcome {
    var outcome = Outcome()
    do throws(StoreError) {
      let now = now()
      for webhook in try store.read({ (r) throws(StoreError) in try r.webhooks() }) where webhook.isEnabled {
        guard !isPaused(webhook, at: now) else { continue }
        let busy = underWay.withLock { $0.calls[webhook.id] ?? 0 }
        // Those under way are due in the store as well: they come first, and must not hide the rest.
        let due = try store.read { (r) throws(StoreError) in
          try r.dueDeliveries(of: webhook.id, at: now, limit: Self.callsPerReceiver + busy)
        }
        outcome.examined += due.count
        for delivery in due where begin(delivery) { outcome.changed += 1 }
      }
    } catch {
      logger.error("deliveries cannot be read", metadata: ["error": "\(error)"])
      outcome.failures = 1
    }
    return outcome
  }

  /// Calls that have not ended.
  package var callsUnderWay: Int { underWay.withLock { $0.lanes.count } }

  /// Breaks off what is under way; it is repeated after the next start.
  package func close() async { await tasks.close() }

  // MARK: Turns

  private func isPaused(_ webhook: Webhook, at now: Timestamp) -> Bool {
    standings.withLock { standings in
      // One that was enabled again has its failures behind it.
      if webhook.failingSince == nil { standings[webhook.id] = nil }
      return standings[webhook.id]?.pausedUntil.map { now < $0 } ?? false
    }
  }

  /// False when its lane is under way, or the receiver has all that it may have at a time. One that has failed several times is
  /// asked by one call alone.
  private func begin(_ delivery: Delivery) -> Bool {
    let id = delivery.webhookID
    let slots = standings.withLock { ($0[id]?.failures ?? 0) > ReceiverPause.tolerated } ? 1 : Self.callsPerReceiver
    let lane = Lane(webhookID: id, name: delivery.lane)
    let task = underWay.withLock { underWay -> UInt64? in
      guard underWay.calls[id, default: 0] < slots, underWay.lanes.insert(lane).inserted else { return nil }
      underWay.calls[id, default: 0] += 1
      underWay.lastTask += 1
      return underWay.lastTask
    }
    guard let task else { return false }
    let isBegun = tasks.start(task) { [self] in
      await attempt(delivery)
      leave(lane)
      signal.raise()
    }
    if !isBegun { leave(lane) }
    return isBegun
  }

  private func leave(_ lane: Lane) {
    underWay.withLock { underWay in
      underWay.lanes.remove(lane)
      underWay.calls[lane.webhookID, default: 1] -= 1
      if underWay.calls[lane.webhookID] == 0 { underWay.calls[lane.webhookID] = nil }
    }
  }

  private var untilNext: Duration {
    // Whatever is missed is found a quarter of a minute later.
    let longest = Duration.seconds(15)
    do throws(StoreError) {
      let now = now()
      return try store.read { (r) throws(StoreError) in
        var rest = longest
        for webhook in try r.webhooks() where webhook.isEnabled {
          guard let next = try r.nextDelivery(of: webhook.id) else { continue }
          let paused = standings.withLock { $0[webhook.id]?.pausedUntil }
          let due = max(next, paused ?? next)
          // What is due and not under way has no slot: whoever leaves one raises the signal.
          if due > now { rest = min(rest, due - now) }
        }
        return max(rest, .milliseconds(1))
      }
    } catch {
      return longest
    }
  }

  // MARK: One call

  private func attempt(_ due: Delivery) async {
    do throws(StoreError) {
      guard let webhook = try store.read({ (r) throws(StoreError) in try r.webhook(due.webhookID) }), webhook.isEnabled
      else { return }
      let waiting = try store.read { (r) throws(StoreError) in
        try r.waitingDeliveries(of: webhook.id, lane: due.lane, limit: webhook.format.eventsPerMessage)
      }
      // Between the look and the turn another call may have ended it, or put it off.
      guard let head = waiting.first, head.id == due.id, let moment = head.nextAttemptAt, moment <= now() else {
        return
      }
      let batch = head.goesAlone ? [head] : Array(waiting.prefix { !$0.goesAlone })
      let reply = await send(WebhookMessage(webhook: webhook, events: batch.map(\.event), attemptedAt: now()))
      // Broken off by our own end: it was no attempt of the receiver's to refuse.
      if Task.isCancelled, reply.isNoAnswer { return }
      try await settle(batch, of: webhook, reply)
    } catch {
      logger.error("a delivery cannot be settled", metadata: metadata(due, ["error": "\(error)"]))
      await pauseAfterFault()
    }
  }

  /// The store is in trouble and cannot note that the event arrived: the same call would be made again at once, and again, for as
  /// long as the disk is full.
  private func pauseAfterFault() async {
    do { try await clock.pause(for: .seconds(15)) } catch { return }
  }

  private func settle(_ batch: [Delivery], of called: Webhook, _ reply: WebhookReply) async throws(StoreError) {
    let now = now()
    let jitter = Chance.fraction
    let settled = try await store.write { (tx) throws(StoreError) -> Settlement? in
      guard let head = batch.first, var webhook = try tx.webhook(head.webhookID) else { return nil }
      let plan = DeliveryPlan(
        for: head, isAlone: batch.count == 1, to: webhook, after: reply, now: now, jitter: jitter)
      // What a former address says is nothing against the new one, where all of it is due already.
      guard plan.step == .done || (webhook.url, webhook.secret) == (called.url, called.secret) else { return nil }
      return try tx.settle(batch, by: plan, &webhook, at: now)
    }
    guard let settled, let head = batch.first else { return }
    note(settled.plan.step, of: head, reply)
    if let event = settled.event { recorded(event) }
  }

  private func note(_ step: DeliveryPlan.Step, of head: Delivery, _ reply: WebhookReply) {
    let now = now()
    standings.withLock { standings in
      guard step != .done else {
        standings[head.webhookID] = nil
        return
      }
      var standing = standings[head.webhookID] ?? Standing()
      standing.failures += 1
      var pause = ReceiverPause.after(failures: standing.failures)
      if case .answered(429, let wish?) = reply { pause = max(pause, min(wish, ReceiverPause.longest)) }
      if case .answered(503, let wish?) = reply { pause = max(pause, min(wish, ReceiverPause.longest)) }
      standing.pausedUntil = pause > .zero ? now + pause : nil
      standings[head.webhookID] = standing
    }
    let result =
      switch step {
      case .done: "delivered"
      case .retry, .separate: "retried"
      case .giveUp: "failed"
      case .disable: "disabled"
      }
    counted(result)
    guard step != .done else { return }
    let status = if case .answered(let status, _) = reply { String(status) } else { "" }
    logger.warning(
      "delivery failed", metadata: metadata(head, ["status": "\(status)", "result": "\(result)"]))
  }

  private func metadata(_ delivery: Delivery, _ more: Logger.Metadata) -> Logger.Metadata {
    more.filter { $0.value != "" }
      .merging(["webhook_id": "\(delivery.webhookID)", "event_id": "\(delivery.event.event.id)"]) { $1 }
  }
}

private struct Settlement: Sendable {
  var plan: DeliveryPlan
  var event: FleetEvent?
}

extension StoreTransaction {
  /// Writes what an attempt came to: the deliveries, the standing of their receiver, and who is next.
  fileprivate func settle(
    _ batch: [Delivery], by plan: DeliveryPlan, _ webhook: inout Webhook, at now: Timestamp
  ) throws(StoreError) -> Settlement? {
    guard let lane = batch.first?.lane else { return nil }
    // Only the first of a batch is retried: the others wait behind it.
    let touched = plan.step == .done ? batch : Array(batch.prefix(1))
    for delivery in touched { _ = try update(delivery.after(plan, of: webhook.format, at: now)) }
    if plan.step == .separate {
      for var other in batch.dropFirst() {
        other.lastStatus = plan.status
        _ = try update(other)
      }
    }
    try advance(lane: lane, of: webhook.id, at: now + (plan.step == .done ? webhook.format.gathering : .zero))
    if case .retry = plan.step { try probe(webhook.id, by: plan.probeBy) }
    let wasFailing = webhook.failingSince != nil
    var event: FleetEvent?
    switch plan.step {
    case .done:
      webhook.failingSince = nil
      if wasFailing { try hastenDeliveries(of: webhook.id, notTriedSince: now - EventDelivery.hasteGap) }
    case .separate: break
    case .retry:
      webhook.failingSince = webhook.failingSince ?? now
    case .giveUp(let reason):
      webhook.failingSince = webhook.failingSince ?? now
      event = batch.first?.failed(reason, at: now)
    case .disable(let reason):
      guard webhook.isEnabled else { break }
      webhook.isEnabled = false
      webhook.disabledReason = reason
      webhook.failingSince = webhook.failingSince ?? now
      event = FleetEvent(
        type: "webhook.disabled", subject: webhook.id.rawValue, at: now,
        data: ["webhook_id": .text(webhook.id.rawValue), "detail": .text(reason)])
    }
    if wasFailing || plan.step != .done { _ = try update(&webhook) }
    if let event { try append(event) }
    return Settlement(plan: plan, event: event)
  }
}

extension Delivery {
  /// The event that tells of its end; none where it told of another's, or receivers could go on for ever about each other.
  fileprivate func failed(_ reason: String, at now: Timestamp) -> FleetEvent? {
    let type = "webhook.delivery_failed"
    guard event.event.type != type else { return nil }
    return FleetEvent(
      type: type, subject: webhookID.rawValue, at: now,
      data: [
        "webhook_id": .text(webhookID.rawValue), "event_id": .text(event.event.id.rawValue), "detail": .text(reason),
      ])
  }

  fileprivate func after(_ plan: DeliveryPlan, of format: WebhookFormat, at now: Timestamp) -> Delivery {
    var delivery = self
    delivery.attempts += 1
    delivery.firstAttemptAt = firstAttemptAt ?? now
    delivery.lastAttemptAt = now
    delivery.lastStatus = plan.status
    delivery.lastError = plan.error
    delivery.nextAttemptAt = nil
    switch plan.step {
    case .done: delivery.state = .delivered
    case .giveUp: delivery.state = .failed
    case .retry(let moment): delivery.nextAttemptAt = moment
    case .separate: delivery.nextAttemptAt = now + format.gathering
    // It waits for the receiver to be enabled again.
    case .disable: delivery.nextAttemptAt = now
    }
    return delivery
  }
}

extension WebhookReply {
  fileprivate var isNoAnswer: Bool {
    switch self {
    case .answered: false
    case .unreachable, .forbiddenAddress: true
    }
  }
}
