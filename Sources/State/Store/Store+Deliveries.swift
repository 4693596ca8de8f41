package import Domain

extension StoreReader {
  package func delivery(_ id: ID<Delivery>) throws(StoreError) -> Delivery? {
    try connection.first(
      "SELECT \(deliveryColumns) FROM \(deliveryTables) WHERE deliveries.id = $1", [.text(id.rawValue)], decodeDelivery)
  }

  /// What is to be tried at a moment, the longest due first: the first of each lane.
  package func dueDeliveries(
    of id: ID<Webhook>, at moment: Timestamp, limit: Int
  ) throws(StoreError) -> [Delivery] {
    try connection.all(
      """
      SELECT \(deliveryColumns) FROM \(deliveryTables) WHERE webhook_id = $1 AND next_attempt_at <= $2
      ORDER BY next_attempt_at, number LIMIT $3
      """, [.text(id.rawValue), .moment(moment), .integer(Int64(limit))], decodeDelivery)
  }

  /// The first deliveries of a lane that are not over, in order.
  package func waitingDeliveries(
    of id: ID<Webhook>, lane: String, limit: Int
  ) throws(StoreError) -> [Delivery] {
    try connection.all(
      """
      SELECT \(deliveryColumns) FROM \(deliveryTables) WHERE webhook_id = $1 AND lane = $2 AND state = 'pending'
      ORDER BY number LIMIT $3
      """, [.text(id.rawValue), .text(lane), .integer(Int64(limit))], decodeDelivery)
  }

  /// When the next attempt to a receiver is due; nil when nothing waits for it.
  package func nextDelivery(of id: ID<Webhook>) throws(StoreError) -> Timestamp? {
    try connection.first(
      """
      SELECT next_attempt_at FROM deliveries WHERE webhook_id = $1 AND next_attempt_at IS NOT NULL
      ORDER BY next_attempt_at LIMIT 1
      """, [.text(id.rawValue)]
    ) { row throws(StoreError) in
      var row = RowReader(row)
      return row.moment()
    }
  }

  /// Newest first.
  package func deliveries(
    of id: ID<Webhook>, state: DeliveryState?, _ page: PageRequest
  ) throws(StoreError) -> Page<Delivery> {
    var query = ListQuery(page, ofTable: "deliveries")
    query.require("webhook_id", equals: .text(id.rawValue))
    if let state { query.require("state", equals: .text(state.rawValue)) }
    let found = try connection.all(
      query.text(deliveryColumns, from: deliveryTables), query.parametersWithLimit, decodeDelivery)
    return query.page(found) { PagePosition(createdAt: $0.createdAt, id: $0.id.rawValue) }
  }

  /// How many are on their way to receivers, for the metrics.
  package func pendingDeliveries() throws(StoreError) -> Int {
    try connection.first("SELECT COUNT(*) FROM deliveries WHERE state = 'pending'") { row throws(StoreError) in
      Int(row.integer(0))
    } ?? 0
  }
}

extension StoreTransaction {
  /// Puts an event at the end of its lane to a receiver; due at once when nothing is before it.
  @discardableResult
  package func enqueue(_ recorded: RecordedEvent, for webhook: Webhook) throws(StoreError) -> ID<Delivery> {
    let now = now()
    let id = ID<Delivery>(at: now)
    try connection.run(
      """
      INSERT INTO deliveries (id, webhook_id, lane, position, state, attempts, next_attempt_at, created_at)
      SELECT $1, $2, $3, $4, 'pending', 0,
        CASE WHEN EXISTS (SELECT 1 FROM deliveries WHERE webhook_id = $2 AND lane = $3 AND state = 'pending')
        THEN NULL ELSE $5 END, $6
      """,
      [
        .text(id.rawValue), .text(webhook.id.rawValue), .text(webhook.lane(of: recorded.event.subject)),
        .integer(recorded.position), .moment(now + webhook.format.gathering), .moment(now),
      ])
    return id
  }

  /// What an attempt came to. False when it is not pending any more, or its webhook is gone.
  package func update(_ delivery: Delivery) throws(StoreError) -> Bool {
    try connection.run(
      """
      UPDATE deliveries SET state = $2, attempts = $3, next_attempt_at = $4, first_attempt_at = $5,
        last_attempt_at = $6, last_status = $7, last_error = $8
      WHERE id = $1 AND state = 'pending'
      """,
      [
        .text(delivery.id.rawValue), .text(delivery.state.rawValue), .integer(Int64(delivery.attempts)),
        .moment(delivery.nextAttemptAt), .moment(delivery.firstAttemptAt), .moment(delivery.lastAttemptAt),
        .integer(delivery.lastStatus), .text(delivery.lastError),
      ]) == 1
  }

