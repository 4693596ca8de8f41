import Locking
import Logging
import Domain
import Store

extension InstanceReconciler {
  /// A pause after an order that came back, so that a refused pace is not met with a faster one. Vast's own penalty is 12 s.
  static let orderPause = Duration.seconds(12)

  /// Rents: write down that the order leaves, send it once, write down what came of it.
  func order(_ instance: Instance) async {
    _ = lastOrders.withLock { $0.removeValue(forKey: instance.id) }
    let sent = await change(
      instance, event: .orderSent, onlyIf: { $0.desired == .running },
      // It was let through once, but may have waited for hours since, or the budgets were changed.
      unless: { (tx, row, now) throws(StoreError) in
        try tx.budgetRoom(label: row.label, now: now).refusal(of: []) != nil
      }
    ) { row, now in
      row.orderedAt = now
      row.offersTried += 1
      row.absences = 0
      row.absentSince = nil
    }
    if sent == false { await cancelUnaffordable(instance) }
    // Only a row that says `creating`, durably, may be followed by a call that costs money.
    guard sent == true, let row = current(instance), row.state == .creating else { return }
    do throws(MarketplaceError) {
      let id = try await marketplace.create(row.order)
      _ = await accept(row, as: id, failure: nil)
    } catch {
      await handle(error, of: row)
    }
  }

  private func cancelUnaffordable(_ instance: Instance) async {
    do throws(StoreError) {
      let now = now()
      let room = try store.read { (r) throws(StoreError) in try r.budgetRoom(label: instance.label, now: now) }
      guard let failure = room.refusal(of: []) else { return }
      _ = await change(instance, event: .cancelled, onlyIf: { $0.desired == .running }) { row, now in
        row.failure = failure
        row.desired = .destroyed
        row.destroyedAt = now
      }
    } catch {
      logger.error("budgets cannot be read", metadata: metadata(instance, ["error": "\(error)"]))
    }
  }

  private func handle(_ error: MarketplaceError, of row: Instance) async {
    logger.notice("order failed", metadata: metadata(row, ["code": "\(error.code)", "error": "\(error.detail)"]))
    switch error {
    case .createdUnusable(let id, let reason):
      let failure = Failure(
        code: "created_unusable", detail: "The rental could not start: \(reason)", isRetryable: true)
      _ = await accept(row, as: id, failure: failure)
    case .offerTaken:
      await tryNextOffer(for: row)
    case .rateLimited, .unavailable, .circuitOpen:
      // Surely nothing was made: the same order again after a pause.
      await giveBack(row)
    case .unknownOutcome, .malformedAnswer, .cancelled, .notFound, .startQueued:
      // It may exist. The row stays `creating`; complete lists will tell by the tag, and settling counts from here.
      _ = await change(row, event: nil) { row, now in row.orderedAt = now }
      signals.instances.raise()
    case .unauthorized, .insufficientCredit, .quotaExceeded, .refused:
      _ = await change(row, event: .refused) { row, _ in
        row.failure = Failure(code: error.code, detail: error.detail)
      }
    }
  }

  /// Puts the provider's number on record before anything else is thought about it, then gives the machine our key.
  func accept(
    _ row: Instance, as id: MarketID, startedAt: Timestamp? = nil, failure: Failure?
  ) async -> Bool? {
    let changed = await change(row, event: .created) { row, now in
      row.marketID = id
      row.contractStartedAt = startedAt
      row.acceptedAt = now
      row.absences = 0
      row.absentSince = nil
      if let failure {
        row.failure = failure
        row.desired = .destroyed
      }
    }
    guard changed == true, failure == nil else { return changed }
    await attachKey(to: id, of: row)
    return changed
  }

