/// What the provider itself charged for one instance on one UTC day (`/charges/`): what our own sums are held against.
///
/// Each amount is rounded by the provider to a thousandth of a dollar, so the parts need not add up to the whole. Charges lag
/// by minutes, and those of a day that is not over still grow.
package struct MarketCharge: Sendable, Hashable {
  package var instanceID: MarketID
  /// The instance's label, whole: our tag stands at its end. Nil without one.
  package var label: String?
  /// 00:00 UTC.
  package var dayStart: Timestamp
  /// Everything together.
  package var amount: Money
  /// For the GPUs while they ran.
  package var gpu = Money.zero
  /// For the disk while the instance existed.
  package var disk = Money.zero
  /// For the bytes that the instance received (`bwd`) and sent (`bwu`).
  package var download = Money.zero
  package var upload = Money.zero
  /// Of kinds that have no name here: `sla` is one, a fee less credits, and below zero when the credits are larger.
  package var other = Money.zero

  package init(instanceID: MarketID, label: String? = nil, dayStart: Timestamp, amount: Money) {
    self.instanceID = instanceID
    self.label = label
    self.dayStart = dayStart
    self.amount = amount
  }

  /// The next 00:00 UTC.
  package var dayEnd: Timestamp { dayStart.nextMidnight }

  /// More days are refused: each is a call or more, a second apart, and a failure begins all anew.
  package static let mostDays = 31

  /// When the UTC days begin that a span from `start` up to `end`, without it, touches: the span rounded outwards to whole
  /// days, oldest first. None for a span without length. `.refused` when it runs backwards or has more than `mostDays`.
  package static func days(from start: Timestamp, to end: Timestamp) throws(MarketplaceError) -> [Timestamp] {
    guard start <= end else { throw .refused(code: "invalid_range", detail: "the charges end before they begin") }
    guard end - start <= .seconds(86_400 * mostDays) else {
      throw .refused(code: "invalid_range", detail: "charges of more than \(mostDays) days")
    }
    var days: [Timestamp] = []
    var day = start.midnight
    while day < end {
      days.append(day)
      day = day.nextMidnight
    }
    return days
  }
}
