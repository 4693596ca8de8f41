import Artifacts
package import Domain
import Store

/// A checkpoint with its bytes at hand.
package struct CheckpointFile: Sendable {
  package var checkpoint: Checkpoint
  package var path: String
}

extension Fleet {
  /// Newest first: the last two copies at most.
  package func checkpoints(of id: ID<Job>) throws(FleetError) -> [Checkpoint] {
    _ = try job(id)
    return try read { (r) throws(StoreError) in try r.checkpoints(ofJob: id) }
  }

  package func checkpoint(_ id: ID<Checkpoint>, of job: ID<Job>) throws(FleetError) -> CheckpointFile {
    guard let checkpoint = try checkpoints(of: job).first(where: { $0.id == id }) else {
      throw .notFound(what: "checkpoint")
    }
    return CheckpointFile(checkpoint: checkpoint, path: data.checkpointPath(id, of: job))
  }

  /// Machines that are left alone now, newest first.
  package func exclusions() throws(FleetError) -> [Exclusion] {
    let now = now()
    return try read { (r) throws(StoreError) in try r.exclusions(at: now) }
  }

  /// Lets jobs have the machine again.
  package func deleteExclusion(_ id: ID<Exclusion>) async throws(FleetError) {
    guard try await write({ (tx) throws(StoreError) in try tx.delete(exclusion: id) }) else {
      throw .notFound(what: "exclusion")
    }
    connections.wakeJobs()
  }
}
