package import Domain

extension StoreReader {
  /// What was charged on a UTC day, of our instances.
  package func chargedDays(on day: Timestamp) throws(StoreError) -> [ChargedDay] {
    try connection.all(
      "SELECT \(chargeColumns) FROM charges WHERE day = $1 ORDER BY instance_id", [.moment(day)], decodeChargedDay)
  }

  /// What was charged for one instance on a UTC day; nil when that was never listed and nobody was told.
  package func chargedDay(of id: ID<Instance>, on day: Timestamp) throws(StoreError) -> ChargedDay? {
    try connection.first(
      "SELECT \(chargeColumns) FROM charges WHERE instance_id = $1 AND day = $2",
      [.text(id.rawValue), .moment(day)], decodeChargedDay)
  }

  /// Whose ledger has something on a UTC day, or whose account is still open on it.
  package func instancesInLedger(on day: Timestamp) throws(StoreError) -> [ID<Instance>] {
    try connection.all(
      """
      SELECT instance_id FROM ledger_days WHERE day = $1
      UNION
      SELECT instance_id FROM ledger_open WHERE at < $2 AND (gpu_per_hour > 0 OR storage_per_hour > 0)
      ORDER BY instance_id
      """, [.moment(day), .moment(day.nextMidnight)]
    ) { row throws(StoreError) in
      var row = RowReader(row)
      return try row.id()
    }
  }

  /// Whose contract a charge names: by the provider's number, else by the tag in its label. Nil for strangers'.
  package func instance(of charge: MarketCharge) throws(StoreError) -> Instance? {
    let id: ID<Instance>? = try connection.first(
      "SELECT id FROM instances WHERE market_id = $1 ORDER BY created_at DESC LIMIT 1",
      [.integer(charge.instanceID.rawValue)]
    ) { row throws(StoreError) in
      var row = RowReader(row)
      return try row.id()
    }
    if let id { return try instance(id) }
    guard let tag = charge.label.flatMap({ InstanceTag(inLabel: $0) }), let named = try instance(tag.instanceID),
      named.tag == tag
    else { return nil }
    return named
  }

  /// When the first instance was made; nil before there was one.
  package func firstInstanceAt() throws(StoreError) -> Timestamp? {
    try connection.first("SELECT MIN(created_at) FROM instances") { row throws(StoreError) in
      var row = RowReader(row)
      return row.optionalMoment()
    }.flatMap { $0 }
  }

  package func chargeProgress() throws(StoreError) -> ChargeProgress {
    var progress = ChargeProgress()
    progress.settledBefore = try moment(of: .settledBefore)
    progress.lastRunAt = try moment(of: .lastRunAt)
    progress.failure = try setting(ProgressSetting.failure.rawValue).map { (text) throws(StoreError) in
      Failure(stored: try StoredDocument(Array(text.utf8)))
    }
    return progress
  }

  private func moment(of name: ProgressSetting) throws(StoreError) -> Timestamp? {
    try setting(name.rawValue).flatMap { Int64($0) }.map { Timestamp(microseconds: $0) }
  }

  /// The ledger of some days against what was charged, the newest day first; what flows still counts up to `now`. A page's
  /// position is the day and the instance's id. Costs a row for each instance and day, since the totals are of all.
  package func reconciliation(
    _ range: DayRange, _ request: PageRequest, now: Timestamp
  ) throws(StoreError) -> Reconciliation {
    var result = Reconciliation(range: range, page: Page(items: [], next: nil))
    let limit = min(max(request.limit, 1), ListQuery.maximumLimit)
    try connection.forEachRow(
      """
      \(flowing), used AS (
        SELECT instance_id, day, gpu, storage, transfer FROM ledger_days WHERE day >= $1 AND day < $2
        UNION ALL SELECT instance_id, day, gpu, storage, 0 FROM pieces),
      sums AS (
        SELECT instance_id, day, SUM(gpu) AS gpu, SUM(storage) AS storage, SUM(transfer) AS transfer FROM used
        GROUP BY instance_id, day),
      known AS (
        SELECT instance_id, day FROM sums
        UNION SELECT instance_id, day FROM charges WHERE day >= $1 AND day < $2)
      SELECT known.instance_id, known.day, i.market_id, i.label, i.job_id, i.state, i.destroyed_at, i.last_seen_at,
        COALESCE(s.gpu, 0), COALESCE(s.storage, 0), COALESCE(s.transfer, 0),
        EXISTS (
          SELECT 1 FROM ledger AS l WHERE l.instance_id = known.instance_id AND l.at > known.day
            AND l.unseen_since < known.day + 86400000000),
        COALESCE(c.amount, 0), COALESCE(c.gpu, 0), COALESCE(c.disk, 0), COALESCE(c.download, 0), COALESCE(c.upload, 0),
        COALESCE(c.other, 0), c.seen_at, c.told_at
      FROM known JOIN instances AS i ON i.id = known.instance_id
      LEFT JOIN sums AS s ON s.instance_id = known.instance_id AND s.day = known.day
      LEFT JOIN charges AS c ON c.instance_id = known.instance_id AND c.day = known.day
      ORDER BY known.day DESC, known.instance_id DESC
      """, [.moment(range.start), .moment(range.end), .moment(now)]
    ) { row throws(StoreError) in
      let day = try decodeReconciledDay(row, now: now)
      result.totals.add(day)
      if let before = request.before {
        let id = day.charged.instanceID.rawValue
        guard (day.charged.day, id) < (before.createdAt, before.id) else { return }
      }
      guard result.page.items.count < limit else {
        result.page.next = result.page.next ?? result.page.items.last?.position
        return
      }
      result.page.items.append(day)
    }
    let progress = try chargeProgress()
    result.lastRunAt = progress.lastRunAt
    result.failure = progress.failure
    return result
  }
}

