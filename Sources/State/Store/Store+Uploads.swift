package import Domain

extension StoreReader {
  package func upload(_ id: ID<Upload>) throws(StoreError) -> Upload? {
    try connection.first(
      "SELECT id, sha256, size_bytes, created_at FROM uploads WHERE id = $1", [.text(id.rawValue)], decodeUpload)
  }

  /// Uploads made before `moment` that no unfinished job needs, oldest first: their files may go, then their rows.
  package func unusedUploads(olderThan moment: Timestamp) throws(StoreError) -> [Upload] {
    try connection.all(
      """
      SELECT id, sha256, size_bytes, created_at FROM uploads WHERE created_at < $1 AND NOT EXISTS (
        SELECT 1 FROM jobs WHERE jobs.input_upload_id = uploads.id
          AND jobs.state NOT IN ('succeeded', 'failed', 'cancelled'))
      ORDER BY created_at, id
      """, [.moment(moment)], decodeUpload)
  }
}

extension StoreTransaction {
  package func insert(_ upload: Upload) throws(StoreError) {
    try connection.run(
      "INSERT INTO uploads (id, sha256, size_bytes, created_at) VALUES ($1, $2, $3, $4)",
      [.text(upload.id.rawValue), .text(upload.sha256), .integer(upload.sizeBytes), .moment(upload.createdAt)])
  }

  /// Forgets an upload; one that is not there is fine.
  package func delete(upload id: ID<Upload>) throws(StoreError) {
    try connection.run("DELETE FROM uploads WHERE id = $1", [.text(id.rawValue)])
  }
}

private func decodeUpload(_ row: any SQLRow) throws(StoreError) -> Upload {
  var row = RowReader(row)
  return Upload(id: try row.id(), sha256: row.text(), sizeBytes: row.integer(), createdAt: row.moment())
}
