import JSON

/// An object in the making, member after member in the order they are set.
struct Row {
  private(set) var object = JSONObject()

  var json: JSONValue { .object(object) }

  /// Sets a member; meant for names that are not there yet, since none is looked up.
  subscript(name: String) -> JSONValue {
    get { object[name] ?? .null }
    set { object.members.append(.init(name: name, value: newValue)) }
  }
}

extension JSONValue {
  static func int(_ value: Int) -> JSONValue { .integer(Int64(value)) }
  static func int(_ value: Int?) -> JSONValue { value.map { .integer(Int64($0)) } ?? .null }
  static func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
  static func real(_ value: Double?) -> JSONValue { value.map { .number($0) } ?? .null }
  static func list(_ values: [Int]) -> JSONValue { .array(values.map { .int($0) }) }

  subscript(name: String) -> JSONValue? {
    guard case .object(let object) = self else { return nil }
    return object[name]
  }

  var asObject: JSONObject? {
    guard case .object(let object) = self else { return nil }
    return object
  }

  var asArray: [JSONValue]? {
    guard case .array(let items) = self else { return nil }
    return items
  }

  var asText: String? {
    guard case .string(let text) = self else { return nil }
    return text
  }

  var asBool: Bool? {
    guard case .bool(let value) = self else { return nil }
    return value
  }

  /// A number, or a text that is one: the official client sends most numbers as texts.
  var asNumber: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    case .string(let text): Double(text)
    default: nil
    }
  }

  var asInt: Int? {
    guard let number = asNumber, number == number.rounded(), abs(number) < 1e15 else { return nil }
    return Int(number)
  }

  var bytes: [UInt8] {
    var writer = JSONWriter()
    writer.element(self)
    return writer.bytes
  }
}
