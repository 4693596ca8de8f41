import CSQLite
import Store

/// One connection. Not thread-safe by itself (`SQLITE_OPEN_NOMUTEX`): each has one thread at a time.
final class SQLiteConnection: SQLConnection {
  private let path: String
  private let largestChecked: Int64
  private var database: OpaquePointer?
  private var statements: [String: SQLiteStatement] = [:]
  private let lock: DatabaseLock?

  init(path: String, isWriter: Bool, lock: DatabaseLock?, largestChecked: Int64) throws(StoreError) {
    self.path = path
    self.lock = lock
    self.largestChecked = largestChecked
    let flags = (isWriter ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) | SQLITE_OPEN_NOMUTEX
    let code = sqlite3_open_v2(path, &database, flags, nil)
    guard code == SQLITE_OK else {
      let failure = StoreError(code: code, database)
      close()
      throw failure
    }
    sqlite3_extended_result_codes(database, 1)
  }

  deinit { close() }

  func forEachRow(_ sql: String, _ parameters: [SQLValue], _ body: (any SQLRow) throws(StoreError) -> Void)
    throws(StoreError)
  {
    let statement = try statement(sql)
    try statement.start(parameters)
    defer { statement.finish() }
    while try statement.step() { try body(statement) }
  }

  func run(_ sql: String, _ parameters: [SQLValue]) throws(StoreError) -> Int {
    let statement = try statement(sql)
    try statement.start(parameters)
    defer { statement.finish() }
    while try statement.step() {}
    return Int(sqlite3_changes64(database))
  }

  func runScript(_ script: String) throws(StoreError) {
    guard let database else { throw .closed }
    let code = sqlite3_exec(database, script, nil, nil, nil)
    guard code == SQLITE_OK else { throw StoreError(code: code, database) }
  }

  var isInTransaction: Bool { database.map { sqlite3_get_autocommit($0) == 0 } ?? false }

  func checkIntegrity() throws(StoreError) -> IntegrityCheck {
    let size = csqlite_file_size(path)
    guard size <= largestChecked else { return .skipped(bytes: size) }
    let found = try pragma("quick_check(1)")
    guard found == "ok" else { throw .corrupt(detail: found) }
    return .passed
  }

  /// Deleted bytes are overwritten in their page (`secure_delete`); the page reaches the file, and its older copies leave
  /// the log, when the whole log is written back and cut to nothing. That needs a moment without readers: waiting for one
  /// is bounded, because writers wait meanwhile.
  func eraseDeleted() throws(StoreError) -> Bool {
    guard let database else { return true }
    sqlite3_busy_timeout(database, 20)
    defer { sqlite3_busy_timeout(database, 5000) }
    let code = sqlite3_wal_checkpoint_v2(database, nil, SQLITE_CHECKPOINT_TRUNCATE, nil, nil)
    switch code & 0xFF {
    case SQLITE_OK: return true
    case SQLITE_BUSY, SQLITE_LOCKED: return false
    default: throw StoreError(code: code, database)
    }
  }

  func close() {
    statements = [:]
    sqlite3_close_v2(database)
    database = nil
    lock?.release()
  }

  /// The first value that a pragma gives, as text; empty when it gives none. Not kept prepared.
  func pragma(_ name: String) throws(StoreError) -> String {
    guard let database else { throw .closed }
    let statement = try SQLiteStatement("PRAGMA \(name)", in: database)
    try statement.start([])
    return try statement.step() ? statement.text(0) : ""
  }

  private func statement(_ sql: String) throws(StoreError) -> SQLiteStatement {
    guard let database else { throw .closed }
    if let known = statements[sql] {
      // A query within the rows of the same query: a statement of its own.
      return known.isRunning ? try SQLiteStatement(sql, in: database) : known
    }
    let statement = try SQLiteStatement(sql, in: database)
    statements[sql] = statement
    return statement
  }
}