  /// Vast documents both that account keys reach new instances by themselves and that they do not; attaching settles it.
  /// A failure is not the end: the job runner attaches again when it is refused.
  private func attachKey(to id: MarketID, of row: Instance) async {
    do throws(RemoteShellError) {
      let key = try await shell.publicKey()
      do throws(MarketplaceError) {
        try await marketplace.attachKey(key, to: id)
      } catch {
        logger.warning("key not attached yet", metadata: metadata(row, ["code": "\(error.code)"]))
      }
    } catch {
      logger.error("no key to attach", metadata: metadata(row, ["error": "\(error)"]))
    }
  }

  private func tryNextOffer(for row: Instance) async {
    guard var query = row.query, row.offersTried < settings.maximumOffers else {
      _ = await change(row, event: .refused) { row, _ in
        row.failure = Failure(
          code: "offer_taken", detail: "Offer \(row.order.offerID) is no longer available.", isRetryable: true)
      }
      return
    }
    if let machineID = row.machineID { query.excludedMachines.insert(machineID) }
    let wanted = query
    do throws(MarketplaceError) {
      let offers = affordable(
        wanted.selection.rank(try await marketplace.searchOffers(wanted).offers, for: wanted), wanted, for: row)
      let held = heldOffers(choosingFor: row)
      guard let next = offers.first(where: { !held.contains($0.id) }) ?? offers.first else {
        _ = await change(row, event: .refused) { row, _ in
          row.failure = Failure(code: "no_offers", detail: "All offers that fit were taken.", isRetryable: true)
        }
        return
      }
      // What has no room by now is caught before its order leaves.
      _ = await change(row, event: .offerTaken) { row, _ in
        row.query = wanted
        row.orderedAt = nil
        row.adopt(next)
      }
    } catch {
      // The order surely came to nothing; the next offer is looked for when the search works again.
      await giveBack(row)
    }
  }

  /// What is not worth an order because another instance of ours has it. None when the store cannot tell: the order is
  /// then refused at worst.
  private func heldOffers(choosingFor row: Instance) -> Set<Int64> {
    do throws(StoreError) {
      return try store.read { (r) throws(StoreError) in try r.heldOffers() }
    } catch {
      logger.error("instances cannot be read", metadata: metadata(row, ["error": "\(error)"]))
      return []
    }
  }

  /// Surely nothing was made, and the offer may still be there: it does not count as tried.
  private func giveBack(_ row: Instance) async {
    lastOrders.withLock { $0[row.id] = now() }
    _ = await change(row, event: .orderReturned) { row, _ in
      row.orderedAt = nil
      row.offersTried -= 1
    }
  }

  /// Budgets have room for the offer that was taken; another may cost more where they have room for the rest.
  private func affordable(_ offers: [Offer], _ query: OfferQuery, for row: Instance) -> [Offer] {
    do throws(StoreError) {
      let now = now()
      let room = try store.read { (r) throws(StoreError) in try r.budgetRoom(label: row.label, now: now) }
      return offers.filter { offer in
        let more = query.price(of: offer).microdollars - (row.pricePerHour?.microdollars ?? 0)
        guard more > 0 else { return true }
        let rest = Commitment(pricePerHour: Money(microdollars: more), duration: Commitment.openEnded)
        return room.refusal(of: [rest]) == nil
      }
    } catch {
      logger.error("budgets cannot be read", metadata: metadata(row, ["error": "\(error)"]))
      return []
    }
  }

  /// Whether the last order came back a moment ago. Its pause is no sleep: whoever is unwanted meanwhile goes at once.
  func isPausing(_ id: ID<Instance>) -> Bool {
    lastOrders.withLock { $0[id] }.map { now() - $0 < Self.orderPause } ?? false
  }

  /// The row as it is now; nil when it cannot be read, and then nothing is sent.
  func current(_ instance: Instance) -> Instance? {
    do throws(StoreError) {
      return try store.read { (r) throws(StoreError) in try r.instance(instance.id) }
    } catch {
      logger.error("instance cannot be read", metadata: metadata(instance, ["error": "\(error)"]))
      return nil
    }
  }
}
