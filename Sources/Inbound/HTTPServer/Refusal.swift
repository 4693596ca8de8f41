/// Why the server itself refuses a request. Rendered by `RequestHandler.refusal`; the connection is closed after it.
struct Refusal: Error {
  let status: Int
  let reason: String
  let detail: String

  static func malformed(_ detail: String) -> Refusal {
    Refusal(status: 400, reason: "malformed_request", detail: detail)
  }
  static func framing(_ detail: String) -> Refusal { Refusal(status: 400, reason: "ambiguous_length", detail: detail) }
  static func target(_ detail: String) -> Refusal { Refusal(status: 400, reason: "malformed_target", detail: detail) }

  static let headersTooLarge = Refusal(
    status: 431, reason: "headers_too_large", detail: "The request line and headers are larger than this server takes.")
  static let tooManyHeaders = Refusal(
    status: 431, reason: "too_many_headers", detail: "The request has more header fields than this server takes.")
  static let targetTooLong = Refusal(
    status: 414, reason: "target_too_long", detail: "The request target is longer than this server takes.")
  static let tooManyQueryItems = Refusal(
    status: 400, reason: "too_many_query_items", detail: "The query has more parameters than this server takes.")
  static let methodNotAllowed = Refusal(
    status: 405, reason: "method_not_allowed", detail: "This method is not allowed on this server.")
  static let methodUnknown = Refusal(
    status: 501, reason: "method_unknown", detail: "This server does not know the method.")
  static let version = Refusal(
    status: 505, reason: "version_not_supported", detail: "This server speaks HTTP/1.0 and HTTP/1.1.")
  static let expectation = Refusal(
    status: 417, reason: "expectation_failed", detail: "The only expectation that this server meets is 100-continue.")
  static let bodyTooLarge = Refusal(
    status: 413, reason: "body_too_large", detail: "The request body is larger than this call takes.")
  static let headersTooSlow = Refusal(
    status: 408, reason: "request_timeout", detail: "The request's headers did not arrive in time.")
  static let bodyTooSlow = Refusal(
    status: 408, reason: "request_timeout", detail: "The request's body did not arrive in time.")
  static let draining = Refusal(
    status: 503, reason: "draining", detail: "The server is shutting down; ask again in a moment.")
  static let answerTooSlow = Refusal(
    status: 503, reason: "answer_timeout", detail: "The server did not come to an answer in time.")
  static let unsendable = Refusal(
    status: 500, reason: "internal_error", detail: "The server made an answer that it cannot send.")
}
