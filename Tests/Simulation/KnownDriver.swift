import SQLiteDriver
import Store

/// SQLite, with a hold on every connection: when vastd dies, the kernel closes them all, whoever had them.
///
/// `@unchecked Sendable`: there is one thread.
final class KnownDriver: SQLDriver, @unchecked Sendable {
  private let driver: SQLiteDriver
  private var connections: [any SQLConnection] = []

  init(path: String) { driver = SQLiteDriver(path: path) }

  var dialect: Dialect { driver.dialect }

  func openWriter() throws(StoreError) -> any SQLConnection {
    let connection = try driver.openWriter()
    connections.append(connection)
    return connection
  }

  func openReader() throws(StoreError) -> any SQLConnection {
    let connection = try driver.openReader()
    connections.append(connection)
    return connection
  }

  /// What was not committed is as if it had never been.
  func closeAll() {
    for connection in connections.reversed() { connection.close() }
    connections = []
  }
}
