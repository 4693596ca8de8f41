import JSON

/// Reading what Vast sends: a field may be missing, null, or have another scalar type than documented; unknown ones are ignored.
/// Nothing here throws. What a caller cannot do without it checks itself.
extension JSONValue {
  /// A member of an object; nil when this is no object, has no such member, or the member is null.
  subscript(name: String) -> JSONValue? {
    guard case .object(let object) = self, let value = object[name], value != .null else { return nil }
    return value
  }

  var asObject: JSONObject? {
    guard case .object(let object) = self else { return nil }
    return object
  }

  var asItems: [JSONValue]? {
    guard case .array(let items) = self else { return nil }
    return items
  }

  /// Text as it is; a number or truth value in its JSON spelling.
  var asText: String? {
    switch self {
    case .string(let text): text
    case .integer(let value): String(value)
    case .number(let value): String(value)
    case .bool(let value): String(value)
    case .null, .array, .object: nil
    }
  }

  /// A whole number, also from text or a float without fraction.
  var asInteger: Int64? {
    switch self {
    case .integer(let value): value
    case .number(let value): Int64(exactly: value)
    case .string(let text): Int64(text.trimmed)
    case .null, .bool, .array, .object: nil
    }
  }

  /// A finite number, also from text.
  var asNumber: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    case .string(let text): Double(text.trimmed).flatMap { $0.isFinite ? $0 : nil }
    case .null, .bool, .array, .object: nil
    }
  }

  /// A truth value, also from 0, 1 and words.
  var asFlag: Bool? {
    switch self {
    case .bool(let value): value
    case .integer(0): false
    case .integer(1): true
    case .string(let text):
      switch text.trimmed.lowercased() {
      case "true", "1": true
      case "false", "0": false
      default: nil
      }
    case .integer, .number, .null, .array, .object: nil
    }
  }
}

extension String {
  var trimmed: String {
    var rest = self[...]
    while rest.first?.isWhitespace == true { rest.removeFirst() }
    while rest.last?.isWhitespace == true { rest.removeLast() }
    return String(rest)
  }

  /// Fit for an error, a log line or a terminal: one line of printable characters, cut at `limit`.
  func presentable(limit: Int = 300) -> String {
    var text = ""
    for scalar in trimmed.unicodeScalars.prefix(limit) {
      let isPlain = scalar.properties.generalCategory != .control && scalar.properties.generalCategory != .format
      text.unicodeScalars.append(isPlain ? scalar : " ")
    }
    return unicodeScalars.count > limit ? text + "…" : text
  }
}
