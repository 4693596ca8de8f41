import Domain
import JSON

/// A JSON column on its way in. Members that are missing or of another kind read as nil: a column written by an older
/// release lacks what came later, and the row is still good.
struct StoredDocument {
  private let members: [JSONObject.Member]

  init(_ bytes: [UInt8]) throws(StoreError) {
    guard case .object(let object) = try Self.parse(bytes) else {
      throw .corrupt(detail: "a stored document is no object")
    }
    members = object.members
  }

  init(_ object: JSONObject) { members = object.members }

  static func list(_ bytes: [UInt8]) throws(StoreError) -> [JSONValue] {
    guard case .array(let items) = try parse(bytes) else { throw .corrupt(detail: "a stored list is no array") }
    return items
  }

  static func documents(_ bytes: [UInt8]) throws(StoreError) -> [StoredDocument] {
    try list(bytes).compactMap { if case .object(let object) = $0 { StoredDocument(object) } else { nil } }
  }

  private static func parse(_ bytes: [UInt8]) throws(StoreError) -> JSONValue {
    do { return try JSONValue.parse(bytes) } catch { throw .corrupt(detail: "a stored document is no JSON: \(error)") }
  }

  /// Nil when the member is missing; `.null` when it is there and empty.
  func value(_ name: String) -> JSONValue? {
    // Lengths first: most names differ in them, and comparing texts costs ten times as much.
    let length = name.utf8.count
    for member in members where member.name.utf8.count == length && member.name == name { return member.value }
    return nil
  }

  func text(_ name: String) -> String? {
    if case .string(let text)? = value(name) { text } else { nil }
  }

  func integer(_ name: String) -> Int64? {
    if case .integer(let integer)? = value(name) { integer } else { nil }
  }

  func int(_ name: String) -> Int? { integer(name).map { Int($0) } }

  func number(_ name: String) -> Double? {
    switch value(name) {
    case .number(let number)?: number
    case .integer(let integer)?: Double(integer)
    default: nil
    }
  }

  func bool(_ name: String) -> Bool? {
    if case .bool(let bool)? = value(name) { bool } else { nil }
  }

  func money(_ name: String) -> Money? { integer(name).map { Money(microdollars: $0) } }
  func moment(_ name: String) -> Timestamp? { integer(name).map { Timestamp(microseconds: $0) } }
  func span(_ name: String) -> Duration? { integer(name).map { .microseconds($0) } }
  func id<Entity>(_ name: String) -> ID<Entity>? { text(name).flatMap { ID($0) } }
  func choice<Choice: RawRepresentable<String>>(_ name: String) -> Choice? {
    text(name).flatMap { Choice(rawValue: $0) }
  }

  func document(_ name: String) -> StoredDocument? {
    if case .object(let object)? = value(name) { StoredDocument(object) } else { nil }
  }

  func texts(_ name: String) -> [String]? {
    guard case .array(let items)? = value(name) else { return nil }
    return items.compactMap { if case .string(let text) = $0 { text } else { nil } }
  }

  func integers(_ name: String) -> [Int64]? {
    guard case .array(let items)? = value(name) else { return nil }
    return items.compactMap { if case .integer(let integer) = $0 { integer } else { nil } }
  }

  func textsByName(_ name: String) -> [String: String]? { document(name)?.textsByName }

  var entries: [(name: String, value: JSONValue)] { members.map { ($0.name, $0.value) } }

  /// The whole document as names and texts.
  var textsByName: [String: String] {
    var texts: [String: String] = [:]
    for member in members { if case .string(let text) = member.value { texts[member.name] = text } }
    return texts
  }
}

/// The way out. What is nil or empty is left out where reading gives the same again.
extension JSONWriter {
  mutating func known(_ name: StaticString, _ text: String?) {
    if let text { member(name, text) }
  }

  mutating func known(_ name: StaticString, _ integer: (some BinaryInteger)?) {
    if let integer { member(name, integer) }
  }

  mutating func known(_ name: StaticString, _ number: Double?) {
    if let number { member(name, number) }
  }

  mutating func known(_ name: StaticString, _ money: Money?) {
    if let money { member(name, money.microdollars) }
  }

  mutating func known(_ name: StaticString, _ moment: Timestamp?) {
    if let moment { member(name, moment.microseconds) }
  }

  mutating func known(_ name: StaticString, _ span: Duration?) {
    if let span { member(name, span.microseconds) }
  }

  mutating func texts(_ name: StaticString, _ texts: [String]) {
    array(name) { writer in for text in texts { writer.element(text) } }
  }

  mutating func integers(_ name: StaticString, _ integers: Set<Int64>) {
    array(name) { writer in for integer in integers.sorted() { writer.element(integer) } }
  }

  mutating func textsByName(_ name: StaticString, _ texts: [String: String]) {
    object(name) { writer in writer.members(texts) }
  }

  /// In the order of the names, so that equal values make equal bytes.
  mutating func members(_ texts: [String: String]) {
    for (name, text) in texts.sorted(by: { $0.key < $1.key }) { member(dynamic: name, .string(text)) }
  }

  static func document(_ body: (inout JSONWriter) -> Void) -> [UInt8] {
    var writer = JSONWriter(capacity: 256)
    writer.object(body)
    return writer.bytes
  }

  static func list(_ body: (inout JSONWriter) -> Void) -> [UInt8] {
    var writer = JSONWriter(capacity: 256)
    writer.array(body)
    return writer.bytes
  }
}
