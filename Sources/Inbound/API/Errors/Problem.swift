import Domain
import FleetService
import HTTPServer
import JSON

/// An error as callers see it: `application/problem+json` (RFC 9457) with our members `code`, `retryable`, `request_id` and,
/// for validation, `errors`.
struct Problem: Sendable, Hashable {
  var status: Int
  /// A stable word in snake_case, for programs.
  var code: String
  /// A sentence for people: what is wrong and what to do. Holds no secret, no path, nothing of the provider's raw answer.
  var detail: String
  /// Whether the same request may succeed later without a change.
  var isRetryable = false
  var errors: [FieldProblem] = []
  /// `Retry-After` in seconds.
  var retryAfter: Int?
  var allow: String?
  var challenge: String?

  init(_ status: Int, _ code: String, _ detail: String) {
    self.status = status
    self.code = code
    self.detail = detail
  }

  static let contentType = "application/problem+json"

  func response(requestID: String?, context: (any Sendable)? = nil) -> Response {
    var headers: [(name: String, value: String)] = [
      ("Content-Type", Self.contentType), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"),
    ]
    if let requestID { headers.append(("X-Request-Id", requestID)) }
    if let retryAfter { headers.append(("Retry-After", String(retryAfter))) }
    if let allow { headers.append(("Allow", allow)) }
    if let challenge { headers.append(("WWW-Authenticate", challenge)) }
    return Response(status: status, headers: headers, body: .bytes(json(requestID: requestID)), context: context)
  }

  /// A code has one status, so that the title, the status in words, is the same for every occurrence of a type.
  func json(requestID: String?) -> [UInt8] {
    var writer = JSONWriter(capacity: 384)
    writer.object { writer in
      writer.member("type", "urn:vastd:problem:" + code)
      writer.member("title", Self.title(of: status))
      writer.member("status", status)
      writer.member("detail", detail)
      writer.member("code", code)
      writer.member("retryable", isRetryable)
      writer.member("request_id", requestID)
      guard !errors.isEmpty else { return }
      writer.array("errors") { writer in
        for error in errors {
          writer.object { writer in
            writer.member("pointer", error.pointer)
            writer.member("detail", error.detail)
          }
        }
      }
    }
    return writer.bytes
  }

  static func title(of status: Int) -> String {
    switch status {
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 402: "Payment Required"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 408: "Request Timeout"
    case 409: "Conflict"
    case 411: "Length Required"
    case 413: "Content Too Large"
    case 414: "URI Too Long"
    case 415: "Unsupported Media Type"
    case 417: "Expectation Failed"
    case 422: "Unprocessable Content"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 502: "Bad Gateway"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    case 505: "HTTP Version Not Supported"
    case 507: "Insufficient Storage"
    default: "Error"
    }
  }
}
