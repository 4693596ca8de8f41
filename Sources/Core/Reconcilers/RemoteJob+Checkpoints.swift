import Artifacts
import Domain
import Glibc

extension RemoteJob {
  struct CheckpointFile: Sendable {
    var mark: String
    var sizeBytes: Int64
    var sha256: String
  }

  /// Copies the checkpoint folder under a new name, whole and checked; nil when there is nothing new. What came before stays
  /// until the caller removes it.
  func fetchCheckpoint(
    _ policy: CheckpointPolicy, known: String?, as id: ID<Checkpoint>, patience: Duration?
  ) async throws(RemoteJobError) -> CheckpointFile? {
    let path = context.data.checkpointPath(id, of: job.id)
    let partial = ResultsFile.partialPath(for: path)
    try localWork { () throws(ArtifactError) in _ = try context.data.checkpointDirectory(job.id) }
    defer { unlink(partial) }
    var command = try checkpointCommand { () throws(RemoteWorkspace.InvalidInput) in
      try workspace.checkpoint(path: policy.path, known: known)
    }
    command.timeout = patience ?? context.settings.checkpointTimeout
    let room = min(context.settings.maximumCheckpointBytes, context.data.roomForResults)
    command.output = .file(path: partial, limit: room)
    let result: RemoteResult
    do throws(RemoteJobError) {
      result = try await run(command)
    } catch {
      guard case .broken(.tooMuchOutput) = error else { throw error }
      throw .failed(Failure(code: "checkpoint_too_large", detail: "The checkpoint is larger than \(room) bytes."))
    }
    switch RemoteWorkspace.Refusal(rawValue: result.exitCode) {
    case .nothingNew: return nil
    case .changing:
      throw .failed(
        Failure(
          code: "checkpoint_changing", detail: "The checkpoint's files changed while they were copied.",
          isRetryable: true))
    default: break
    }
    guard result.exitCode == 0, let mark = RemoteWorkspace.checkpointMark(in: result.standardError) else {
      throw .odd("the checkpoint could not be packed", result)
    }
    let file: (sha256: String, sizeBytes: Int64)
    do throws(ArtifactError) {
      file = try await ResultsFile.commit(partial: partial, to: path)
    } catch {
      throw .failed(Failure(code: "unsafe_checkpoint", detail: "The checkpoint is refused: \(error)."))
    }
    return CheckpointFile(mark: mark, sizeBytes: file.sizeBytes, sha256: file.sha256)
  }

  /// Brings a checkpoint of an earlier attempt to the machine, before its command starts.
  func restore(_ checkpoint: Checkpoint, _ policy: CheckpointPolicy) async throws(RemoteJobError) {
    var command = try checkpointCommand { () throws(RemoteWorkspace.InvalidInput) in
      try workspace.restore(path: policy.path)
    }
    command.input = .file(path: context.data.checkpointPath(checkpoint.id, of: job.id))
    command.timeout = context.settings.preparationTimeout
    try await expect(command, "the checkpoint could not be restored")
  }

  private func checkpointCommand(
    _ make: () throws(RemoteWorkspace.InvalidInput) -> RemoteCommand
  ) throws(RemoteJobError) -> RemoteCommand {
    do throws(RemoteWorkspace.InvalidInput) {
      return try make()
    } catch {
      throw .hopeless(Failure(code: "invalid_specification", detail: "The checkpoint's path cannot be used: \(error)"))
    }
  }

  private func localWork(_ work: () throws(ArtifactError) -> Void) throws(RemoteJobError) {
    do throws(ArtifactError) {
      try work()
    } catch {
      throw .local("\(error)")
    }
  }
}
