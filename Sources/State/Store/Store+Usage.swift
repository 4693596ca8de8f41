package import Domain

extension StoreReader {
  /// What was spent from `start`, 00:00 UTC of a day, up to `now`: by everything, or by what has a label.
  package func cost(since start: Timestamp, label: String?, now: Timestamp) throws(StoreError) -> Money {
    guard let range = DayRange(from: start, to: now) else { return .zero }
    let closed = label == nil ? "SELECT gpu + storage + transfer FROM ledger_totals" : "SELECT cost FROM ledger_labels"
    let query = """
      \(flowing), used (cost) AS (
        \(closed) WHERE day >= $1 AND day < $2 \(label == nil ? "" : "AND label = $4")
        UNION ALL
        SELECT p.gpu + p.storage FROM pieces AS p
        \(label == nil ? "" : "JOIN instances AS i ON i.id = p.instance_id WHERE i.label = $4"))
      SELECT COALESCE(SUM(cost), 0) FROM used
      """
    return try connection.first(query, parameters(range, now) + (label.map { [.text($0)] } ?? [])) {
      row throws(StoreError) in Money(microdollars: row.integer(0))
    } ?? .zero
  }

  /// One instance's, of its whole life: by the sums, which its history does not slow down, and what flows until `now`. A line that
  /// lies ahead of `now` counts as if its moment had come.
  package func usage(of id: ID<Instance>, now: Timestamp) throws(StoreError) -> Usage {
    var usage =
      try connection.first(
        """
        SELECT NULL, 0, COALESCE(SUM(gpu), 0), COALESCE(SUM(storage), 0), COALESCE(SUM(transfer), 0),
          COALESCE(SUM(gpu_time), 0) FROM ledger_days WHERE instance_id = $1
        """, [.text(id.rawValue)], decodeItem)?.usage ?? Usage()
    let open = try connection.first(
      "SELECT at, gpu_per_hour, storage_per_hour FROM ledger_open WHERE instance_id = $1", [.text(id.rawValue)]
    ) { row throws(StoreError) in
      var row = RowReader(row)
      return BillingEvent(
        instanceID: id, jobID: nil, kind: .rateChanged, at: row.moment(), gpuPerHour: row.money(),
        storagePerHour: row.money())
    }
    for day in open?.accrual(until: now) ?? [] { usage += day.usage }
    return usage
  }

  /// The ledger over some days, added up. What flows still counts up to `now`.
  /// - Parameter limit: of items; what they leave out is in `others`. Days are never left out.
  package func summary(
    _ range: DayRange, by grouping: SummaryGrouping, limit: Int, now: Timestamp
  ) throws(StoreError) -> UsageSummary {
    var summary = UsageSummary(range: range)
    let days = try days(range, now: now)
    summary.total = days.reduce(into: Usage()) { $0 += $1.usage }
    guard let column = grouping.column else {
      summary.items = days
      return summary
    }
    let grouped = """
      \(flowing), used AS (
        SELECT instance_id, gpu, storage, transfer, gpu_time FROM ledger_days WHERE day >= $1 AND day < $2
        UNION ALL SELECT instance_id, gpu, storage, 0, gpu_time FROM pieces),
      grouped AS (
        SELECT \(column) AS item, COUNT(DISTINCT used.instance_id) AS instances, SUM(gpu) AS gpu,
          SUM(storage) AS storage, SUM(transfer) AS transfer, SUM(gpu_time) AS gpu_time
        FROM used JOIN instances AS i ON i.id = used.instance_id GROUP BY \(column))
      """
    summary.items = try connection.all(
      """
      \(grouped) SELECT item, instances, gpu, storage, transfer, gpu_time FROM grouped
      ORDER BY gpu + storage + transfer DESC, item LIMIT $4
      """, parameters(range, now) + [.integer(Int64(limit))], decodeItem)
    guard summary.items.count == limit else { return summary }
    let rest = try connection.first(
      """
      \(grouped) SELECT NULL, COUNT(*), COALESCE(SUM(gpu), 0), COALESCE(SUM(storage), 0), COALESCE(SUM(transfer), 0),
        COALESCE(SUM(gpu_time), 0)
      FROM (SELECT * FROM grouped ORDER BY gpu + storage + transfer DESC, item LIMIT -1 OFFSET $4) AS rest
      """, parameters(range, now) + [.integer(Int64(limit))], decodeItem)
    summary.otherCount = rest?.instances ?? 0
    summary.others = rest?.usage ?? Usage()
    return summary
  }

