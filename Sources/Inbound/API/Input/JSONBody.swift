import FleetService
import HTTPServer
import JSON

/// A body as a JSON object.
enum JSONBody {
  /// Before the body is taken: only `application/json` without an encoding is read here.
  static func checkHeaders(_ head: RequestHead) throws(APIError) {
    try checkEncoding(head)
    let type = head.header("content-type")
    guard let type, isJSON(type) else {
      throw .unsupportedMediaType(
        "The body must come with Content-Type: application/json" + (type == nil ? "." : ", not another."))
    }
  }

  static func checkEncoding(_ head: RequestHead) throws(APIError) {
    guard let encoding = head.header("content-encoding"), encoding.lowercased() != "identity" else { return }
    throw .unsupportedMediaType("The body must come without Content-Encoding.")
  }

  static func object(_ bytes: [UInt8]) throws(APIError) -> JSONObject {
    let limits = JSONLimits(depth: Limits.jsonDepth, bytes: Limits.jsonBodyBytes, refusesDuplicateNames: true)
    let value: JSONValue
    do { value = try JSONValue.parse(bytes, limits: limits) } catch { throw APIError(error) }
    guard case .object(let object) = value else {
      throw .invalid([FieldProblem(pointer: "", detail: "must be an object, not \(value.kind)")])
    }
    return object
  }

  /// For calls that have nothing to say: no body, or `{}`.
  static func checkEmpty(_ bytes: [UInt8], _ head: RequestHead) throws(APIError) {
    guard !bytes.isEmpty else { return }
    try checkHeaders(head)
    let problems = FieldProblems()
    ObjectReader(try object(bytes), problems: problems).finish()
    try problems.check()
  }

  /// `application/json`, in any case, with a charset of UTF-8 or none.
  private static func isJSON(_ header: String) -> Bool {
    let parts = header.lowercased().split(separator: ";", omittingEmptySubsequences: false)
      .map { String($0).trimmingWhitespace() }
    guard parts.first == "application/json" else { return false }
    return parts.dropFirst().allSatisfy { ["charset=utf-8", "charset=\"utf-8\"", ""].contains($0) }
  }
}

extension APIError {
  init(_ error: JSONError) {
    switch error {
    case .malformed(let expected, let offset):
      self = .malformedBody("The body is not JSON: at byte \(offset), \(expected) was expected.")
    case .invalidUTF8(let offset): self = .malformedBody("The body is not UTF-8 at byte \(offset).")
    case .tooDeep(let limit, let offset):
      self = .malformedBody("The body is nested deeper than \(limit) levels at byte \(offset).")
    case .tooLarge(let limit): self = .bodyTooLarge(limit: limit)
    case .duplicateName(let name, let offset):
      self = .malformedBody("The body has the name \"\(name.prefix(64))\" twice in one object, at byte \(offset).")
    }
  }
}
