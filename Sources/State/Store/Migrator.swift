import Domain

/// One step of the schema: a file beside this one, `V0001_name.DIALECT.sql`. Never edited after its release, which the
/// recorded checksum makes sure of.
struct Migration {
  let version: Int64
  let name: String
  let script: String

  /// In order, one for each version from 1.
  static func all(for dialect: Dialect) -> [Migration] {
    switch dialect {
    case .sqlite:
      [
        Migration(version: 1, name: "main_job", PackageResources.V0001_main_job_sqlite_sql),
        Migration(version: 2, name: "webhooks", PackageResources.V0002_webhooks_sqlite_sql),
        Migration(version: 3, name: "recovery", PackageResources.V0003_recovery_sqlite_sql),
        Migration(version: 4, name: "revival", PackageResources.V0004_revival_sqlite_sql),
        Migration(version: 5, name: "ledger_sums", PackageResources.V0005_ledger_sums_sqlite_sql),
        Migration(version: 6, name: "budgets", PackageResources.V0006_budgets_sqlite_sql),
        Migration(version: 7, name: "price_increases", PackageResources.V0007_price_increases_sqlite_sql),
        Migration(version: 8, name: "charges", PackageResources.V0008_charges_sqlite_sql),
      ]
    }
  }

  init(version: Int64, name: String, _ bytes: [UInt8]) {
    self.version = version
    self.name = name
    script = String(decoding: bytes, as: UTF8.self)
  }

  /// FNV-1a, 64 bits: against a slip of the hand, not against a forger, who could change this program as well.
  var checksum: String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in script.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return String(hash, radix: 16)
  }
}

/// Brings a database to the schema that this program knows, forward only, each step in a transaction of its own: a crash
/// leaves whole steps behind.
struct Migrator {
  let connection: any SQLConnection
  let dialect: Dialect
  let migrations: [Migration]
  let now: @Sendable () -> Timestamp

  /// Which versions were applied now. `.newerSchema` and `.misconfigured` change nothing.
  func migrate() throws(StoreError) -> [Int64] {
    try connection.run(
      """
      CREATE TABLE IF NOT EXISTS schema_migrations (
        version BIGINT PRIMARY KEY NOT NULL, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)
      """)
    let recorded = try connection.all("SELECT version, checksum FROM schema_migrations ORDER BY version") {
      row throws(StoreError) in (version: row.integer(0), checksum: row.text(1))
    }
    let known = migrations.last?.version ?? 0
    if let newest = recorded.last?.version, newest > known { throw .newerSchema(found: newest, known: known) }
    for (migration, record) in zip(migrations, recorded) {
      guard migration.version == record.version, migration.checksum == record.checksum else {
        throw .misconfigured(
          detail: "Migration \(migration.version) of the database is not the one that this program has. "
            + "Run the release that made the database, or restore the file of the migration.")
      }
    }
    let due = migrations.dropFirst(recorded.count)
    for migration in due { try apply(migration) }
    return due.map(\.version)
  }

  private func apply(_ migration: Migration) throws(StoreError) {
    try connection.run(dialect.beginWrite)
    do {
      try connection.runScript(migration.script)
      try connection.run(
        "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)",
        [.integer(migration.version), .text(migration.name), .text(migration.checksum), .moment(now())])
      try connection.run("COMMIT")
    } catch {
      // Closing the connection, which the failed start brings, undoes it where this does not.
      if connection.isInTransaction { do { try connection.run("ROLLBACK") } catch { throw error } }
      throw error
    }
  }
}
