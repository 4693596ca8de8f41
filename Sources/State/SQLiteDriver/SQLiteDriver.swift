import CSQLite
package import Store

/// SQLite in one file on a local disk.
///
/// WAL with `synchronous=FULL`: readers do not wait for the writer, and each commit reaches the disk before it counts
/// (with NORMAL one acknowledged commit in six was lost in simulated power cuts). One process at a time, which a lock file
/// beside the database sees to.
package struct SQLiteDriver: SQLDriver {
  package let dialect = Dialect.sqlite

  private let path: String
  private let largestChecked: Int64
  private let maximumPages: Int64?

  /// `largestChecked`: bytes up to which a start checks the whole file; 64 MB take some 50 ms from a warm cache.
  /// `maximumPages`: beyond so many pages of 4 kB the database counts as full; nil leaves it to the disk.
  package init(path: String, largestChecked: Int64 = 64 << 20, maximumPages: Int64? = nil) {
    self.path = path
    self.largestChecked = largestChecked
    self.maximumPages = maximumPages
  }

  package func openWriter() throws(StoreError) -> any SQLConnection {
    let lock = try DatabaseLock(databasePath: path)
    let connection = try SQLiteConnection(
      path: lock.databasePath, isWriter: true, lock: lock, largestChecked: largestChecked)
    do {
      try prepare(connection)
    } catch {
      connection.close()
      throw error
    }
    return connection
  }

  package func openReader() throws(StoreError) -> any SQLConnection {
    let connection = try SQLiteConnection(path: path, isWriter: false, lock: nil, largestChecked: largestChecked)
    do {
      // A megabyte of pages for a thread: the operating system keeps the rest at hand.
      try connection.runScript("PRAGMA busy_timeout = 5000; PRAGMA query_only = ON; PRAGMA cache_size = -1024;")
    } catch {
      connection.close()
      throw error
    }
    return connection
  }

  private func prepare(_ connection: SQLiteConnection) throws(StoreError) {
    try connection.runScript("PRAGMA busy_timeout = 5000;")
    try claim(connection)
    // secure_delete: what is deleted is overwritten, secrets above all. journal_size_limit: a log grown by a burst is cut
    // back. foreign_keys has to be set outside a transaction, for every connection.
    try connection.runScript(
      """
      PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;
      PRAGMA journal_size_limit = 16777216; PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY;
      PRAGMA trusted_schema = OFF;
      """)
    if let maximumPages { try connection.runScript("PRAGMA max_page_count = \(maximumPages);") }
    // SQLite ignores what it cannot do, without a word.
    for (pragma, wanted) in [("journal_mode", "wal"), ("synchronous", "2"), ("foreign_keys", "1")] {
      let found = try connection.pragma(pragma)
      guard found == wanted else {
        throw .misconfigured(detail: "SQLite gives \(pragma) = \(found) at \(path), and not \(wanted).")
      }
    }
  }

  /// An empty file is a new database and gets our mark before anything else, so that a start cut short at any point
  /// leaves one that is known again; any other file bears it.
  private func claim(_ connection: SQLiteConnection) throws(StoreError) {
    if try connection.pragma("application_id") == String(Self.applicationID) { return }
    guard try connection.pragma("schema_version") == "0" else {
      throw .misconfigured(detail: "\(path) is a database of another program.")
    }
    try connection.runScript("PRAGMA application_id = \(Self.applicationID);")
  }

  /// "vast", in the header of the file.
  private static let applicationID: Int64 = 0x7661_7374
}
