package import Domain
import JSON

extension StoreReader {
  /// The events that follow a position, oldest first; 0 begins at the first. One writer commits at a time, so that no
  /// event with a lower position appears later than one with a higher.
  package func events(after position: Int64, limit: Int) throws(StoreError) -> [RecordedEvent] {
    try connection.all(
      """
      SELECT position, sequence, id, type, subject, instance_id, job_id, time, data FROM events
      WHERE position > $1 ORDER BY position LIMIT $2
      """, [.integer(position), .integer(Int64(limit))]
    ) { row throws(StoreError) in
      var row = RowReader(row)
      let (position, sequence): (Int64, Int64) = (row.integer(), row.integer())
      let id: ID<FleetEvent> = try row.id()
      var event = FleetEvent(
        type: row.text(), subject: row.text(), instanceID: try row.optionalID(), jobID: try row.optionalID(),
        at: row.moment(), data: try row.optionalDocument()?.facts ?? [:])
      event.id = id
      return RecordedEvent(position: position, sequence: sequence, event: event)
    }
  }
}

extension StoreTransaction {
  /// Records an event in the transaction of the change that it tells of: both are kept or neither.
  package func append(_ event: FleetEvent) throws(StoreError) {
    // A counter row and not MAX(sequence): it stays right when old events are deleted, and two writers of one subject
    // queue on it, so that the numbers follow the order of the commits.
    let sequence = try connection.first(
      """
      INSERT INTO event_sequences (subject, last) VALUES ($1, 1)
      ON CONFLICT (subject) DO UPDATE SET last = event_sequences.last + 1 RETURNING last
      """, [.text(event.subject)]
    ) { row throws(StoreError) in row.integer(0) }
    guard let sequence else { throw .corrupt(detail: "an event got no number") }
    try connection.run(
      """
      INSERT INTO events (id, subject, sequence, type, instance_id, job_id, time, data)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
      """,
      [
        .text(event.id.rawValue), .text(event.subject), .integer(sequence), .text(event.type), .id(event.instanceID),
        .id(event.jobID), .moment(event.time),
        .utf8(event.data.isEmpty ? nil : JSONWriter.document { $0.members(event.data) }),
      ])
  }
}
