package import Artifacts
package import Domain
import Glibc
package import Logging
package import Store

/// Forgets what has had its time: answers kept under idempotency keys, uploads that no unfinished job needs, and events that
/// everybody has got.
package struct Janitor: Reconciler {
  /// An upload is kept at least this long: a day is longer than any caller takes from upload to submit, or to retry.
  package static let uploadLifetime = Duration.seconds(24 * 3600)

  /// Events can be read again for a month: as long as anybody looks back, and a receiver is given five days.
  package static let eventLifetime = Duration.seconds(30 * 24 * 3600)
  /// Events forgotten in one transaction: more would keep other writes waiting.
  static let eventsAtOnce = 500

  package let name = "janitor"

  private let store: Store
  private let data: DataDirectory
  private let now: @Sendable () -> Timestamp
  private let logger: Logger

  package init(store: Store, data: DataDirectory, now: @escaping @Sendable () -> Timestamp, logger: Logger) {
    self.store = store
    self.data = data
    self.now = now
    self.logger = logger
  }

  package func activate() async -> Outcome {
    var outcome = Outcome()
    let now = now()
    do throws(StoreError) {
      outcome.changed += try await store.write { (tx) throws(StoreError) in try tx.purgeIdempotencyKeys(before: now) }
      // One transaction: a job that names an upload at this moment either comes first and keeps it, or is refused.
      let unused = try await store.write { (tx) throws(StoreError) in
        let unused = try tx.unusedUploads(olderThan: now - Self.uploadLifetime)
        for upload in unused { try tx.delete(upload: upload.id) }
        return unused
      }
      outcome.examined = unused.count
      for upload in unused {
        unlink(data.uploadPath(upload.id))
        outcome.changed += 1
      }
      outcome.changed += try await store.write { (tx) throws(StoreError) in try tx.purgeExclusions(before: now) }
      while true {
        let purged = try await store.write { (tx) throws(StoreError) in
          try tx.purgeEvents(before: now - Self.eventLifetime, limit: Self.eventsAtOnce)
        }
        outcome.changed += purged
        if purged < Self.eventsAtOnce { break }
      }
    } catch {
      logger.warning("old entries not removed", metadata: ["error": "\(error)"])
      outcome.failures += 1
    }
    return outcome
  }
}
