package import Domain
package import Locking
import Store

extension Fleet {
  /// The events after one of them, oldest first; all from the first for nil. `.gone` when that one is not kept any more.
  package func events(
    after id: ID<FleetEvent>?, _ filter: EventFilter, limit: Int
  ) throws(FleetError) -> [RecordedEvent] {
    guard let id else { return try events(after: 0, filter, limit: limit) }
    return try events(after: try self.position(after: id), filter, limit: limit)
  }

  package func events(
    after position: Int64, _ filter: EventFilter, limit: Int
  ) throws(FleetError) -> [RecordedEvent] {
    try read { (r) throws(StoreError) in try r.events(after: position, filter, limit: limit) }
  }

  /// Where an event stands, nil when it is not kept any more.
  package func position(of id: ID<FleetEvent>) throws(FleetError) -> Int64? {
    try read { (r) throws(StoreError) in try r.position(of: id) }
  }

  package func lastEventPosition() throws(FleetError) -> Int64 {
    try read { (r) throws(StoreError) in try r.lastPosition() }
  }

  /// Raised when there are new events to read.
  package var eventNews: Signal { store.events }

  /// Names this installation in its events.
  package var eventSource: String { "/vastd/\(store.owner.name)" }

  private func position(after id: ID<FleetEvent>) throws(FleetError) -> Int64 {
    guard let position = try position(of: id) else {
      throw .gone(
        code: "event_expired",
        detail: "There is no event \(id), or it is not kept any more. Read from the first that is: without after.")
    }
    return position
  }
}
