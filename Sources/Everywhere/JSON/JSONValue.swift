/// A parsed JSON text. Object members keep their order; the last of two equal names wins on look-up, and
/// `JSONLimits.refusesDuplicateNames` turns them into an error instead.
package enum JSONValue: Sendable, Hashable {
  case null
  case bool(Bool)
  /// A number without fraction or exponent that fits 64 bits.
  case integer(Int64)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object(JSONObject)

  /// Parses one UTF-8 JSON text (RFC 8259). Throws at the first fault, with its byte offset.
  package static func parse(_ bytes: some Collection<UInt8>, limits: JSONLimits = .init()) throws(JSONError)
    -> JSONValue
  {
    guard bytes.count <= limits.bytes else { throw .tooLarge(limit: limits.bytes) }
    if let outcome = bytes.withContiguousStorageIfAvailable({ parse(buffer: $0, limits: limits) }) {
      return try outcome.get()
    }
    return try Array(bytes).withUnsafeBufferPointer { parse(buffer: $0, limits: limits) }.get()
  }

  /// A result, since `withContiguousStorageIfAvailable` would widen a typed error.
  private static func parse(buffer: UnsafeBufferPointer<UInt8>, limits: JSONLimits) -> Result<JSONValue, JSONError> {
    var parser = JSONParser(bytes: buffer, limits: limits)
    do throws(JSONError) {
      return .success(try parser.parseText())
    } catch {
      return .failure(error)
    }
  }
}

package struct JSONObject: Sendable, Hashable {
  package struct Member: Sendable, Hashable {
    package var name: String
    package var value: JSONValue
    package init(name: String, value: JSONValue) {
      self.name = name
      self.value = value
    }
  }

  package var members: [Member]

  package init(_ members: [Member] = []) { self.members = members }

  package subscript(name: String) -> JSONValue? {
    members.last { $0.name == name }?.value
  }
}

package struct JSONLimits: Sendable {
  /// Deepest nesting of arrays and objects. 64: no real body needs ten, and each level costs a stack frame.
  package var depth: Int
  /// Largest text in bytes.
  package var bytes: Int
  package var refusesDuplicateNames: Bool

  package init(depth: Int = 64, bytes: Int = 32 << 20, refusesDuplicateNames: Bool = false) {
    self.depth = depth
    self.bytes = bytes
    self.refusesDuplicateNames = refusesDuplicateNames
  }
}

package enum JSONError: Error, Hashable {
  /// Not JSON: what was expected, at which byte.
  case malformed(expected: String, offset: Int)
  case invalidUTF8(offset: Int)
  case tooDeep(limit: Int, offset: Int)
  case tooLarge(limit: Int)
  case duplicateName(String, offset: Int)
}

/// For a person who looks for the mistake in a file.
extension JSONError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .malformed(let expected, let offset): "at byte \(offset), \(expected) was expected"
    case .invalidUTF8(let offset): "not UTF-8 at byte \(offset)"
    case .tooDeep(let limit, let offset): "deeper than \(limit) levels at byte \(offset)"
    case .tooLarge(let limit): "larger than \(limit) bytes"
    case .duplicateName(let name, let offset): "the name \"\(name)\" twice in one object, at byte \(offset)"
    }
  }
}
