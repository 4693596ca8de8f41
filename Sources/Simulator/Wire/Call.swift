import JSON

/// One request, taken apart.
struct Call: Sendable {
  /// The numbers in the path, in order.
  var numbers: [Int]
  var query: [(name: String, value: String)]
  var body: JSONObject
  /// "http://127.0.0.1:PORT", for addresses in answers.
  var base: String

  func text(_ name: String) -> String? { query.last { $0.name == name }?.value }

  /// A query value that is JSON text; nil when absent. Throws the service's answer when it is not JSON.
  func json(_ name: String) throws(Refused) -> JSONValue? {
    guard let text = text(name) else { return nil }
    do {
      return try JSONValue.parse(text.utf8)
    } catch {
      throw Refused(.failure(400, "invalid_request", "Error in query parameters: \(name) is not valid JSON"))
    }
  }
}
