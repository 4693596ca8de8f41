package import Domain

extension StoreReader {
  /// One instance's lines in order of time.
  package func billingEvents(of id: ID<Instance>) throws(StoreError) -> [BillingEvent] {
    try connection.all(
      "SELECT \(lineColumns) FROM ledger WHERE instance_id = $1 ORDER BY at, key", [.text(id.rawValue)]
    ) { row throws(StoreError) in
      var row = RowReader(row)
      return try decodeLine(&row)
    }
  }

  /// One instance's last line of a rate.
  package func lastRate(of id: ID<Instance>) throws(StoreError) -> BillingEvent? {
    try connection.first(
      """
      SELECT \(lineColumns) FROM ledger WHERE instance_id = $1 AND is_rate = 1 ORDER BY at DESC, key DESC LIMIT 1
      """, [.text(id.rawValue)]
    ) { row throws(StoreError) in
      var row = RowReader(row)
      return try decodeLine(&row)
    }
  }

  /// Newest first, each with what its rates came to by `now`.
  package func ledger(
    _ filter: LedgerFilter, _ page: PageRequest, now: Timestamp
  ) throws(StoreError) -> Page<LedgerLine> {
    let query = filter.query(page)
    let columns = """
      \(lineColumns),
        CASE WHEN is_rate = 1 THEN (
          SELECT MIN(later.at) FROM ledger AS later
          WHERE later.instance_id = lines.instance_id AND later.is_rate = 1
            AND (later.at, later.key) > (lines.at, lines.key)) END
      """
    let lines = try connection.all(
      query.text(columns, from: "(SELECT *, at AS created_at, key AS id FROM ledger) AS lines"),
      query.parametersWithLimit
    ) { row throws(StoreError) in
      var row = RowReader(row)
      let event = try decodeLine(&row)
      let until = row.optionalMoment()
      var cost = event.amount
      for day in event.accrual(until: until ?? now) { cost += day.usage.cost }
      return LedgerLine(event: event, until: until, cost: cost)
    }
    return query.page(lines) { PagePosition(createdAt: $0.event.at, id: $0.event.key) }
  }

  /// What flows now, by the hour, of all instances or of those with a label.
  package func burnRate(label: String? = nil) throws(StoreError) -> Money {
    var query = "SELECT COALESCE(SUM(o.gpu_per_hour + o.storage_per_hour), 0) FROM ledger_open AS o"
    if label != nil { query += " JOIN instances AS i ON i.id = o.instance_id WHERE i.label = $1" }
    return try connection.first(query, label.map { [.text($0)] } ?? []) { row throws(StoreError) in
      Money(microdollars: row.integer(0))
    } ?? .zero
  }
}

extension StoreTransaction {
  /// Adds a line to the ledger, and to its sums. The same fact a second time changes nothing, and lines may come in any order;
  /// `.conflict` when the instance is not known.
  package func append(_ entry: BillingEvent) throws(StoreError) {
    let added = try connection.run(
      """
      INSERT INTO ledger (
        key, instance_id, job_id, kind, at, gpu_per_hour, storage_per_hour, gpu_amount, storage_amount, transfer_amount,
        unseen_since, is_rate)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (key) DO NOTHING
      """,
      [
        .text(entry.key), .text(entry.instanceID.rawValue), .id(entry.jobID), .text(entry.kind.rawValue),
        .moment(entry.at), .money(entry.gpuPerHour), .money(entry.storagePerHour), .money(entry.amount.gpu),
        .money(entry.amount.storage), .money(entry.amount.transfer), .moment(entry.unseenSince),
        .bool(entry.kind.isRate),
      ])
    guard added == 1 else { return }
    guard entry.kind.isRate else {
      var usage = Usage()
      usage.cost = entry.amount
      return try count(DayUsage(day: entry.at.midnight, usage: usage), of: entry.instanceID)
    }
    let former = try rate(before: entry)
    let next = try rate(after: entry)
    // What the former line had been counted for up to the next one, which it does not reach any more.
    if let former, let next { try count(former.accrual(until: next.at), of: entry.instanceID, isUndone: true) }
    if let former { try count(former.accrual(until: entry.at), of: entry.instanceID) }
    if let next { try count(entry.accrual(until: next.at), of: entry.instanceID) } else { try open(entry) }
  }

  private func rate(before line: BillingEvent) throws(StoreError) -> BillingEvent? {
    try rate("(at, key) < ($2, $3) ORDER BY at DESC, key DESC", line)
  }

  private func rate(after line: BillingEvent) throws(StoreError) -> BillingEvent? {
    try rate("(at, key) > ($2, $3) ORDER BY at, key", line)
  }

  private func rate(_ condition: String, _ line: BillingEvent) throws(StoreError) -> BillingEvent? {
    try connection.first(
      "SELECT \(lineColumns) FROM ledger WHERE instance_id = $1 AND is_rate = 1 AND \(condition) LIMIT 1",
      [.text(line.instanceID.rawValue), .moment(line.at), .text(line.key)]
    ) { row throws(StoreError) in
      var row = RowReader(row)
      return try decodeLine(&row)
    }
  }