  /// Makes the first of a lane due, once what was before it is over.
  package func advance(lane: String, of id: ID<Webhook>, at moment: Timestamp) throws(StoreError) {
    try connection.run(
      """
      UPDATE deliveries SET next_attempt_at = $3
      WHERE next_attempt_at IS NULL AND number = (
        SELECT number FROM deliveries WHERE webhook_id = $1 AND lane = $2 AND state = 'pending' ORDER BY number LIMIT 1)
      """, [.text(id.rawValue), .text(lane), .moment(moment)])
  }

  /// Has the oldest that waits for a receiver tried by `moment`, where nothing else is due by then.
  package func probe(_ id: ID<Webhook>, by moment: Timestamp) throws(StoreError) {
    try connection.run(
      """
      UPDATE deliveries SET next_attempt_at = $2
      WHERE number = (
        SELECT number FROM deliveries WHERE webhook_id = $1 AND next_attempt_at IS NOT NULL ORDER BY number LIMIT 1)
      AND NOT EXISTS (SELECT 1 FROM deliveries WHERE webhook_id = $1 AND next_attempt_at <= $2)
      """, [.text(id.rawValue), .moment(moment)])
  }

  /// Gives up the oldest of what waits for a receiver beyond `limit`, some of them at a time: each event that comes brings one.
  package func giveUpOldest(of id: ID<Webhook>, beyond limit: Int) throws(StoreError) {
    let waiting = try connection.first(
      "SELECT COUNT(*) FROM deliveries WHERE webhook_id = $1 AND state = 'pending'", [.text(id.rawValue)]
    ) { row throws(StoreError) in Int(row.integer(0)) }
    guard let waiting, waiting > limit else { return }
    let oldest = try connection.all(
      "SELECT number, lane FROM deliveries WHERE webhook_id = $1 AND state = 'pending' ORDER BY number LIMIT $2",
      [.text(id.rawValue), .integer(Int64(min(waiting - limit, 100)))]
    ) { row throws(StoreError) in
      var row = RowReader(row)
      return (number: row.integer(), lane: row.text())
    }
    for (number, lane) in oldest {
      try connection.run(
        "UPDATE deliveries SET state = 'failed', next_attempt_at = NULL, last_error = $2 WHERE number = $1",
        [.integer(number), .text("The webhook is disabled, and \(limit) newer events wait for it.")])
      try advance(lane: lane, of: id, at: now())
    }
  }

  /// Makes due at once what waits for its next attempt and was not tried since `moment`: its receiver answers again.
  package func hastenDeliveries(of id: ID<Webhook>, notTriedSince moment: Timestamp) throws(StoreError) {
    try connection.run(
      """
      UPDATE deliveries SET next_attempt_at = $2
      WHERE webhook_id = $1 AND next_attempt_at > $2 AND last_attempt_at <= $3
      """, [.text(id.rawValue), .moment(now()), .moment(moment)])
  }

  /// For a receiver that is enabled again: what waits has all its time before it, and goes at once.
  package func renewDeliveries(of id: ID<Webhook>) throws(StoreError) {
    try connection.run(
      """
      UPDATE deliveries SET next_attempt_at = $2, first_attempt_at = NULL, attempts = 0
      WHERE webhook_id = $1 AND next_attempt_at IS NOT NULL
      """, [.text(id.rawValue), .moment(now())])
  }
}

private let deliveryTables = "deliveries JOIN events USING (position)"

private let deliveryColumns = """
  deliveries.id, webhook_id, number, lane, deliveries.created_at, state, attempts, next_attempt_at, first_attempt_at,
  last_attempt_at, last_status, last_error, \(eventColumns)
  """

private func decodeDelivery(_ row: any SQLRow) throws(StoreError) -> Delivery {
  var row = RowReader(row)
  let (id, webhookID): (ID<Delivery>, ID<Webhook>) = (try row.id(), try row.id())
  let (number, lane, createdAt) = (row.integer(), row.text(), row.moment())
  let state: DeliveryState = try row.choice()
  let attempts = row.int()
  let (next, first, last) = (row.optionalMoment(), row.optionalMoment(), row.optionalMoment())
  let (status, error) = (row.optionalInteger(), row.optionalText())
  var delivery = Delivery(
    id: id, webhookID: webhookID, number: number, lane: lane, event: try row.event(), createdAt: createdAt)
  delivery.state = state
  delivery.attempts = attempts
  delivery.nextAttemptAt = next
  delivery.firstAttemptAt = first
  delivery.lastAttemptAt = last
  delivery.lastStatus = status.map { Int($0) }
  delivery.lastError = error
  return delivery
}
