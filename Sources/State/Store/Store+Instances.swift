package import Domain

extension StoreReader {
  package func instance(_ id: ID<Instance>) throws(StoreError) -> Instance? {
    try connection.first(
      "SELECT \(instanceColumns) FROM instances WHERE id = $1", [.text(id.rawValue)], decodeInstance)
  }

  /// Newest first.
  package func instances(_ filter: InstanceFilter, _ page: PageRequest) throws(StoreError) -> Page<Instance> {
    let query = filter.query(page)
    let instances = try connection.all(
      query.text(instanceColumns, from: "instances"), query.parametersWithLimit, decodeInstance)
    return query.page(instances) { PagePosition(createdAt: $0.createdAt, id: $0.id.rawValue) }
  }

  /// All that are neither destroyed nor failed, oldest first: what the loops look at.
  package func liveInstances() throws(StoreError) -> [Instance] {
    try connection.all(
      """
      SELECT \(instanceColumns) FROM instances WHERE state NOT IN ('destroyed', 'failed') ORDER BY created_at, id
      """, [], decodeInstance)
  }

  /// The offers behind live instances. Lists of offers may show them for a while; nobody can rent them again.
  package func heldOffers() throws(StoreError) -> Set<Int64> {
    Set(try liveInstances().map(\.order.offerID))
  }

  /// Every machine that served a job, oldest first.
  package func instances(ofJob id: ID<Job>) throws(StoreError) -> [Instance] {
    try connection.all(
      "SELECT \(instanceColumns) FROM instances WHERE job_id = $1 ORDER BY created_at, id", [.text(id.rawValue)],
      decodeInstance)
  }

  /// States that no instance is in are left out.
  package func instanceCounts() throws(StoreError) -> [InstanceState: Int] {
    var counts: [InstanceState: Int] = [:]
    try connection.forEachRow("SELECT state, COUNT(*) FROM instances GROUP BY state", []) { row throws(StoreError) in
      var row = RowReader(row)
      counts[try row.choice()] = row.int()
    }
    return counts
  }

  /// What all instances ever have cost, as of the last look at each.
  package func totalCost() throws(StoreError) -> Money {
    var total = Money.zero
    try connection.forEachRow("SELECT COALESCE(SUM(cost), 0) FROM instances", []) { row throws(StoreError) in
      var row = RowReader(row)
      total = Money(microdollars: Int64(row.int()))
    }
    return total
  }
}

extension StoreTransaction {
  /// Writes a new instance with version 0. `.conflict` when its id or tag is taken, and when its job has a live instance.
  package func insert(_ instance: Instance) throws(StoreError) {
    let secrets = instance.storedSecrets
    try connection.run(
      """
      INSERT INTO instances (
        id, version, created_at, tag, job_id, state, desired, label, market_id, machine_id, host_id, gpu_name, gpu_count,
        region, price_per_hour, storage_per_hour, cost, ordered_at, accepted_at, running_at, stopped_at,
        destroy_asked_at, destroyed_at, last_seen_at, has_secrets, may_revive, on_demand_gpu_per_hour, rental_order,
        offer_query, observation, failure)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
        $24, $25, $26, $27, $28, $29, $30, $31)
      """,
      [
        .text(instance.id.rawValue), .integer(instance.version), .moment(instance.createdAt),
        .text(instance.tag.description), .id(instance.jobID),
      ] + instance.changeableColumns(hasSecrets: secrets != nil))
    try keepSecrets(secrets, of: instance.id.rawValue)
  }

  /// Writes an instance back if nobody else has since it was read, and counts its version up, here and in `instance`.
  /// False when somebody was faster: nothing is written. One that is gone loses the environment and the registry login
  /// of its order, in the store and in `instance`. Its job, tag and time of making stay what they were.
  package func update(_ instance: inout Instance) throws(StoreError) -> Bool {
    if instance.state.isFinal { instance.order.forgetSecrets() }
    let secrets = instance.storedSecrets
    let changed = try connection.run(
      """
      UPDATE instances SET
        version = version + 1, state = $3, desired = $4, label = $5, market_id = $6, machine_id = $7, host_id = $8,
        gpu_name = $9, gpu_count = $10, region = $11, price_per_hour = $12, storage_per_hour = $13, cost = $14,
        ordered_at = $15, accepted_at = $16, running_at = $17, stopped_at = $18, destroy_asked_at = $19,
        destroyed_at = $20, last_seen_at = $21, has_secrets = $22, may_revive = $23,
        on_demand_gpu_per_hour = $24, rental_order = $25, offer_query = $26, observation = $27, failure = $28
      WHERE id = $1 AND version = $2
      """,
      [.text(instance.id.rawValue), .integer(instance.version)]
        + instance.changeableColumns(hasSecrets: secrets != nil))
    guard changed == 1 else { return false }
    instance.version += 1
    try keepSecrets(secrets, of: instance.id.rawValue)
    return true
  }
}

