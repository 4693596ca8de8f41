package import Domain

extension StoreReader {
  /// A job's, newest first: at most a few are kept.
  package func checkpoints(ofJob id: ID<Job>) throws(StoreError) -> [Checkpoint] {
    try connection.all(
      """
      SELECT id, job_id, attempt, mark, size_bytes, sha256, created_at FROM checkpoints
      WHERE job_id = $1 ORDER BY created_at DESC, id DESC
      """, [.text(id.rawValue)]
    ) { row throws(StoreError) in
      var row = RowReader(row)
      return Checkpoint(
        id: try row.id(), jobID: try row.id(), attempt: row.int(), mark: row.text(), sizeBytes: row.integer(),
        sha256: row.text(), createdAt: row.moment())
    }
  }

  /// Those in force at a moment, newest first.
  package func exclusions(at moment: Timestamp) throws(StoreError) -> [Exclusion] {
    try connection.all(
      """
      SELECT id, machine_id, host_id, reason, job_id, created_at, until FROM exclusions
      WHERE until > $1 ORDER BY created_at DESC, id DESC
      """, [.moment(moment)]
    ) { row throws(StoreError) in
      var row = RowReader(row)
      var exclusion = Exclusion(
        id: try row.id(), machineID: row.integer(), hostID: row.optionalInteger(), reason: row.text(),
        jobID: try row.optionalID(), createdAt: row.moment())
      exclusion.until = row.moment()
      return exclusion
    }
  }
}

extension StoreTransaction {
  package func insert(_ checkpoint: Checkpoint) throws(StoreError) {
    try connection.run(
      """
      INSERT INTO checkpoints (id, job_id, attempt, mark, size_bytes, sha256, created_at)
      VALUES ($1, $2, $3, $4, $5, $6, $7)
      """,
      [
        .text(checkpoint.id.rawValue), .text(checkpoint.jobID.rawValue), .integer(Int64(checkpoint.attempt)),
        .text(checkpoint.mark), .integer(checkpoint.sizeBytes), .text(checkpoint.sha256), .moment(checkpoint.createdAt),
      ])
  }

  package func delete(checkpoint id: ID<Checkpoint>) throws(StoreError) {
    try connection.run("DELETE FROM checkpoints WHERE id = $1", [.text(id.rawValue)])
  }

  package func insert(_ exclusion: Exclusion) throws(StoreError) {
    try connection.run(
      """
      INSERT INTO exclusions (id, machine_id, host_id, reason, job_id, created_at, until)
      VALUES ($1, $2, $3, $4, $5, $6, $7)
      """,
      [
        .text(exclusion.id.rawValue), .integer(exclusion.machineID), .integer(exclusion.hostID),
        .text(exclusion.reason), .id(exclusion.jobID), .moment(exclusion.createdAt), .moment(exclusion.until),
      ])
  }

  /// False when there is none.
  package func delete(exclusion id: ID<Exclusion>) throws(StoreError) -> Bool {
    try connection.run("DELETE FROM exclusions WHERE id = $1", [.text(id.rawValue)]) == 1
  }

  /// Forgets those that were over before a moment. How many.
  package func purgeExclusions(before moment: Timestamp) throws(StoreError) -> Int {
    try connection.run("DELETE FROM exclusions WHERE until <= $1", [.moment(moment)])
  }
}
