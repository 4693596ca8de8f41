import Artifacts
package import Domain
import Locking
import Logging
import Store

/// An upload whose bytes are coming in.
package struct IncomingUpload: Sendable {
  fileprivate let file: Artifacts.IncomingUpload

  package func append(_ bytes: UnsafeRawBufferPointer) throws(FleetError) {
    do throws(ArtifactError) {
      try file.append(bytes)
    } catch {
      throw FleetError(error)
    }
  }

  /// Forgets what came. Twice is harmless.
  package func abandon() { file.abandon() }
}

extension Fleet {
  package func beginUpload() throws(FleetError) -> IncomingUpload {
    do throws(ArtifactError) {
      return IncomingUpload(file: try Artifacts.IncomingUpload(in: data, id: ID(at: now())))
    } catch {
      throw FleetError(error)
    }
  }

  /// Checks the archive, makes its bytes durable, then its row. On any error nothing is left of it.
  package func finish(
    _ incoming: IncomingUpload, idempotency: IdempotentRequest<Upload>?
  ) async throws(FleetError) -> Creation<Upload> {
    if let key = idempotency?.key {
      guard uploadsInFlight.withLock({ $0.insert(key.scope).inserted }) else {
        incoming.abandon()
        throw .keyInFlight
      }
    }
    defer {
      if let key = idempotency?.key { _ = uploadsInFlight.withLock { $0.remove(key.scope) } }
    }
    do throws(FleetError) {
      let upload = try await seal(incoming)
      let creation = try await create(keyed(by: upload.sha256, idempotency)) {
        (tx) throws(StoreError) -> Result<Upload, FleetError> in
        try tx.insert(upload)
        return .success(upload)
      }
      if case .replayed = creation { discard(incoming) }
      return creation
    } catch {
      discard(incoming)
      throw error
    }
  }

  /// Removes what came, also when it was moved into its place already.
  private func discard(_ incoming: IncomingUpload) {
    incoming.abandon()
    do throws(ArtifactError) {
      try data.removeUpload(incoming.file.id)
    } catch {
      logger.warning("upload not removed", metadata: ["upload_id": "\(incoming.file.id)", "error": "\(error)"])
    }
  }

  private func seal(_ incoming: IncomingUpload) async throws(FleetError) -> Upload {
    do throws(ArtifactError) {
      let sealed = try await incoming.file.seal()
      return Upload(id: incoming.file.id, sha256: sealed.sha256, sizeBytes: sealed.sizeBytes, createdAt: now())
    } catch {
      throw FleetError(error)
    }
  }

  /// For an upload the fingerprint is that of its content, known only now.
  private func keyed(by sha256: String, _ request: IdempotentRequest<Upload>?) -> IdempotentRequest<Upload>? {
    guard var request else { return nil }
    request.key.fingerprint = sha256
    return request
  }
}
