import CSQLite
import Store

/// A prepared statement and, while it runs, its present row.
final class SQLiteStatement: SQLRow {
  private let database: OpaquePointer
  private let statement: OpaquePointer
  /// SQLite takes `$2` for a name and numbers names by their first appearance: where the nth parameter is.
  private let places: [Int32]
  private(set) var isRunning = false

  init(_ sql: String, in database: OpaquePointer) throws(StoreError) {
    var statement: OpaquePointer?
    let code = sqlite3_prepare_v3(database, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
    guard code == SQLITE_OK, let statement else { throw StoreError(code: code, database) }
    self.database = database
    self.statement = statement
    let count = sqlite3_bind_parameter_count(statement)
    places = count == 0 ? [] : (1...count).map { sqlite3_bind_parameter_index(statement, "$\($0)") }
  }

  deinit { sqlite3_finalize(statement) }

  func start(_ parameters: [SQLValue]) throws(StoreError) {
    precondition(parameters.count == places.count, "a query has \(places.count) parameters, not \(parameters.count)")
    for (place, parameter) in zip(places, parameters) {
      let code =
        switch parameter {
        case .null: sqlite3_bind_null(statement, place)
        case .integer(let integer): sqlite3_bind_int64(statement, place, integer)
        case .text(var text): text.withUTF8 { csqlite_bind_text(statement, place, $0.baseAddress, Int32($0.count)) }
        case .utf8(let bytes):
          bytes.withUnsafeBufferPointer { csqlite_bind_text(statement, place, $0.baseAddress, Int32($0.count)) }
        case .blob(let bytes):
          bytes.withUnsafeBufferPointer { csqlite_bind_blob(statement, place, $0.baseAddress, Int32($0.count)) }
        }
      guard code == SQLITE_OK else { throw StoreError(code: code, database) }
    }
    isRunning = true
  }

  /// Whether there is a row.
  func step() throws(StoreError) -> Bool {
    let code = sqlite3_step(statement)
    switch code {
    case SQLITE_ROW: return true
    case SQLITE_DONE: return false
    default: throw StoreError(code: code, database)
    }
  }

  /// Lets go of the row, and of the parameters, which may be secrets. The code repeats what `step` said.
  func finish() {
    sqlite3_reset(statement)
    sqlite3_clear_bindings(statement)
    isRunning = false
  }

  func isNull(_ column: Int) -> Bool { sqlite3_column_type(statement, Int32(column)) == SQLITE_NULL }

  func integer(_ column: Int) -> Int64 { sqlite3_column_int64(statement, Int32(column)) }

  func text(_ column: Int) -> String {
    guard let text = sqlite3_column_text(statement, Int32(column)) else { return "" }
    let count = Int(sqlite3_column_bytes(statement, Int32(column)))
    return String(decoding: UnsafeBufferPointer(start: text, count: count), as: UTF8.self)
  }

  func bytes(_ column: Int) -> [UInt8] {
    guard let blob = sqlite3_column_blob(statement, Int32(column)) else { return [] }
    return Array(UnsafeRawBufferPointer(start: blob, count: Int(sqlite3_column_bytes(statement, Int32(column)))))
  }
}