extension StoreTransaction {
  /// Puts down what was charged, over what was known before. Who was told of it stays.
  package func keep(_ charged: ChargedDay) throws(StoreError) {
    try connection.run(
      """
      INSERT INTO charges (instance_id, day, amount, gpu, disk, download, upload, other, seen_at)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
      ON CONFLICT (instance_id, day) DO UPDATE SET
        amount = excluded.amount, gpu = excluded.gpu, disk = excluded.disk, download = excluded.download,
        upload = excluded.upload, other = excluded.other, seen_at = excluded.seen_at
      """,
      [
        .text(charged.instanceID.rawValue), .moment(charged.day), .money(charged.amount), .money(charged.gpu),
        .money(charged.disk), .money(charged.download), .money(charged.upload), .money(charged.other),
        .moment(charged.seenAt),
      ])
  }

  /// Remembers that a discrepancy was told; for a day of which nothing was listed too.
  package func noteTold(_ charged: ChargedDay, at moment: Timestamp) throws(StoreError) {
    try connection.run(
      """
      INSERT INTO charges (instance_id, day, amount, gpu, disk, download, upload, other, told_at)
      VALUES ($1, $2, 0, 0, 0, 0, 0, 0, $3)
      ON CONFLICT (instance_id, day) DO UPDATE SET told_at = excluded.told_at
      """, [.text(charged.instanceID.rawValue), .moment(charged.day), .moment(moment)])
  }

  package func keep(_ progress: ChargeProgress) throws(StoreError) {
    try keep(progress.settledBefore.map { String($0.microseconds) }, as: .settledBefore)
    try keep(progress.lastRunAt.map { String($0.microseconds) }, as: .lastRunAt)
    try keep(progress.failure.map { String(decoding: $0.stored, as: UTF8.self) }, as: .failure)
  }

  private func keep(_ value: String?, as name: ProgressSetting) throws(StoreError) {
    if let value { try setSetting(name.rawValue, value) } else { try removeSetting(name.rawValue) }
  }
}

/// The settings that hold `ChargeProgress`.
private enum ProgressSetting: String {
  case settledBefore = "charges_settled_before"
  case lastRunAt = "charges_last_run_at"
  case failure = "charges_failure"
}

private let chargeColumns = "instance_id, day, amount, gpu, disk, download, upload, other, seen_at, told_at"

private func decodeChargedDay(_ row: any SQLRow) throws(StoreError) -> ChargedDay {
  var row = RowReader(row)
  let id: ID<Instance> = try row.id()
  return row.chargedDay(of: id, on: row.moment())
}

private func decodeReconciledDay(_ row: any SQLRow, now: Timestamp) throws(StoreError) -> ReconciledDay {
  var row = RowReader(row)
  let id: ID<Instance> = try row.id()
  let day = row.moment()
  let marketID = row.optionalInteger().map { MarketID($0) }
  let label = row.text()
  let jobID: ID<Job>? = try row.optionalID()
  let isSettled = DayReconciliation.isSettled(
    day, state: try row.choice(), destroyedAt: row.optionalMoment(), lastSeenAt: row.optionalMoment(), now: now)
  var ledger = Cost.zero
  ledger.gpu = row.money()
  ledger.storage = row.money()
  ledger.transfer = row.money()
  let hasUnseenGap = row.bool()
  return ReconciledDay(
    marketID: marketID, label: label, jobID: jobID, ledger: ledger, charged: row.chargedDay(of: id, on: day),
    isSettled: isSettled, hasUnseenGap: hasUnseenGap)
}

extension ReconciledDay {
  fileprivate var position: PagePosition {
    PagePosition(createdAt: charged.day, id: charged.instanceID.rawValue)
  }
}

extension RowReader {
  /// From `amount` to `told_at`.
  fileprivate mutating func chargedDay(of id: ID<Instance>, on day: Timestamp) -> ChargedDay {
    var charged = ChargedDay(instanceID: id, day: day)
    charged.amount = money()
    charged.gpu = money()
    charged.disk = money()
    charged.download = money()
    charged.upload = money()
    charged.other = money()
    charged.seenAt = optionalMoment()
    charged.toldAt = optionalMoment()
    return charged
  }
}
