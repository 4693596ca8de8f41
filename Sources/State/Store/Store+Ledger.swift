package import Domain

extension StoreReader {
  /// One instance's lines in order of time.
  package func billingEvents(of id: ID<Instance>) throws(StoreError) -> [BillingEvent] {
    try connection.all(
      """
      SELECT instance_id, job_id, kind, at, gpu_per_hour, storage_per_hour FROM ledger
      WHERE instance_id = $1 ORDER BY at, position
      """, [.text(id.rawValue)]
    ) { row throws(StoreError) in
      var row = RowReader(row)
      return BillingEvent(
        instanceID: try row.id(), jobID: try row.optionalID(), kind: try row.choice(), at: row.moment(),
        gpuPerHour: row.money(), storagePerHour: row.money())
    }
  }
}

extension StoreTransaction {
  /// Adds a line to the ledger. The same fact a second time changes nothing; `.conflict` when the instance is not known.
  package func append(_ entry: BillingEvent) throws(StoreError) {
    try connection.run(
      """
      INSERT INTO ledger (key, instance_id, job_id, kind, at, gpu_per_hour, storage_per_hour)
      VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (key) DO NOTHING
      """,
      [
        .text(entry.key), .text(entry.instanceID.rawValue), .id(entry.jobID), .text(entry.kind.rawValue),
        .moment(entry.at), .money(entry.gpuPerHour), .money(entry.storagePerHour),
      ])
  }
}
