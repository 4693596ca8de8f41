import HTTPServer

/// A request that found its route and may take it.
struct Call: Sendable {
  let head: RequestHead
  /// The `{id}` of the path.
  let id: String?
  /// The second name of the path, where it has one: `{delivery}`.
  let part: String?
  let body: [UInt8]
  let context: RequestContext

  func with(body: [UInt8]) -> Call { Call(head: head, id: id, part: part, body: body, context: context) }
}

/// What is known of a request beside its head, from its routing until its line in the access log.
final class RequestContext: Sendable {
  let requestID: String
  /// The 32 hex digits of a valid `traceparent`.
  let traceID: String?
  /// The route's place in the table; nil when none was found.
  let route: Int?
  /// Whose token came: scopes idempotency keys and goes to the log. Nil where no token is asked for.
  let principal: String?

  init(requestID: String, traceID: String?, route: Int?, principal: String?) {
    self.requestID = requestID
    self.traceID = traceID
    self.route = route
    self.principal = principal
  }
}
