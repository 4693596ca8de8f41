import Locking

/// Runs `body` on a thread of its own: an archive takes seconds to minutes to read, an fsync waits for the disk, and neither
/// may hold one of the few threads of the cooperative pool or stand behind another's. The thread ends with it.
func offPool<Result: Sendable>(
  _ body: @escaping @Sendable () throws(ArtifactError) -> Result
) async throws(ArtifactError) -> Result {
  let outcome: Swift.Result<Result, ArtifactError> = await withCheckedContinuation { continuation in
    BlockingWork.start(name: "vastd-files") {
      do throws(ArtifactError) {
        continuation.resume(returning: .success(try body()))
      } catch {
        continuation.resume(returning: .failure(error))
      }
    }
  }
  return try outcome.get()
}
