/// What a job wants kept of its progress while it runs.
package struct CheckpointPolicy: Sendable, Hashable {
  /// A folder below the job's own: copied when its files have changed and stand still.
  package var path: String
  package var interval: Duration

  package init(path: String = "checkpoints/", interval: Duration = .seconds(300)) {
    self.path = path
    self.interval = interval
  }
}

/// A copy of a job's checkpoint folder, whole and checked, in the data directory.
package struct Checkpoint: Sendable, Hashable, Identified {
  package static let idPrefix = "chk"

  package var id: ID<Checkpoint>
  package var jobID: ID<Job>
  /// Whose work it is.
  package var attempt: Int
  /// Stands for the names, sizes and times of the files that were packed: the same again is not copied again.
  package var mark: String
  package var sizeBytes: Int64
  package var sha256: String
  package var createdAt: Timestamp

  package init(
    id: ID<Checkpoint>, jobID: ID<Job>, attempt: Int, mark: String, sizeBytes: Int64, sha256: String,
    createdAt: Timestamp
  ) {
    self.id = id
    self.jobID = jobID
    self.attempt = attempt
    self.mark = mark
    self.sizeBytes = sizeBytes
    self.sha256 = sha256
    self.createdAt = createdAt
  }
}
