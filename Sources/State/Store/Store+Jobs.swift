package import Domain

extension StoreReader {
  package func job(_ id: ID<Job>) throws(StoreError) -> Job? {
    try connection.first("SELECT \(jobColumns) FROM jobs WHERE id = $1", [.text(id.rawValue)], decodeJob)
  }

  /// The version alone, for who keeps a rendering of the job; nil when there is none.
  package func jobVersion(_ id: ID<Job>) throws(StoreError) -> Int64? {
    try connection.first("SELECT version FROM jobs WHERE id = $1", [.text(id.rawValue)]) { row throws(StoreError) in
      var row = RowReader(row)
      return row.integer()
    }
  }

  /// Newest first.
  package func jobs(_ filter: JobFilter, _ page: PageRequest) throws(StoreError) -> Page<Job> {
    let query = filter.query(page)
    let jobs = try connection.all(query.text(jobColumns, from: "jobs"), query.parametersWithLimit, decodeJob)
    return query.page(jobs) { PagePosition(createdAt: $0.createdAt, id: $0.id.rawValue) }
  }

  /// The same page as `jobs` gives, without a look at the rows: an index alone answers it.
  package func jobVersions(_ filter: JobFilter, _ page: PageRequest) throws(StoreError) -> Page<JobVersion> {
    let query = filter.query(page)
    let found = try connection.all(
      query.text("id, version, created_at", from: "jobs"), query.parametersWithLimit
    ) { row throws(StoreError) in
      var row = RowReader(row)
      return (version: JobVersion(id: try row.id(), version: row.integer()), createdAt: row.moment())
    }
    let next = query.page(found) { PagePosition(createdAt: $0.createdAt, id: $0.version.id.rawValue) }.next
    return Page(items: found.prefix(query.limit).map(\.version), next: next)
  }

  /// What the job runner has work with: not ended and not waiting for approval; higher priority first, then older.
  package func activeJobs() throws(StoreError) -> [Job] {
    try connection.all(
      """
      SELECT \(jobColumns) FROM jobs WHERE state NOT IN ('awaiting_approval', 'succeeded', 'failed', 'cancelled')
      ORDER BY priority DESC, created_at, id
      """, [], decodeJob)
  }

  /// The jobs of all instances that are neither destroyed nor failed.
  func jobsWithMachines() throws(StoreError) -> [Job] {
    try connection.all(
      """
      SELECT \(jobColumns) FROM jobs WHERE id IN (
        SELECT job_id FROM instances WHERE job_id IS NOT NULL AND state NOT IN ('destroyed', 'failed'))
      """, [], decodeJob)
  }

  /// States that no job is in are left out.
  package func jobCounts() throws(StoreError) -> [JobState: Int] {
    var counts: [JobState: Int] = [:]
    try connection.forEachRow("SELECT state, COUNT(*) FROM jobs GROUP BY state", []) { row throws(StoreError) in
      var row = RowReader(row)
      counts[try row.choice()] = row.int()
    }
    return counts
  }
}

extension StoreTransaction {
  /// Writes a new job with version 0. `.conflict` when its id is taken.
  package func insert(_ job: Job) throws(StoreError) {
    let secrets = job.storedSecrets
    try connection.run(
      """
      INSERT INTO jobs (
        id, version, created_at, input_upload_id, specification, name, priority, state, instance_id, attempt,
        is_cancel_requested, outcome, exit_code, cost, started_at, ended_at, finished_at, verified_at, has_secrets,
        failure, quote, results, failed_machines, attempts, phases)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
        $24, $25)
      """,
      [
        .text(job.id.rawValue), .integer(job.version), .moment(job.createdAt),
        .id(job.specification.inputUploadID),
      ] + job.changeableColumns(hasSecrets: secrets != nil))
    try keepSecrets(secrets, of: job.id.rawValue)
  }

