package import Domain
import JSON

extension StoreReader {
  /// The events that follow a position, oldest first; 0 begins at the first. One writer commits at a time, so that no
  /// event with a lower position appears later than one with a higher.
  package func events(
    after position: Int64, _ filter: EventFilter = EventFilter(), limit: Int
  ) throws(StoreError) -> [RecordedEvent] {
    var conditions = ["position > $1"]
    var parameters: [SQLValue] = [.integer(position), .integer(Int64(limit))]
    func require(_ column: String, _ text: String?) {
      guard let text else { return }
      parameters.append(.text(text))
      conditions.append("\(column) = $\(parameters.count)")
    }
    require("type", filter.type)
    require("instance_id", filter.instanceID?.rawValue)
    require("job_id", filter.jobID?.rawValue)
    return try connection.all(
      "SELECT \(eventColumns) FROM events WHERE \(conditions.joined(separator: " AND ")) ORDER BY position LIMIT $2",
      parameters
    ) { row throws(StoreError) in
      var row = RowReader(row)
      return try row.event()
    }
  }

  /// Where an event stands among all; nil when there is none of this id, or none any more.
  package func position(of id: ID<FleetEvent>) throws(StoreError) -> Int64? {
    try connection.first("SELECT position FROM events WHERE id = $1", [.text(id.rawValue)]) { row throws(StoreError) in
      row.integer(0)
    }
  }

  /// The last event's; 0 before the first.
  package func lastPosition() throws(StoreError) -> Int64 {
    try connection.first("SELECT COALESCE(MAX(position), 0) FROM events") { row throws(StoreError) in row.integer(0) }
      ?? 0
  }
}

extension StoreTransaction {
  /// Records an event in the transaction of the change that it tells of, with its deliveries: all are kept or none.
  package func append(_ event: FleetEvent) throws(StoreError) {
    let recorded = try record(event)
    for webhook in try webhooks() where webhook.isOwed(event) {
      try enqueue(recorded, for: webhook)
      if !webhook.isEnabled { try giveUpOldest(of: webhook.id, beyond: Webhook.mostKept) }
    }
  }

  /// Records an event that goes to one receiver alone.
  package func append(_ event: FleetEvent, onlyFor webhook: Webhook) throws(StoreError) -> ID<Delivery> {
    try enqueue(try record(event), for: webhook)
  }

  private func record(_ event: FleetEvent) throws(StoreError) -> RecordedEvent {
    // A counter row and not MAX(sequence): it stays right when old events are deleted, and two writers of one subject
    // queue on it, so that the numbers follow the order of the commits.
    let sequence = try connection.first(
      """
      INSERT INTO event_sequences (subject, last) VALUES ($1, 1)
      ON CONFLICT (subject) DO UPDATE SET last = event_sequences.last + 1 RETURNING last
      """, [.text(event.subject)]
    ) { row throws(StoreError) in row.integer(0) }
    guard let sequence else { throw .corrupt(detail: "an event got no number") }
    let position = try connection.first(
      """
      INSERT INTO events (id, subject, sequence, type, instance_id, job_id, time, data)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING position
      """,
      [
        .text(event.id.rawValue), .text(event.subject), .integer(sequence), .text(event.type), .id(event.instanceID),
        .id(event.jobID), .moment(event.time),
        .utf8(event.data.isEmpty ? nil : JSONWriter.document { $0.members(event.data) }),
      ]
    ) { row throws(StoreError) in row.integer(0) }
    guard let position else { throw .corrupt(detail: "an event got no position") }
    hasAppendedEvents = true
    return RecordedEvent(position: position, sequence: sequence, event: event)
  }

  /// Forgets events from before `moment` that are on their way to nobody, at most `limit`, with the deliveries that told of
  /// them. A receiver that is disabled holds none back. How many.
  package func purgeEvents(before moment: Timestamp, limit: Int) throws(StoreError) -> Int {
    let old = try connection.all(
      """
      SELECT position FROM events WHERE time < $1
        AND NOT EXISTS (
          SELECT 1 FROM deliveries JOIN webhooks ON webhooks.id = webhook_id
          WHERE position = events.position AND state = 'pending' AND is_enabled = 1)
      ORDER BY time LIMIT $2
      """, [.moment(moment), .integer(Int64(limit))]
    ) { row throws(StoreError) in row.integer(0) }
    for position in old { try forget(position) }
    return old.count
  }

  private func forget(_ position: Int64) throws(StoreError) {
    let lanes = try connection.all(
      "SELECT webhook_id, lane FROM deliveries WHERE position = $1 AND state = 'pending'", [.integer(position)]
    ) { row throws(StoreError) in
      var row = RowReader(row)
      let id: ID<Webhook> = try row.id()
      return (id, row.text())
    }
    try connection.run("DELETE FROM deliveries WHERE position = $1", [.integer(position)])
    for (id, lane) in lanes { try advance(lane: lane, of: id, at: now()) }
    try connection.run("DELETE FROM events WHERE position = $1", [.integer(position)])
  }
}

let eventColumns = "position, sequence, events.id, type, subject, instance_id, job_id, time, data"

extension RowReader {
  /// The columns of `eventColumns`.
  mutating func event() throws(StoreError) -> RecordedEvent {
    let (position, sequence) = (integer(), integer())
    let id: ID<FleetEvent> = try id()
    var event = FleetEvent(
      type: text(), subject: text(), instanceID: try optionalID(), jobID: try optionalID(), at: moment(),
      data: try optionalDocument()?.facts ?? [:])
    event.id = id
    return RecordedEvent(position: position, sequence: sequence, event: event)
  }
}
