import Domain

/// A page of a table that has `created_at` and `id`: newest first, from where the last page ended. Rows that share a
/// moment are ordered by id, so that a page neither repeats nor skips one, whatever is inserted meanwhile.
///
/// The text depends on which filters are set and not on their values: few texts, prepared once each.
struct ListQuery {
  /// Largest page that is read at once, whatever is asked for.
  static let maximumLimit = 1000

  private var conditions: [String] = []
  private(set) var parameters: [SQLValue] = []
  let limit: Int

  /// Put before the two columns where a joined table has them too.
  private let prefix: String

  init(_ page: PageRequest, ofTable table: String? = nil) {
    prefix = table.map { $0 + "." } ?? ""
    limit = min(max(page.limit, 1), Self.maximumLimit)
    if let before = page.before {
      conditions.append("(\(prefix)created_at, \(prefix)id) < ($1, $2)")
      parameters = [.moment(before.createdAt), .text(before.id)]
    }
  }

  mutating func require(_ column: String, equals value: SQLValue) {
    parameters.append(value)
    conditions.append("\(column) = $\(parameters.count)")
  }

  mutating func require(_ column: String, atLeast value: SQLValue) {
    parameters.append(value)
    conditions.append("\(column) >= $\(parameters.count)")
  }

  mutating func require(_ column: String, below value: SQLValue) {
    parameters.append(value)
    conditions.append("\(column) < $\(parameters.count)")
  }

  mutating func require(absent column: String) { conditions.append("\(column) IS NULL") }

  /// No values: no condition.
  mutating func require<Choice: RawRepresentable<String>>(_ column: String, among choices: Set<Choice>) {
    let values = choices.map(\.rawValue).sorted()
    guard !values.isEmpty else { return }
    let places = values.indices.map { "$\(parameters.count + $0 + 1)" }.joined(separator: ", ")
    parameters += values.map { .text($0) }
    conditions.append(values.count == 1 ? "\(column) = \(places)" : "\(column) IN (\(places))")
  }

  /// Asks for one more than the page holds, which tells whether another follows.
  func text(_ columns: String, from table: String) -> String {
    let filter = conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND ")
    return """
      SELECT \(columns) FROM \(table) \(filter) ORDER BY \(prefix)created_at DESC, \(prefix)id DESC LIMIT $\(parameters.count + 1)
      """
  }

  var parametersWithLimit: [SQLValue] { parameters + [.integer(Int64(limit + 1))] }

  func page<Item>(_ found: [Item], position: (Item) -> PagePosition) -> Page<Item> {
    guard found.count > limit else { return Page(items: found, next: nil) }
    return Page(items: Array(found.prefix(limit)), next: position(found[limit - 1]))
  }
}
