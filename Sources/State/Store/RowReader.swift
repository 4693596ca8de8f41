import Domain

/// Reads a row's columns in the order in which the query names them; the two stand side by side in each file.
struct RowReader {
  private let row: any SQLRow
  private var column = 0

  init(_ row: any SQLRow) { self.row = row }

  private mutating func next() -> Int {
    defer { column += 1 }
    return column
  }

  private mutating func nextUnlessNull() -> Int? {
    let column = next()
    return row.isNull(column) ? nil : column
  }

  mutating func text() -> String { row.text(next()) }
  mutating func optionalText() -> String? { nextUnlessNull().map { row.text($0) } }
  mutating func integer() -> Int64 { row.integer(next()) }
  mutating func optionalInteger() -> Int64? { nextUnlessNull().map { row.integer($0) } }
  mutating func int() -> Int { Int(row.integer(next())) }
  mutating func bool() -> Bool { row.integer(next()) != 0 }
  mutating func bytes() -> [UInt8] { row.bytes(next()) }
  mutating func optionalBytes() -> [UInt8]? { nextUnlessNull().map { row.bytes($0) } }

  mutating func money() -> Money { Money(microdollars: integer()) }
  mutating func optionalMoney() -> Money? { optionalInteger().map { Money(microdollars: $0) } }
  mutating func moment() -> Timestamp { Timestamp(microseconds: integer()) }
  mutating func optionalMoment() -> Timestamp? { optionalInteger().map { Timestamp(microseconds: $0) } }

  mutating func id<Entity>() throws(StoreError) -> ID<Entity> {
    let text = text()
    guard let id = ID<Entity>(text) else { throw .corrupt(detail: "'\(text)' is no \(Entity.idPrefix) id") }
    return id
  }

  mutating func optionalID<Entity>() throws(StoreError) -> ID<Entity>? {
    guard let column = nextUnlessNull() else { return nil }
    let text = row.text(column)
    guard let id = ID<Entity>(text) else { throw .corrupt(detail: "'\(text)' is no \(Entity.idPrefix) id") }
    return id
  }

  mutating func choice<Choice: RawRepresentable<String>>() throws(StoreError) -> Choice {
    let text = text()
    guard let choice = Choice(rawValue: text) else { throw .corrupt(detail: "'\(text)' is no \(Choice.self)") }
    return choice
  }

  mutating func optionalChoice<Choice: RawRepresentable<String>>() throws(StoreError) -> Choice? {
    guard let column = nextUnlessNull() else { return nil }
    let text = row.text(column)
    guard let choice = Choice(rawValue: text) else { throw .corrupt(detail: "'\(text)' is no \(Choice.self)") }
    return choice
  }

  mutating func document() throws(StoreError) -> StoredDocument { try StoredDocument(bytes()) }

  mutating func optionalDocument() throws(StoreError) -> StoredDocument? {
    guard let bytes = optionalBytes() else { return nil }
    return try StoredDocument(bytes)
  }
}

/// Parameters from the types of Domain.
extension SQLValue {
  static func text(_ text: String?) -> SQLValue { if let text { .text(text) } else { .null } }
  static func utf8(_ bytes: [UInt8]?) -> SQLValue { if let bytes { .utf8(bytes) } else { .null } }
  static func integer(_ integer: (some BinaryInteger)?) -> SQLValue {
    if let integer { .integer(Int64(integer)) } else { .null }
  }
  static func bool(_ bool: Bool) -> SQLValue { .integer(bool ? 1 : 0) }
  static func id<Entity>(_ id: ID<Entity>?) -> SQLValue { text(id?.rawValue) }
  static func money(_ money: Money?) -> SQLValue { integer(money?.microdollars) }
  static func moment(_ moment: Timestamp?) -> SQLValue { integer(moment?.microseconds) }
  static func choice(_ choice: (some RawRepresentable<String>)?) -> SQLValue { text(choice?.rawValue) }
}
