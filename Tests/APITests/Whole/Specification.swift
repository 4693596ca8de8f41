import API
import JSON
import Testing

/// openapi.json, and a checker of values against its schemas: as much of JSON Schema 2020-12 as the document uses. Members
/// that no schema names are faults, so that an answer cannot say more than the document.
struct Specification {
  struct Operation {
    let id: String
    let method: String
    let path: String
    let object: JSONObject
    let isOpen: Bool
  }

  let root: JSONObject
  let operations: [Operation]

  init(_ bytes: [UInt8]) throws {
    root = try bytes.object()
    var operations: [Operation] = []
    for path in root["paths"]?.members ?? [] {
      for method in path.value.members where ["get", "post", "put", "patch", "delete"].contains(method.name) {
        guard case .object(let object) = method.value, case .string(let id) = object["operationId"] else {
          throw Unexpected(what: "\(method.name) \(path.name) has no operationId")
        }
        operations.append(
          Operation(
            id: id, method: method.name.uppercased(), path: path.name, object: object,
            isOpen: object["security"] == .array([])))
      }
    }
    self.operations = operations
  }

  /// What is wrong with an answer: its status, its type or its body.
  func faults(_ operationID: String, status: Int, type: String?, body: [UInt8]) throws -> [String] {
    guard let operation = operations.first(where: { $0.id == operationID }) else { return ["no operation"] }
    let responses = operation.object["responses"]
    guard let response = resolve(responses?[String(status)] ?? responses?["default"]) else {
      return ["status \(status) is not documented"]
    }
    guard let content = response["content"] else { return body.isEmpty ? [] : ["a body is not documented"] }
    let type = type.map { $0.split(separator: ";")[0].description } ?? ""
    guard let media = content[type] else { return ["type \(type) is not documented for \(status)"] }
    guard type.hasSuffix("json"), let schema = media["schema"] else { return [] }
    return faults(try JSONValue.parse(body), schema, at: "")
  }

  func resolve(_ value: JSONValue?) -> JSONValue? {
    guard let value, case .string(let reference) = value["$ref"] else { return value }
    var found: JSONValue? = .object(root)
    for step in reference.split(separator: "/").dropFirst() { found = found?[String(step)] }
    return resolve(found)
  }

  // MARK: Schemas

  func faults(_ value: JSONValue, _ schema: JSONValue, at place: String) -> [String] {
    guard let schema = resolve(schema) else { return ["\(place): the schema is missing"] }
    var faults = faultsOfKind(value, schema, at: place)
    if case .array(let options) = schema["oneOf"] {
      let fitting = options.filter { self.faults(value, $0, at: place).isEmpty }.count
      if fitting != 1 { faults.append("\(place): fits \(fitting) of oneOf") }
    }
    if case .array(let parts) = schema["allOf"] {
      for part in parts { faults += faultsOfKind(value, resolve(part) ?? .null, at: place) }
      for part in parts { faults += nestedAllOf(value, part, at: place) }
    }
    if case .object(let object) = value { faults += undocumented(object, schema, at: place) }
    return faults
  }

  private func nestedAllOf(_ value: JSONValue, _ part: JSONValue, at place: String) -> [String] {
    guard let part = resolve(part), case .array(let parts) = part["allOf"] else { return [] }
    return parts.flatMap { faultsOfKind(value, resolve($0) ?? .null, at: place) + nestedAllOf(value, $0, at: place) }
  }

  private func faultsOfKind(_ value: JSONValue, _ schema: JSONValue, at place: String) -> [String] {
    var faults: [String] = []
    if let type = schema["type"], !isOfType(value, type) { faults.append("\(place): \(value) is no \(type)") }
    if case .array(let choices) = schema["enum"], !choices.contains(value) { faults.append("\(place): not in enum") }
    if let constant = schema["const"], constant != value { faults.append("\(place): is not the constant") }
    if case .string(let pattern) = schema["pattern"], case .string(let text) = value {
      let matches = (try? Regex(pattern)).map { text.contains($0) } ?? false
      if !matches { faults.append("\(place): \(text) does not match \(pattern)") }
    }
    if case .object(let object) = value {
      if case .array(let names) = schema["required"] {
        for case .string(let name) in names where object[name] == nil { faults.append("\(place)/\(name): is missing") }
      }
      for member in object.members {
        if let schema = schema["properties"]?[member.name] {
          faults += self.faults(member.value, schema, at: place + "/" + member.name)
        } else if let schema = schema["additionalProperties"], case .object = schema {
          faults += self.faults(member.value, schema, at: place + "/" + member.name)
        }
      }
    }
    if case .array(let items) = value, let schema = schema["items"] {
      for (index, item) in items.enumerated() { faults += self.faults(item, schema, at: "\(place)/\(index)") }
    }
    return faults
  }

  private func undocumented(_ object: JSONObject, _ schema: JSONValue, at place: String) -> [String] {
    guard let names = documented(schema) else { return [] }
    return object.members.map(\.name).filter { !names.contains($0) }.map { "\(place)/\($0): is not documented" }
  }

  /// The names of all members; nil when any name may stand.
  private func documented(_ schema: JSONValue) -> Set<String>? {
    guard let schema = resolve(schema) else { return nil }
    if schema["oneOf"] != nil { return nil }
    if let more = schema["additionalProperties"], more != .bool(false) { return nil }
    var names = Set(schema["properties"]?.members.map(\.name) ?? [])
    if case .array(let parts) = schema["allOf"] {
      for part in parts { names.formUnion(documented(part) ?? []) }
    }
    return names.isEmpty ? nil : names
  }

  private func isOfType(_ value: JSONValue, _ type: JSONValue) -> Bool {
    if case .array(let types) = type { return types.contains { isOfType(value, $0) } }
    return switch (value, type) {
    case (.null, .string("null")), (.bool, .string("boolean")), (.string, .string("string")),
      (.array, .string("array")), (.object, .string("object")), (.integer, .string("integer")),
      (.integer, .string("number")), (.number, .string("number")):
      true
    default: false
    }
  }
}

extension JSONValue {
  subscript(name: String) -> JSONValue? {
    if case .object(let object) = self { object[name] } else { nil }
  }

  var members: [JSONObject.Member] {
    if case .object(let object) = self { object.members } else { [] }
  }
}

extension [UInt8] {
  fileprivate func object() throws -> JSONObject {
    guard case .object(let object) = try JSONValue.parse(self) else { throw Unexpected(what: "not an object") }
    return object
  }
}
