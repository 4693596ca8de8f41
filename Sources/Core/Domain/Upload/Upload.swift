/// A tar.gz that a caller sent for a job: a file in the data directory and this row.
package struct Upload: Sendable, Hashable, Identified {
  package static let idPrefix = "upl"

  package var id: ID<Upload>
  /// Of the bytes as received, in lower-case hex.
  package var sha256: String
  package var sizeBytes: Int64
  package var createdAt: Timestamp

  package init(id: ID<Upload>, sha256: String, sizeBytes: Int64, createdAt: Timestamp) {
    self.id = id
    self.sha256 = sha256
    self.sizeBytes = sizeBytes
    self.createdAt = createdAt
  }
}
