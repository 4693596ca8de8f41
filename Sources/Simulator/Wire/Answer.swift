import JSON

/// What the service answers, before it becomes bytes.
struct Answer: Sendable {
  var status: Int
  var contentType: String
  var headers: [(name: String, value: String)]
  var body: [UInt8]
  /// Ends the connection in the middle of the body.
  var isCut = false

  init(_ status: Int, _ json: JSONValue) {
    self.status = status
    // Exactly this, without a charset: the official client looks for it.
    contentType = "application/json"
    headers = []
    body = json.bytes
  }

  init(_ status: Int, text: String, type: String) {
    self.status = status
    contentType = type
    headers = []
    body = Array(text.utf8)
  }

  static func ok(_ json: JSONValue) -> Answer { Answer(200, json) }

  static var success: Answer {
    var row = Row()
    row["success"] = .bool(true)
    return Answer(200, row.json)
  }

  /// The usual shape of a failure; also with status 200.
  static func failure(_ status: Int, _ error: String, _ message: String) -> Answer {
    Answer(status, failureBody(error, message))
  }

  static func failureBody(_ error: String, _ message: String) -> JSONValue {
    var row = Row()
    row["success"] = .bool(false)
    row["error"] = .string(error)
    row["msg"] = .string(message)
    return row.json
  }

  static let badKey = failure(404, "auth_error", "Invalid user key")
  /// Scope missing: documented as 401 or 403 and free text.
  static let forbidden = failure(401, "auth_error", "This key may not do that.")
  static let noKey = failure(403, "auth_error", "This action requires login.")
  static let badGateway = Answer(
    502, text: "<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>", type: "text/html"
  )
  static let gatewayTimeout = Answer(
    504, text: "<html><head><title>504 Gateway Time-out</title></head><body>504 Gateway Time-out</body></html>",
    type: "text/html")
  static let internalError = Answer(500, text: "Internal Server Error", type: "text/plain; charset=utf-8")

  static func noSuchInstance(_ id: Int) -> Answer { failure(404, "no_such_instance", "Instance \(id) not found.") }
}

/// An answer thrown from the depth of a handler.
struct Refused: Error {
  let answer: Answer
  init(_ answer: Answer) { self.answer = answer }
}
