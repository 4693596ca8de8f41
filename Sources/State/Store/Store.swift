package import Domain
package import Locking

/// What vastd remembers: jobs, instances, events, the ledger, uploads, answers under idempotency keys, settings.
///
/// Reads are synchronous and see committed rows only. Writes run one after another on a thread of their own and return when
/// they are on the disk: what was acknowledged survives a power cut.
package final class Store: Sendable {
  /// Raised after every commit, for loops that wait for change.
  package let changes: Signal
  /// Raised after a commit that holds an event.
  package let events: Signal
  /// Names this installation in the tag on every label: made by chance at the first start and kept.
  package let owner: Owner
  /// What the start found and did, for the log.
  package let opening: Opening

  private let readers: ReaderPool
  private let writer: Writer

  package struct Opening: Sendable, Hashable {
    /// Versions of the schema that were applied now.
    package var migrations: [Int64]
    package var integrity: IntegrityCheck
  }

  /// Opens the database, checks and migrates it, and starts the writer's thread. `owner`, when given, is kept at the first
  /// start and must agree with what is kept later, while instances live that bear the other name.
  package convenience init(
    driver: any SQLDriver, owner: Owner? = nil, now: @escaping @Sendable () -> Timestamp
  ) throws(StoreError) {
    try self.init(driver: driver, owner: owner, migrations: Migration.all(for: driver.dialect), now: now)
  }

  init(
    driver: any SQLDriver, owner: Owner?, migrations: [Migration], now: @escaping @Sendable () -> Timestamp
  ) throws(StoreError) {
    let connection = try driver.openWriter()
    do {
      let integrity = try connection.checkIntegrity()
      let migrator = Migrator(connection: connection, dialect: driver.dialect, migrations: migrations, now: now)
      opening = Opening(migrations: try migrator.migrate(), integrity: integrity)
      self.owner = try Self.settle(owner, connection, driver.dialect, now)
    } catch {
      connection.close()
      throw error
    }
    changes = Signal()
    events = Signal()
    readers = ReaderPool(driver: driver)
    writer = Writer(connection: connection, dialect: driver.dialect, changes: changes, events: events, now: now)
  }

  /// Runs `body` on the writer's thread in a transaction and returns once its commit is durable. When `body` throws,
  /// nothing of it is kept; when the commit fails, nobody's write of that commit is. Not cancelled with its task: a write
  /// that was asked for is made. `body` runs once, and other writes wait for it: no slow work in it.
  package func write<Result: Sendable>(
    _ body: @escaping @Sendable (StoreTransaction) throws(StoreError) -> Result
  ) async throws(StoreError) -> Result {
    try await writer.write(body)
  }

  /// Runs `body` on the calling thread, which waits for no writer. All its reads see the same moment.
  package func read<Result>(_ body: (StoreReader) throws(StoreError) -> Result) throws(StoreError) -> Result {
    try readers.read(body)
  }

  /// Commits since the start. Counted after a commit can be read and before anybody is told of it, and nobody else writes
  /// to this database: who reads the same count twice has missed no row in between.
  package var commits: UInt64 { writer.commits }

  /// How long a trivial read takes. Throws when it fails, and when the last commit failed: then a small write is tried
  /// in the background, so that a later call finds the disk well again.
  package func ping() throws(StoreError) -> Duration {
    let clock = ContinuousClock()
    let start = clock.now
    _ = try read { reader throws(StoreError) in try reader.setting("owner") }
    if let failure = writer.lastFailure {
      writer.probe()
      throw failure
    }
    return start.duration(to: clock.now)
  }

  /// Why the last commit failed, until one succeeds again.
  package var lastWriteFailure: StoreError? { writer.lastFailure }

  /// Writes what is queued, waits for reads under way, closes all connections and lets go of the database. Idempotent.
  package func close() async {
    readers.close()
    await writer.close()
  }

  private static func settle(
    _ wanted: Owner?, _ connection: any SQLConnection, _ dialect: Dialect, _ now: @escaping @Sendable () -> Timestamp
  ) throws(StoreError) -> Owner {
    let transaction = StoreTransaction(connection: connection, now: now)
    let kept = try transaction.setting("owner").flatMap { Owner($0) }
    if let kept, wanted == nil || wanted == kept { return kept }
    if let kept, let wanted {
      // Under another name these would be strangers, and nobody would destroy them.
      let left = try transaction.liveInstances().count(where: { $0.tag.owner == kept })
      guard left == 0 else {
        throw .misconfigured(
          detail: "The owner is to be '\(wanted.name)' but \(left) live instances bear '\(kept.name)'. "
            + "Let them end under the old name first.")
      }
    }
    var generator = SystemRandomNumberGenerator()
    let owner = wanted ?? Owner(using: &generator)
    try connection.run(dialect.beginWrite)
    try transaction.setSetting("owner", owner.name)
    try connection.run("COMMIT")
    return owner
  }
}
