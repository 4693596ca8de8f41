import Domain
import JSON

/// Reads `filters`: any field of Vast's with its operators, `{"inet_down": {"gte": 500}}`. Names and shapes are checked,
/// meanings are Vast's.
enum FiltersInput {
  /// The comparisons that Vast knows.
  private static let operators: Set<String> = ["eq", "neq", "gt", "gte", "lt", "lte", "in", "notin"]

  /// Always set by us, or no filter but a control key of the search beside which filters stand: a caller's would rent what
  /// cannot be rented, or change what the answer means.
  private static let reserved: Set<String> = [
    "rentable", "rented", "type", "order", "limit", "allocated_storage", "extra_ids", "show_incompatible",
    "disable_bundling", "template_id", "target_reliability", "sort_option", "gpu_option", "has_avx", "q", "select_cols",
  ]

  /// Each field's operators as JSON text.
  static func read(_ reader: ObjectReader) -> [String: String] {
    var filters: [String: String] = [:]
    for member in reader.members("filters", limit: Limits.filters) ?? [] {
      let pointer = JSONPointer.child(reader.pointer(to: "filters"), member.name)
      if let complaint = nameComplaint(member.name) {
        reader.problems.add(pointer, complaint)
        continue
      }
      guard case .object(let conditions) = member.value, !conditions.members.isEmpty else {
        reader.problems.add(pointer, "must be an object of operators, such as {\"gte\": 500}")
        continue
      }
      check(conditions, at: pointer, reader.problems)
      var writer = JSONWriter(capacity: 64)
      writer.element(.object(conditions))
      filters[member.name] = String(decoding: writer.bytes, as: UTF8.self)
    }
    return filters
  }

  private static func nameComplaint(_ name: String) -> String? {
    if reserved.contains(name) { return "is set by this service and cannot be a filter" }
    let isPlain =
      (1...64).contains(name.utf8.count)
      && name.utf8.allSatisfy { byte in
        byte.isASCIIDigit || byte == UInt8(ascii: "_") || (byte.isASCIILetter && byte >= UInt8(ascii: "a"))
      }
    return isPlain ? nil : "must be a field of Vast's: small letters, digits and _"
  }

  private static func check(_ conditions: JSONObject, at pointer: String, _ problems: FieldProblems) {
    for condition in conditions.members {
      let place = JSONPointer.child(pointer, condition.name)
      guard operators.contains(condition.name) else {
        problems.add(place, "must be one of " + operators.sorted().joined(separator: ", "))
        continue
      }
      let takesList = condition.name == "in" || condition.name == "notin"
      switch condition.value {
      case .array(let values) where takesList:
        if values.count > Limits.filterListValues {
          problems.add(place, "must have at most \(Limits.filterListValues) values")
        } else if !values.allSatisfy(isScalar) {
          problems.add(place, "must hold texts, numbers or booleans only")
        }
      case _ where takesList: problems.add(place, "must be an array")
      case let value:
        if !isScalar(value) { problems.add(place, "must be a text, a number or a boolean") }
      }
    }
  }

  private static func isScalar(_ value: JSONValue) -> Bool {
    switch value {
    case .bool, .integer, .number: true
    case .string(let text):
      text.utf8.count <= Limits.filterTextCharacters && !text.hasControlCharacter
    case .null, .array, .object: false
    }
  }
}