  package func savings(_ range: DayRange, now: Timestamp) throws(StoreError) -> Savings {
    try connection.first(
      """
      \(flowing), used (gpu, on_demand) AS (
        SELECT bid_gpu, bid_on_demand FROM ledger_totals WHERE day >= $1 AND day < $2
        UNION ALL
        SELECT p.gpu, CAST(ROUND(CAST(i.on_demand_gpu_per_hour AS REAL) * p.gpu_time / 3600000000) AS INTEGER)
        FROM pieces AS p JOIN instances AS i ON i.id = p.instance_id WHERE i.on_demand_gpu_per_hour IS NOT NULL)
      SELECT COALESCE(SUM(gpu), 0), COALESCE(SUM(on_demand), 0) FROM used
      """, parameters(range, now)
    ) { row throws(StoreError) in
      var row = RowReader(row)
      var savings = Savings()
      savings.interruptible = row.money()
      savings.onDemand = row.money()
      return savings
    } ?? Savings()
  }

  /// Days with nothing are left out.
  private func days(_ range: DayRange, now: Timestamp) throws(StoreError) -> [UsageSummary.Item] {
    try connection.all(
      """
      \(flowing), used AS (
        SELECT day, instances, gpu, storage, transfer, gpu_time FROM ledger_totals WHERE day >= $1 AND day < $2
        UNION ALL
        SELECT day, CASE WHEN EXISTS (
            SELECT 1 FROM ledger_days AS l WHERE l.instance_id = pieces.instance_id AND l.day = pieces.day)
          THEN 0 ELSE 1 END, gpu, storage, 0, gpu_time FROM pieces)
      SELECT day, SUM(instances), SUM(gpu), SUM(storage), SUM(transfer), SUM(gpu_time) FROM used
      GROUP BY day ORDER BY day
      """, parameters(range, now)
    ) { row throws(StoreError) in
      var row = RowReader(row)
      return UsageSummary.Item(key: row.moment().date, instances: row.int(), usage: row.usage())
    }
  }

  /// $1 and $2: the days; $3: now.
  private func parameters(_ range: DayRange, _ now: Timestamp) -> [SQLValue] {
    [.moment(range.start), .moment(range.end), .moment(now)]
  }
}

/// What no line has ended yet, cut into UTC days like `BillingEvent.accrual`, to the same micro-dollar.
let flowing = """
  WITH RECURSIVE days (day) AS (
    SELECT $1 WHERE $1 < $2 AND $1 < $3
    UNION ALL
    SELECT day + 86400000000 FROM days WHERE day + 86400000000 < $2 AND day + 86400000000 < $3),
  spans AS (
    SELECT o.instance_id, d.day, o.gpu_per_hour, o.storage_per_hour,
      CASE WHEN d.day + 86400000000 < $3 THEN d.day + 86400000000 ELSE $3 END
        - CASE WHEN o.at > d.day THEN o.at ELSE d.day END AS span
    FROM ledger_open AS o JOIN days AS d ON d.day + 86400000000 > o.at
    WHERE o.gpu_per_hour > 0 OR o.storage_per_hour > 0),
  pieces AS (
    SELECT instance_id, day,
      gpu_per_hour * (span / 3600000000)
        + CAST(ROUND(gpu_per_hour * CAST(span % 3600000000 AS REAL) / 3600000000) AS INTEGER) AS gpu,
      storage_per_hour * (span / 3600000000)
        + CAST(ROUND(storage_per_hour * CAST(span % 3600000000 AS REAL) / 3600000000) AS INTEGER) AS storage,
      CASE WHEN gpu_per_hour > 0 THEN span ELSE 0 END AS gpu_time
    FROM spans WHERE span > 0)
  """

extension SummaryGrouping {
  /// Of `instances AS i`; nil for days.
  fileprivate var column: String? {
    switch self {
    case .day: nil
    case .gpuName: "i.gpu_name"
    case .label: "i.label"
    case .job: "i.job_id"
    case .instance: "i.id"
    }
  }
}

private func decodeItem(_ row: any SQLRow) throws(StoreError) -> UsageSummary.Item {
  var row = RowReader(row)
  return UsageSummary.Item(key: row.optionalText(), instances: row.int(), usage: row.usage())
}

extension RowReader {
  /// GPU, disk and traffic in micro-dollars, and the GPUs' time in microseconds.
  fileprivate mutating func usage() -> Usage {
    var usage = Usage()
    usage.cost.gpu = money()
    usage.cost.storage = money()
    usage.cost.transfer = money()
    usage.gpuTime = .microseconds(integer())
    return usage
  }
}
