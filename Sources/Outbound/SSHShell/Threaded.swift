import Domain
import Locking

/// Runs blocking work on a thread of its own and waits for it without holding a thread of the cooperative pool.
/// Cancelling the task does not end the work; work that can be long takes a `ConversationControl`.
func onThread<Value: Sendable>(
  _ name: String, _ work: @escaping @Sendable () throws(RemoteShellError) -> Value
) async throws(RemoteShellError) -> Value {
  let result: Result<Value, RemoteShellError> = await withCheckedContinuation { continuation in
    startThread(name: name) {
      do throws(RemoteShellError) {
        continuation.resume(returning: .success(try work()))
      } catch {
        continuation.resume(returning: .failure(error))
      }
    }
  }
  return try result.get()
}
