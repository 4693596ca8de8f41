import Domain

/// What can be read; all reads of one `Store.read` see the same moment. Valid within the body that it is handed to.
///
/// A class that `StoreTransaction` extends, so that a function written for reading also serves within a write.
package class StoreReader {
  let connection: any SQLConnection

  init(connection: any SQLConnection) { self.connection = connection }
}

/// What can be read and written within one transaction. Valid within the body that it is handed to.
package final class StoreTransaction: StoreReader {
  let now: @Sendable () -> Timestamp
  /// Whether a secret was deleted, whose bytes should leave the files.
  var hasDeletedSecrets = false
  /// Whether an event was recorded, for those who wait for the next.
  var hasAppendedEvents = false

  init(connection: any SQLConnection, now: @escaping @Sendable () -> Timestamp) {
    self.now = now
    super.init(connection: connection)
  }
}
