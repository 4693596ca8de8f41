/// The ledger of one instance's UTC day held against what the provider charged for it.
package struct ChargeComparison: Sendable, Hashable {
  /// Ledger less charge: above zero where the ledger has more.
  package let difference: Money
  /// As much of it as rounding and the provider's fees and credits account for.
  package let explained: Money
  /// What nothing accounts for.
  package let rest: Money
  package let isWithinTolerance: Bool

  /// Half of the thousandth of a dollar to which the provider rounds each part of a charge.
  package static let roundingOfPart = Money(microdollars: 500)
  /// A rest up to a cent, or up to a hundredth of the charge, is no discrepancy: looks at a machine are seconds apart.
  package static let toleratedRest = Money(microdollars: 10_000)
  package static let toleratedShare: Int64 = 100

  package init(ledger: Cost, charged: ChargedDay) {
    let difference = ledger.total.microdollars - charged.amount.microdollars
    let withoutOther = difference + charged.other.microdollars
    let rounding = Int64(charged.parts) * Self.roundingOfPart.microdollars
    let size = max(0, Int64(withoutOther.magnitude) - rounding)
    let rest = withoutOther < 0 ? -size : size
    self.difference = Money(microdollars: difference)
    self.rest = Money(microdollars: rest)
    explained = Money(microdollars: difference - rest)
    isWithinTolerance =
      size <= Self.toleratedRest.microdollars
      || size <= Int64(charged.amount.microdollars.magnitude) / Self.toleratedShare
  }
}