  /// Writes a job back if nobody else has since it was read, and counts its version up, here and in `job`. False when
  /// somebody was faster: nothing is written. An ended job loses its secrets, in the store and in `job`.
  package func update(_ job: inout Job) throws(StoreError) -> Bool {
    if job.state.isFinal { job.specification.wipeSecrets() }
    let secrets = job.storedSecrets
    let changed = try connection.run(
      """
      UPDATE jobs SET
        version = version + 1, specification = $3, name = $4, priority = $5, state = $6, instance_id = $7, attempt = $8,
        is_cancel_requested = $9, outcome = $10, exit_code = $11, cost = $12, started_at = $13, ended_at = $14,
        finished_at = $15, verified_at = $16, has_secrets = $17, failure = $18, quote = $19, results = $20,
        failed_machines = $21, attempts = $22, phases = $23
      WHERE id = $1 AND version = $2
      """,
      [.text(job.id.rawValue), .integer(job.version)] + job.changeableColumns(hasSecrets: secrets != nil))
    guard changed == 1 else { return false }
    job.version += 1
    try keepSecrets(secrets, of: job.id.rawValue)
    return true
  }
}

extension JobFilter {
  fileprivate func query(_ page: PageRequest) -> ListQuery {
    var query = ListQuery(page)
    query.require("state", among: states)
    if let name { query.require("name", equals: .text(name)) }
    return query
  }
}

extension Job {
  fileprivate var storedSecrets: [UInt8]? { state.isFinal ? nil : specification.storedSecrets }

  /// From `specification` to `phases`, in the order of both statements above.
  fileprivate func changeableColumns(hasSecrets: Bool) -> [SQLValue] {
    [
      .utf8(specification.stored), .text(specification.name), .integer(Int64(specification.priority)),
      .text(state.rawValue), .id(instanceID), .integer(Int64(attempt)), .bool(isCancelRequested), .choice(outcome),
      .integer(exitCode), .money(cost), .moment(startedAt), .moment(endedAt), .moment(finishedAt), .moment(verifiedAt),
      .bool(hasSecrets), .utf8(failure?.stored), .utf8(quote?.stored), .utf8(results?.stored),
      .utf8(failedMachines.isEmpty ? nil : failedMachines.stored), .utf8(attempts.isEmpty ? nil : attempts.stored),
      .utf8(phases.isEmpty ? nil : phases.stored),
    ]
  }
}

private let jobColumns = """
  id, specification, state, created_at, version, instance_id, attempt, is_cancel_requested, outcome, exit_code, cost,
  started_at, ended_at, finished_at, verified_at, failure, quote, results, failed_machines, attempts, phases,
  CASE WHEN has_secrets = 1 THEN (SELECT document FROM secrets WHERE subject = jobs.id) END
  """

private func decodeJob(_ row: any SQLRow) throws(StoreError) -> Job {
  var row = RowReader(row)
  var job = Job(
    id: try row.id(), specification: try JobSpecification(stored: try row.document()), state: try row.choice(),
    createdAt: row.moment())
  job.version = row.integer()
  job.instanceID = try row.optionalID()
  job.attempt = row.int()
  job.isCancelRequested = row.bool()
  job.outcome = try row.optionalChoice()
  job.exitCode = row.optionalInteger().map { Int32(truncatingIfNeeded: $0) }
  job.cost = row.money()
  job.startedAt = row.optionalMoment()
  job.endedAt = row.optionalMoment()
  job.finishedAt = row.optionalMoment()
  job.verifiedAt = row.optionalMoment()
  job.failure = try row.optionalDocument().map { Failure(stored: $0) }
  job.quote = try row.optionalDocument().flatMap { Job.Quote(stored: $0) }
  job.results = try row.optionalDocument().flatMap { Job.Results(stored: $0) }
  if let machines = row.optionalBytes() { job.failedMachines = try Set(stored: machines) }
  if let attempts = row.optionalBytes() { job.attempts = try [Job.Attempt](stored: attempts) }
  job.phases = if let phases = row.optionalBytes() { try [Job.Phase](stored: phases) } else { [] }
  if let secrets = try row.optionalDocument() { job.specification.restoreSecrets(secrets) }
  return job
}
