/// Opens connections to one database. SQLite in the service today; a second one runs the same queries.
package protocol SQLDriver: Sendable {
  var dialect: Dialect { get }

  /// The one connection that writes. Refuses a database that another process has open, and holds it until closed.
  func openWriter() throws(StoreError) -> any SQLConnection

  /// A connection that only reads, for one thread. Opened while the writer's is open.
  func openReader() throws(StoreError) -> any SQLConnection
}

/// A connection, used by one thread at a time.
///
/// Parameters are `$1` … `$n` in the text. Rows are handed to a closure, which is one dynamic call a row and one a column:
/// nanoseconds beside the microsecond of the step, and the same shape serves a driver that holds its whole result.
package protocol SQLConnection: AnyObject {
  /// Runs one statement to its end. The text is prepared once and kept, so it is made of constants: values are parameters.
  func forEachRow(_ sql: String, _ parameters: [SQLValue], _ body: (any SQLRow) throws(StoreError) -> Void)
    throws(StoreError)

  /// Runs one statement that gives no rows. How many rows it inserted, changed or deleted.
  @discardableResult
  func run(_ sql: String, _ parameters: [SQLValue]) throws(StoreError) -> Int

  /// Runs several statements without parameters, and keeps none of them prepared.
  func runScript(_ script: String) throws(StoreError)

  /// False after an error that ended the transaction by itself (a full disk does).
  var isInTransaction: Bool { get }

  /// Looks for damage, unless the database is too large for a start.
  func checkIntegrity() throws(StoreError) -> IntegrityCheck

  /// Makes deleted bytes leave the files of the database, its log included. False when a reader stood in the way.
  func eraseDeleted() throws(StoreError) -> Bool

  /// Idempotent.
  func close()
}

/// The present row, valid within the call that handed it over. Columns count from 0.
package protocol SQLRow: AnyObject {
  func isNull(_ column: Int) -> Bool
  func integer(_ column: Int) -> Int64
  func text(_ column: Int) -> String
  /// Of text as well: its UTF-8.
  func bytes(_ column: Int) -> [UInt8]
}

package enum SQLValue: Sendable, Hashable {
  case null
  case integer(Int64)
  case text(String)
  /// Text that is at hand as bytes: JSON.
  case utf8([UInt8])
  case blob([UInt8])
}

package enum IntegrityCheck: Sendable, Hashable {
  case passed
  /// A check reads the whole database; past a limit it would hold up the start.
  case skipped(bytes: Int64)
}

extension SQLConnection {
  /// All rows, decoded.
  func all<Item>(
    _ sql: String, _ parameters: [SQLValue] = [], _ decode: (any SQLRow) throws(StoreError) -> Item
  ) throws(StoreError) -> [Item] {
    var items: [Item] = []
    try forEachRow(sql, parameters) { row throws(StoreError) in items.append(try decode(row)) }
    return items
  }

  /// The first row, decoded; nil when there is none.
  func first<Item>(
    _ sql: String, _ parameters: [SQLValue] = [], _ decode: (any SQLRow) throws(StoreError) -> Item
  ) throws(StoreError) -> Item? {
    var item: Item?
    try forEachRow(sql, parameters) { row throws(StoreError) in if item == nil { item = try decode(row) } }
    return item
  }

  @discardableResult
  func run(_ sql: String) throws(StoreError) -> Int { try run(sql, []) }
}
