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
