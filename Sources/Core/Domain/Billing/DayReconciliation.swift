/// One instance's UTC day between the ledger and the provider's charges: the lines that the ledger lacks, and what is different
/// once it has them.
package struct DayReconciliation: Sendable, Hashable {
  /// To be added; none when all is there, so a second time adds nothing.
  package private(set) var lines: [BillingEvent] = []
  /// The day in the ledger with those lines.
  package let ledger: Cost
  package let comparison: ChargeComparison
  package let isSettled: Bool

  /// Charges lag by minutes; after an hour they are there.
  package static let lag = Duration.seconds(3600)

  /// - Parameter known: all of the instance's lines.
  package init(of instance: Instance, charged: ChargedDay, known: [BillingEvent], now: Timestamp) {
    let day = charged.day
    isSettled = Self.isSettled(
      day, state: instance.state, destroyedAt: instance.destroyedAt, lastSeenAt: instance.lastSeenAt, now: now)
    // Within the day, whenever it becomes known.
    let at = max(day, min(now, day.nextMidnight - .microseconds(1)))
    func line(_ kind: BillingEvent.Kind, _ amount: Cost, _ discriminator: String) -> BillingEvent {
      BillingEvent(
        instanceID: instance.id, jobID: instance.jobID, kind: kind, at: at, amount: amount,
        discriminator: discriminator)
    }
    for (direction, total) in [("download", charged.download), ("upload", charged.upload)] {
      let counted = known.amounts(.transfer, on: day).filter { $0.discriminator.hasPrefix(direction + "/") }
      let missing = total.microdollars - counted.reduce(0) { $0 + $1.amount.transfer.microdollars }
      guard missing > 0 else { continue }
      var amount = Cost.zero
      amount.transfer = Money(microdollars: missing)
      // The sum so far names the line: it only grows.
      lines.append(line(.transfer, amount, "\(direction)/\(total.microdollars)"))
    }
    if isSettled, charged.isWhole(of: instance), let unseen = UnseenShare(of: day, in: known) {
      let amount = Self.adjustment(of: known, charged, within: unseen, now: now)
      let count = known.amounts(.adjusted, on: day).count
      if amount != .zero { lines.append(line(.adjusted, amount, "\(count + 1)")) }
    }
    ledger = (known + lines).usage(until: now)[day]?.cost ?? .zero
    comparison = ChargeComparison(ledger: ledger, charged: charged)
  }

  /// A discrepancy that nobody was told of.
  package func isDue(_ charged: ChargedDay) -> Bool {
    isSettled && !comparison.isWithinTolerance && charged.toldAt == nil
  }

  /// What brings the day's GPU and disk to the provider's whole figures, as far as the unseen span can account for it.
  private static func adjustment(
    of known: [BillingEvent], _ charged: ChargedDay, within unseen: UnseenShare, now: Timestamp
  ) -> Cost {
    let ledger = known.usage(until: now)[charged.day]?.cost ?? .zero
    let former = known.amounts(.adjusted, on: charged.day).reduce(into: Cost.zero) { $0 += $1.amount }
    func part(_ part: KeyPath<Cost, Money>, _ charged: Money, _ bounds: ClosedRange<Int64>) -> Money {
      let former = former[keyPath: part].microdollars
      let missing = charged.microdollars - ledger[keyPath: part].microdollars
      guard missing.magnitude > ChargeComparison.roundingOfPart.microdollars else { return .zero }
      return Money(microdollars: bounds.clamp(former + missing) - former)
    }
    var amount = Cost.zero
    amount.gpu = part(\.gpu, charged.gpu, unseen.gpu)
    amount.storage = part(\.storage, charged.disk, unseen.storage)
    return amount
  }

  /// Whether neither the provider nor the ledger has more to say of the day: it is over, or the machine is gone, for longer than
  /// charges lag; and the machine was looked at after it, or is gone.
  package static func isSettled(
    _ day: Timestamp, state: InstanceState, destroyedAt: Timestamp?, lastSeenAt: Timestamp?, now: Timestamp
  ) -> Bool {
    if state == .destroyed, let destroyedAt, now - destroyedAt > lag { return true }
    let end = day.nextMidnight
    return now - end > lag && (state.isFinal || lastSeenAt.map { $0 >= end } == true)
  }
}

extension ChargedDay {
  /// Whether the figures are all that comes of the day: they were listed when it was over, or the machine gone, for as long as
  /// charges lag. Earlier they are a part, and what is in no list proves nothing: lists have lied.
  package func isWhole(of instance: Instance) -> Bool {
    guard let seenAt else { return false }
    let goneAt = instance.state == .destroyed ? instance.destroyedAt : nil
    return seenAt - min(goneAt ?? day.nextMidnight, day.nextMidnight) >= DayReconciliation.lag
  }
}

extension Sequence<BillingEvent> {
  fileprivate func amounts(_ kind: BillingEvent.Kind, on day: Timestamp) -> [BillingEvent] {
    filter { $0.kind == kind && $0.at.midnight == day }
  }
}
