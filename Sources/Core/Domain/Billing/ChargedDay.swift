/// What the provider charged for one instance of ours on one UTC day, as far as it has said.
package struct ChargedDay: Sendable, Hashable {
  package var instanceID: ID<Instance>
  /// 00:00 UTC.
  package var day: Timestamp
  /// Everything together: rounded by the provider, like each part, so the parts need not add up to it.
  package var amount = Money.zero
  package var gpu = Money.zero
  package var disk = Money.zero
  package var download = Money.zero
  package var upload = Money.zero
  /// What the ledger has no line for: fees and credits.
  package var other = Money.zero
  /// When a list held it: in the store the first to show these figures, or the first that showed them whole. Nil when none
  /// did, and all amounts are zero.
  package var seenAt: Timestamp?
  /// When a discrepancy of the day was told; it is told once.
  package var toldAt: Timestamp?

  package init(instanceID: ID<Instance>, day: Timestamp) {
    self.instanceID = instanceID
    self.day = day
  }

  /// Takes in what a list shows. Several contracts may bear one instance's tag, when an order went out twice.
  package mutating func add(_ charge: MarketCharge, seenAt moment: Timestamp) {
    amount += charge.amount
    gpu += charge.gpu
    disk += charge.disk
    download += charge.download
    upload += charge.upload
    other += charge.other
    seenAt = moment
  }

  /// Whether nothing but the moments differs.
  package func hasFigures(of other: ChargedDay) -> Bool {
    var other = other
    (other.seenAt, other.toldAt) = (seenAt, toldAt)
    return self == other
  }

  package var transfer: Money { download + upload }

  /// How many figures the provider rounded.
  package var parts: Int { [gpu, disk, download, upload, other].count { $0 != .zero } }
}