  private func open(_ line: BillingEvent) throws(StoreError) {
    guard line.kind != .stop else {
      try connection.run("DELETE FROM ledger_open WHERE instance_id = $1", [.text(line.instanceID.rawValue)])
      return
    }
    try connection.run(
      """
      INSERT INTO ledger_open (instance_id, at, gpu_per_hour, storage_per_hour) VALUES ($1, $2, $3, $4)
      ON CONFLICT (instance_id) DO UPDATE SET
        at = excluded.at, gpu_per_hour = excluded.gpu_per_hour, storage_per_hour = excluded.storage_per_hour
      """,
      [.text(line.instanceID.rawValue), .moment(line.at), .money(line.gpuPerHour), .money(line.storagePerHour)])
  }

  private func count(
    _ days: [DayUsage], of id: ID<Instance>, isUndone: Bool = false
  ) throws(StoreError) {
    for day in days { try count(day, of: id, isUndone: isUndone) }
  }

  private func count(_ day: DayUsage, of id: ID<Instance>, isUndone: Bool = false) throws(StoreError) {
    let sign: Int64 = isUndone ? -1 : 1
    let cost = day.usage.cost
    let sums: [SQLValue] = [
      cost.gpu.microdollars, cost.storage.microdollars, cost.transfer.microdollars, day.usage.gpuTime.microseconds,
    ].map { .integer(sign * $0) }
    let parameters = [SQLValue.text(id.rawValue), .moment(day.day)] + sums
    let isKnown =
      try connection.run(
        """
        UPDATE ledger_days SET gpu = gpu + $3, storage = storage + $4, transfer = transfer + $5, gpu_time = gpu_time + $6
        WHERE instance_id = $1 AND day = $2
        """, parameters) == 1
    if !isKnown {
      try connection.run(
        """
        INSERT INTO ledger_days (instance_id, day, gpu, storage, transfer, gpu_time) VALUES ($1, $2, $3, $4, $5, $6)
        """, parameters)
    }
    guard let (label, onDemand) = try labelAndOnDemandPrice(of: id) else { return }
    let bid: [SQLValue] =
      onDemand.map { price in
        [cost.gpu, price.perHour(for: day.usage.gpuTime)].map { .integer(sign * $0.microdollars) }
      } ?? [.integer(0), .integer(0)]
    try connection.run(
      """
      INSERT INTO ledger_labels (label, day, cost) VALUES ($1, $2, $3)
      ON CONFLICT (label, day) DO UPDATE SET cost = cost + excluded.cost
      """, [.text(label), .moment(day.day), .integer(sign * cost.total.microdollars)])
    try connection.run(
      """
      INSERT INTO ledger_totals (day, instances, gpu, storage, transfer, gpu_time, bid_gpu, bid_on_demand)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
      ON CONFLICT (day) DO UPDATE SET
        instances = instances + excluded.instances, gpu = gpu + excluded.gpu, storage = storage + excluded.storage,
        transfer = transfer + excluded.transfer, gpu_time = gpu_time + excluded.gpu_time,
        bid_gpu = bid_gpu + excluded.bid_gpu, bid_on_demand = bid_on_demand + excluded.bid_on_demand
      """, [.moment(day.day), .integer(isKnown ? 0 : 1)] + sums + bid)
  }

  private func labelAndOnDemandPrice(
    of id: ID<Instance>
  ) throws(StoreError) -> (label: String, onDemand: Money?)? {
    try connection.first(
      "SELECT label, on_demand_gpu_per_hour FROM instances WHERE id = $1", [.text(id.rawValue)]
    ) { row throws(StoreError) in
      var row = RowReader(row)
      return (label: row.text(), onDemand: row.optionalMoney())
    }
  }
}

extension LedgerFilter {
  fileprivate func query(_ page: PageRequest) -> ListQuery {
    var query = ListQuery(page)
    if let instanceID { query.require("instance_id", equals: .text(instanceID.rawValue)) }
    if let jobID { query.require("job_id", equals: .text(jobID.rawValue)) }
    if let from { query.require("created_at", atLeast: .moment(from)) }
    if let to { query.require("created_at", below: .moment(to)) }
    return query
  }
}

private let lineColumns = """
  instance_id, job_id, kind, at, gpu_per_hour, storage_per_hour, gpu_amount, storage_amount, transfer_amount,
  unseen_since, key
  """

private func decodeLine(_ row: inout RowReader) throws(StoreError) -> BillingEvent {
  let instanceID: ID<Instance> = try row.id()
  let jobID: ID<Job>? = try row.optionalID()
  let kind: BillingEvent.Kind = try row.choice()
  let at = row.moment()
  let rates = (gpu: row.money(), storage: row.money())
  var amount = Cost.zero
  amount.gpu = row.money()
  amount.storage = row.money()
  amount.transfer = row.money()
  let unseenSince = row.optionalMoment()
  let key = row.text()
  guard !kind.isRate else {
    return BillingEvent(
      instanceID: instanceID, jobID: jobID, kind: kind, at: at, gpuPerHour: rates.gpu, storagePerHour: rates.storage,
      unseenSince: unseenSince)
  }
  let parts = key.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
  var line = BillingEvent(
    instanceID: instanceID, jobID: jobID, kind: kind, at: at, amount: amount,
    discriminator: parts.count > 3 ? String(parts[3]) : "")
  line.unseenSince = unseenSince
  return line
}