extension InstanceFilter {
  fileprivate func query(_ page: PageRequest) -> ListQuery {
    var query = ListQuery(page)
    query.require("state", among: states)
    if let label { query.require("label", equals: .text(label)) }
    if let jobID { query.require("job_id", equals: .text(jobID.rawValue)) }
    return query
  }
}

extension Instance {
  fileprivate var storedSecrets: [UInt8]? { state.isFinal ? nil : order.storedSecrets }

  /// From `state` to `failure`, in the order of both statements above.
  fileprivate func changeableColumns(hasSecrets: Bool) -> [SQLValue] {
    [
      .text(state.rawValue), .text(desired.rawValue), .text(label), .integer(marketID?.rawValue), .integer(machineID),
      .integer(hostID), .text(gpuName), .integer(Int64(gpuCount)), .text(region), .money(pricePerHour),
      .money(storagePerHour), .money(cost), .moment(orderedAt), .moment(acceptedAt), .moment(runningAt),
      .moment(stoppedAt), .moment(destroyAskedAt), .moment(destroyedAt), .moment(lastSeenAt), .bool(hasSecrets),
      .bool(mayRevive), .money(onDemandGPUPerHour), .utf8(order.stored), .utf8(query?.stored), .utf8(storedObservation),
      .utf8(failure?.stored),
    ]
  }
}

private let instanceColumns = """
  id, rental_order, label, tag, gpu_count, created_at, state, desired, version, offer_query, job_id, market_id,
  machine_id, host_id, gpu_name, region, price_per_hour, storage_per_hour, cost, failure, ordered_at, accepted_at,
  running_at, stopped_at, destroy_asked_at, destroyed_at, last_seen_at, may_revive, on_demand_gpu_per_hour, observation,
  CASE WHEN has_secrets = 1 THEN (SELECT document FROM secrets WHERE subject = instances.id) END
  """

private func decodeInstance(_ row: any SQLRow) throws(StoreError) -> Instance {
  var row = RowReader(row)
  let id: ID<Instance> = try row.id()
  let order = try RentalOrder(stored: try row.document())
  let label = row.text()
  let tagText = row.text()
  guard let tag = InstanceTag(inLabel: tagText) else { throw .corrupt(detail: "'\(tagText)' is no tag") }
  var instance = Instance(
    id: id, order: order, label: label, tag: tag, gpuCount: row.int(), createdAt: row.moment())
  instance.restore(state: try row.choice())
  instance.desired = try row.choice()
  instance.version = row.integer()
  instance.query = try row.optionalDocument().map { OfferQuery(stored: $0) }
  instance.jobID = try row.optionalID()
  instance.marketID = row.optionalInteger().map { MarketID($0) }
  instance.machineID = row.optionalInteger()
  instance.hostID = row.optionalInteger()
  instance.gpuName = row.optionalText()
  instance.region = row.optionalText()
  instance.pricePerHour = row.optionalMoney()
  instance.storagePerHour = row.optionalMoney()
  instance.cost = row.money()
  instance.failure = try row.optionalDocument().map { Failure(stored: $0) }
  instance.orderedAt = row.optionalMoment()
  instance.acceptedAt = row.optionalMoment()
  instance.runningAt = row.optionalMoment()
  instance.stoppedAt = row.optionalMoment()
  instance.destroyAskedAt = row.optionalMoment()
  instance.destroyedAt = row.optionalMoment()
  instance.lastSeenAt = row.optionalMoment()
  instance.mayRevive = row.bool()
  instance.onDemandGPUPerHour = row.optionalMoney()
  if let observation = try row.optionalDocument() { instance.restoreObservation(observation) }
  if let secrets = try row.optionalDocument() { instance.order.restoreSecrets(secrets) }
  return instance
}
