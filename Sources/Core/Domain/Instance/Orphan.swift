/// An instance that bears our tag and that no row claims, as far as it is known.
package struct Orphan: Sendable, Hashable {
  /// As the last list showed it.
  package var seen: MarketInstance
  /// When the first list that showed it was asked for.
  package var firstSeenAt: Timestamp
  /// When its grace ends. Its destruction is asked for after the first list from then on that still shows it.
  package var destroyAfter: Timestamp
  package var destroyAskedAt: Timestamp?

  package init(
    seen: MarketInstance, firstSeenAt: Timestamp, destroyAfter: Timestamp, destroyAskedAt: Timestamp? = nil
  ) {
    self.seen = seen
    self.firstSeenAt = firstSeenAt
    self.destroyAfter = destroyAfter
    self.destroyAskedAt = destroyAskedAt
  }
}

/// All orphans by one list.
package struct OrphanReport: Sendable, Hashable {
  /// The one found last first.
  package var orphans: [Orphan]
  /// When that list was asked for; nil before the first complete one, and then nothing is known.
  package var asOf: Timestamp?
  /// What flows for something that no list shows; nil while that is not known.
  package var unlistedSpend: UnlistedSpend?

  package init(orphans: [Orphan] = [], asOf: Timestamp? = nil, unlistedSpend: UnlistedSpend? = nil) {
    self.orphans = orphans
    self.asOf = asOf
    self.unlistedSpend = unlistedSpend
  }
}

extension MarketInstance {
  /// The tag, when it names this installation.
  package func tag(of owner: Owner) -> InstanceTag? {
    label.flatMap(InstanceTag.init(inLabel:)).flatMap { $0.owner == owner ? $0 : nil }
  }
}

extension Instance {
  /// Whether this row answers for an instance that bears its tag. When none does it is an orphan: an order that was given
  /// up as never made and came to be all the same, a second contract under one tag, or one that was proved gone and shows
  /// again.
  package func claims(_ seen: MarketID) -> Bool {
    switch state {
    // Without a number yet: the search by tag adopts it.
    case .requested, .creating: marketID == nil || marketID == seen
    case .loading, .running, .stopping, .stopped, .destroying, .lost: marketID == seen
    case .destroyed, .failed: false
    }
  }
}
