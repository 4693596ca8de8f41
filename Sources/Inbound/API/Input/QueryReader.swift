import Domain
import HTTPServer

/// Reads a query string parameter by parameter. The first fault ends it: a query is short and typed by hand, and a typo must
/// not silently widen it.
struct QueryReader {
  private var items: [String: String] = [:]
  private var known: Set<String> = []

  /// A repeated name is refused: two readers would take different ones.
  init(_ head: RequestHead) throws(APIError) {
    for item in head.query where items.updateValue(item.value, forKey: item.name) != nil {
      throw .queryParameter(name: Self.shown(item.name), detail: "is repeated; give it once")
    }
  }

  /// An empty value is absent, as forms send it.
  mutating func string(_ name: String) -> String? {
    known.insert(name)
    guard let value = items[name], !value.isEmpty else { return nil }
    return value
  }

  mutating func text(_ name: String, _ rule: TextRule) throws(APIError) -> String? {
    guard let value = string(name) else { return nil }
    if let complaint = rule.complaint(value) { throw .queryParameter(name: name, detail: complaint) }
    return value
  }

  mutating func integer(_ name: String, _ range: ClosedRange<Int>) throws(APIError) -> Int? {
    guard let value = string(name) else { return nil }
    guard let number = Self.integer(value), range.contains(number) else {
      throw .queryParameter(
        name: name, detail: "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  mutating func number(_ name: String, _ range: ClosedRange<Double>) throws(APIError) -> Double? {
    guard let value = string(name) else { return nil }
    guard let number = Self.number(value), range.contains(number) else {
      throw .queryParameter(
        name: name, detail: "must be a number from \(range.lowerBound.plain) to \(range.upperBound.plain)")
    }
    return number
  }

  mutating func flag(_ name: String) throws(APIError) -> Bool? {
    switch string(name) {
    case nil: nil
    case "true": true
    case "false": false
    default: throw .queryParameter(name: name, detail: "must be true or false")
    }
  }

  mutating func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ name: String, of type: Choice.Type
  ) throws(APIError) -> Choice? {
    guard let value = string(name) else { return nil }
    guard let choice = Choice(rawValue: value) else { throw unknownChoice(name, Choice.self) }
    return choice
  }

  /// `running,failed`
  mutating func choices<Choice: RawRepresentable<String> & CaseIterable>(
    _ name: String, of type: Choice.Type
  ) throws(APIError) -> [Choice] {
    var choices: [Choice] = []
    for value in try list(name, limit: Limits.filterValues) {
      guard let choice = Choice(rawValue: value) else { throw unknownChoice(name, Choice.self) }
      choices.append(choice)
    }
    return choices
  }

  /// `US,CA`
  mutating func list(_ name: String, limit: Int) throws(APIError) -> [String] {
    guard let value = string(name) else { return [] }
    let values = value.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    guard values.count <= limit else {
      throw .queryParameter(name: name, detail: "must have at most \(limit) values")
    }
    return values
  }

  /// How many items a page shall have: more than the maximum is granted the maximum, less than one is a mistake.
  mutating func limit(standard: Int, maximum: Int) throws(APIError) -> Int {
    guard let value = string("limit") else { return standard }
    // Digits too many for an Int are still only "more than the maximum".
    if !value.isEmpty, value.utf8.allSatisfy(\.isASCIIDigit), Int(value) == nil { return maximum }
    guard let number = Self.integer(value), number >= 1 else {
      throw .queryParameter(name: "limit", detail: "must be a whole number, 1 or more")
    }
    return min(number, maximum)
  }

  /// Refuses what nobody asked for.
  func finish() throws(APIError) {
    if let name = items.keys.filter({ !known.contains($0) }).min() {
      throw .queryParameter(name: Self.shown(name), detail: "is not known here")
    }
  }

  private func unknownChoice<Choice: RawRepresentable<String> & CaseIterable>(
    _ name: String, _ type: Choice.Type
  ) -> APIError {
    .queryParameter(name: name, detail: "must be one of " + Choice.allCases.map(\.rawValue).joined(separator: ", "))
  }

  /// ASCII digits with an optional minus: `Int` alone would take a plus.
  static func integer(_ text: String) -> Int? {
    text.hasPrefix("+") ? nil : Int(text)
  }

  /// A decimal number: `Double` alone would take `nan`, `inf` and hexadecimal.
  static func number(_ text: String) -> Double? {
    guard text.utf8.allSatisfy({ $0.isASCIIDigit || [0x2E, 0x2D, 0x65, 0x45].contains($0) }) else { return nil }
    guard let number = Double(text), number.isFinite else { return nil }
    return number
  }

  /// A caller's own name for a parameter, short enough to repeat.
  private static func shown(_ name: String) -> String { String(name.prefix(64)) }
}
