/// An event with its two places: among all, and among those of its subject.
package struct RecordedEvent: Sendable, Hashable {
  /// Grows with every event of this store; never used twice.
  package var position: Int64
  /// 1, 2, 3 … for one subject, without gaps.
  package var sequence: Int64
  package var event: FleetEvent

  package init(position: Int64, sequence: Int64, event: FleetEvent) {
    self.position = position
    self.sequence = sequence
    self.event = event
  }
}
