import Domain
import JSON

/// Reads one object of a body member by member. A member of a wrong type or value is noted with its pointer and read as
/// absent; `null` is absent. At the end, `finish` notes every member that nobody asked for.
final class ObjectReader {
  let pointer: String
  let problems: FieldProblems
  private let object: JSONObject
  private var known: [StaticString] = []

  init(_ object: JSONObject, pointer: String = "", problems: FieldProblems) {
    self.object = object
    self.pointer = pointer
    self.problems = problems
    known.reserveCapacity(32)
  }

  // MARK: Scalars

  func string(_ name: StaticString, _ rule: TextRule) -> String? {
    guard let value = value(name) else { return nil }
    guard case .string(let text) = value else { return wrong(name, "must be a string, not \(value.kind)") }
    return checked(text, rule, at: name)
  }

  func integer(_ name: StaticString, _ range: ClosedRange<Int>) -> Int? {
    guard let value = value(name) else { return nil }
    guard case .integer(let number) = value else {
      return wrong(name, value.isNumber ? "must be a whole number" : "must be a whole number, not \(value.kind)")
    }
    guard let number = Int(exactly: number), range.contains(number) else {
      return wrong(name, "must be from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  func number(_ name: StaticString, _ range: ClosedRange<Double>) -> Double? {
    guard let value = value(name) else { return nil }
    guard let number = value.double else { return wrong(name, "must be a number, not \(value.kind)") }
    guard range.contains(number) else {
      return wrong(name, "must be from \(range.lowerBound.plain) to \(range.upperBound.plain)")
    }
    return number
  }

  /// US dollars.
  func money(_ name: StaticString, upTo limit: Double) -> Money? {
    number(name, 0...limit).flatMap { Money(dollars: $0) }
  }

  func flag(_ name: StaticString) -> Bool? {
    guard let value = value(name) else { return nil }
    guard case .bool(let flag) = value else { return wrong(name, "must be true or false, not \(value.kind)") }
    return flag
  }

  func choice<Choice: RawRepresentable<String> & CaseIterable>(_ name: StaticString, of type: Choice.Type) -> Choice? {
    guard let value = value(name) else { return nil }
    if case .string(let text) = value, let choice = Choice(rawValue: text) { return choice }
    return wrong(name, "must be one of " + Choice.allCases.map(\.rawValue).joined(separator: ", "))
  }

  // MARK: Containers

  func object(_ name: StaticString) -> ObjectReader? {
    guard let value = value(name) else { return nil }
    guard case .object(let object) = value else { return wrong(name, "must be an object, not \(value.kind)") }
    return ObjectReader(object, pointer: pointer(to: name), problems: problems)
  }

  func array(_ name: StaticString, limit: Int) -> [JSONValue]? {
    guard let value = value(name) else { return nil }
    guard case .array(let items) = value else { return wrong(name, "must be an array, not \(value.kind)") }
    guard items.count <= limit else { return wrong(name, "must have at most \(limit) items") }
    return items
  }

  /// An array of texts; each wrong one is noted by its index.
  func strings(_ name: StaticString, limit: Int, _ rule: TextRule) -> [String]? {
    guard let items = array(name, limit: limit) else { return nil }
    var texts: [String] = []
    for (index, item) in items.enumerated() {
      let place = JSONPointer.child(pointer(to: name), String(index))
      guard case .string(let text) = item else {
        problems.add(place, "must be a string, not \(item.kind)")
        continue
      }
      if let complaint = rule.complaint(text) { problems.add(place, complaint) } else { texts.append(text) }
    }
    return texts
  }

  /// The members of an object whose names are the caller's.
  func members(_ name: StaticString, limit: Int) -> [JSONObject.Member]? {
    guard let value = value(name) else { return nil }
    guard case .object(let object) = value else { return wrong(name, "must be an object, not \(value.kind)") }
    guard object.members.count <= limit else { return wrong(name, "must have at most \(limit) members") }
    return object.members
  }

  // MARK: The rest

  /// What the contract names but this version does not do yet. What asks for nothing is let through.
  func notAvailable(_ names: StaticString...) {
    for name in names {
      switch value(name) {
      case nil, .bool(false): continue
      case .object(let object) where object.members.isEmpty: continue
      default: problems.add(pointer(to: name), "is not available in this version; leave it out")
      }
    }
  }

  func has(_ name: StaticString) -> Bool { value(name) != nil }

  /// Whether it is there and says `null`, which is otherwise read as absent: for what has a default that can be
  /// switched off or given back.
  func isNull(_ name: StaticString) -> Bool { value(name) == nil && object[name.description] == .null }

  func finish() {
    for member in object.members where !known.contains(where: { $0.equals(member.name) }) {
      problems.add(JSONPointer.child(pointer, member.name), "is not a known field")
    }
  }

  @discardableResult
  func wrong<Value>(_ name: StaticString, _ detail: String) -> Value? {
    problems.add(pointer(to: name), detail)
    return nil
  }

  func pointer(to name: StaticString) -> String { pointer + "/" + name.description }

  private func checked(_ text: String, _ rule: TextRule, at name: StaticString) -> String? {
    if let complaint = rule.complaint(text) { return wrong(name, complaint) }
    return text
  }

  /// Nil for an absent member and for null.
  private func value(_ name: StaticString) -> JSONValue? {
    if !known.contains(where: { $0.utf8Start == name.utf8Start }) { known.append(name) }
    guard let value = object[name.description], value != .null else { return nil }
    return value
  }
}

extension StaticString {
  /// Without making a String of it.
  fileprivate func equals(_ text: String) -> Bool {
    text.utf8.count == utf8CodeUnitCount
      && text.utf8.elementsEqual(UnsafeBufferPointer(start: utf8Start, count: utf8CodeUnitCount))
  }
}

extension JSONValue {
  /// For people.
  var kind: String {
    switch self {
    case .null: "null"
    case .bool: "a boolean"
    case .integer, .number: "a number"
    case .string: "a string"
    case .array: "an array"
    case .object: "an object"
    }
  }

  var isNumber: Bool { double != nil }

  var double: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    case .null, .bool, .string, .array, .object: nil
    }
  }
}

extension Double {
  /// `10000` and not `10000.0`.
  var plain: String { self == rounded() && abs(self) < 1e15 ? String(Int64(self)) : description }
}
