import JSON

/// One condition of a search: `{"gte": "0.98"}` on a field.
struct Condition {
  var test: Test
  var operand: JSONValue

  enum Test: String {
    case eq, neq, gt, gte, lt, lte, notin, nin
    case within = "in"
  }

  /// Whether a field with this value passes. Numbers and texts that are numbers are the same thing, as at the real service.
  func admits(_ value: JSONValue) -> Bool {
    switch test {
    case .eq: value.isSame(operand)
    case .neq: !value.isSame(operand)
    case .gt: value.compare(operand).map { $0 > 0 } ?? false
    case .gte: value.compare(operand).map { $0 >= 0 } ?? false
    case .lt: value.compare(operand).map { $0 < 0 } ?? false
    case .lte: value.compare(operand).map { $0 <= 0 } ?? false
    case .within: operand.asArray?.contains { value.isSame($0) } ?? false
    case .notin, .nin: !(operand.asArray?.contains { value.isSame($0) } ?? false)
    }
  }
}

/// Every condition on one field; all must hold.
struct FieldFilter {
  var field: String
  var conditions: [Condition]

  /// Reads `{"gte": 1, "lt": 3}`; nil when it is not an object of known operators.
  init?(field: String, _ value: JSONValue) {
    guard let object = value.asObject else { return nil }
    self.field = field
    conditions = []
    for member in object.members {
      guard let test = Condition.Test(rawValue: member.name) else { return nil }
      conditions.append(Condition(test: test, operand: member.value))
    }
  }

  func admits(_ value: JSONValue) -> Bool { conditions.allSatisfy { $0.admits(value) } }
}

extension JSONValue {
  /// Equality as a search means it. `external: null` counts as false, and a text "true" as true.
  fileprivate func isSame(_ other: JSONValue) -> Bool {
    switch (self, other) {
    case (.null, .null): return true
    case (.null, .bool(let flag)), (.bool(let flag), .null): return !flag
    case (.bool(let left), .bool(let right)): return left == right
    case (.bool(let flag), .string(let text)), (.string(let text), .bool(let flag)):
      return text.lowercased() == (flag ? "true" : "false")
    // Two texts are compared as texts: the label "07" is not the label "7".
    case (.string(let left), .string(let right)): return left == right
    default:
      if let left = asNumber, let right = other.asNumber { return left == right }
      return self == other
    }
  }

  /// Negative, 0 or positive; nil when the two have no order.
  func compare(_ other: JSONValue) -> Int? {
    if let left = asText, let right = other.asText { return left < right ? -1 : left > right ? 1 : 0 }
    if let left = asNumber, let right = other.asNumber { return left < right ? -1 : left > right ? 1 : 0 }
    if let left = asBool, let right = other.asBool { return left == right ? 0 : right ? -1 : 1 }
    return nil
  }
}
