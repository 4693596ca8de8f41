/// Where the databases differ in words. Queries are written once in what all of them understand: `$n`, `ON CONFLICT`,
/// row values, booleans and times as integers. Schemas come in files by dialect.
package enum Dialect: String, Sendable, Hashable {
  case sqlite

  /// Begins a transaction that will write, taking the lock at once: a transaction that reads first and then finds the
  /// database taken could not go on.
  var beginWrite: String {
    switch self {
    case .sqlite: "BEGIN IMMEDIATE"
    }
  }

  /// Begins a transaction whose reads all see the same moment.
  var beginRead: String {
    switch self {
    case .sqlite: "BEGIN"
    }
  }
}
