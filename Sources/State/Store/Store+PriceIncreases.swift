package import Domain

extension StoreReader {
  package func priceIncrease(_ id: ID<AnnouncedIncrease>) throws(StoreError) -> AnnouncedIncrease? {
    try connection.first(
      "SELECT \(increaseColumns) FROM price_increases WHERE id = $1", [.text(id.rawValue)], decodeIncrease)
  }

  /// By the provider's number.
  package func priceIncrease(_ id: PriceIncreaseID) throws(StoreError) -> AnnouncedIncrease? {
    try connection.first(
      "SELECT \(increaseColumns) FROM price_increases WHERE provider_id = $1", [.integer(id.rawValue)], decodeIncrease)
  }

  /// Newest first.
  package func priceIncreases(
    _ filter: PriceIncreaseFilter, _ page: PageRequest
  ) throws(StoreError) -> Page<AnnouncedIncrease> {
    var query = ListQuery(page)
    switch filter {
    case .open: query.require(absent: "closed_at")
    case .all: break
    }
    let increases = try connection.all(
      query.text(increaseColumns, from: "price_increases"), query.parametersWithLimit, decodeIncrease)
    return query.page(increases) { PagePosition(createdAt: $0.firstSeenAt, id: $0.id.rawValue) }
  }

  /// All that wait for an answer, oldest first.
  package func openPriceIncreases() throws(StoreError) -> [AnnouncedIncrease] {
    try connection.all(
      "SELECT \(increaseColumns) FROM price_increases WHERE closed_at IS NULL ORDER BY created_at, id", [],
      decodeIncrease)
  }
}

extension StoreTransaction {
  /// Writes a new one. `.conflict` when its id or the provider's number is taken.
  package func insert(_ increase: AnnouncedIncrease) throws(StoreError) {
    try connection.run(
      """
      INSERT INTO price_increases (
        id, provider_id, instance_id, created_at, deadline, price_per_hour, new_price_per_hour, is_listed,
        accept_asked_at, refuse_asked_at, answer, answered_at, closed_at, terms)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
      """,
      [
        .text(increase.id.rawValue), .integer(increase.terms.id.rawValue), .text(increase.instanceID.rawValue),
        .moment(increase.firstSeenAt),
      ] + increase.changeableColumns)
  }

  /// Writes one back that was read in this transaction.
  package func update(_ increase: AnnouncedIncrease) throws(StoreError) {
    try connection.run(
      """
      UPDATE price_increases SET
        deadline = $2, price_per_hour = $3, new_price_per_hour = $4, is_listed = $5, accept_asked_at = $6,
        refuse_asked_at = $7, answer = $8, answered_at = $9, closed_at = $10, terms = $11
      WHERE id = $1
      """, [.text(increase.id.rawValue)] + increase.changeableColumns)
  }
}

extension AnnouncedIncrease {
  /// From `deadline` to `terms`, in the order of both statements above.
  fileprivate var changeableColumns: [SQLValue] {
    [
      .moment(terms.deadline), .money(pricePerHour?.old), .money(pricePerHour?.new), .bool(isListed),
      .moment(asked[.accepted]), .moment(asked[.refused]), .choice(answer), .moment(answeredAt), .moment(closedAt),
      .utf8(terms.stored),
    ]
  }
}

private let increaseColumns = """
  id, instance_id, (SELECT job_id FROM instances WHERE instances.id = instance_id), provider_id, terms, created_at,
  deadline, price_per_hour, new_price_per_hour, is_listed, accept_asked_at, refuse_asked_at, answer, answered_at,
  closed_at
  """

private func decodeIncrease(_ row: any SQLRow) throws(StoreError) -> AnnouncedIncrease {
  var row = RowReader(row)
  let id: ID<AnnouncedIncrease> = try row.id()
  let instanceID: ID<Instance> = try row.id()
  let jobID: ID<Job>? = try row.optionalID()
  let terms = try PriceIncrease(id: PriceIncreaseID(row.integer()), stored: try row.document())
  var increase = AnnouncedIncrease(
    id: id, instanceID: instanceID, jobID: jobID, terms: terms, firstSeenAt: row.moment())
  increase.terms.deadline = row.optionalMoment()
  let (old, new) = (row.optionalMoney(), row.optionalMoney())
  increase.pricePerHour = new.map { PriceIncrease.Change(from: old, to: $0) }
  increase.isListed = row.bool()
  var asked: [AnnouncedIncrease.Answer: Timestamp] = [:]
  asked[.accepted] = row.optionalMoment()
  asked[.refused] = row.optionalMoment()
  increase.restore(
    asked: asked, answer: try row.optionalChoice(), answeredAt: row.optionalMoment(), closedAt: row.optionalMoment())
  return increase
}
