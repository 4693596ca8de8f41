package import HTTPServer

/// One line of the API: a method and a path, what it is called, who may, and what answers.
package struct Route: Sendable {
  package let method: Method
  /// As in openapi.yaml: `/v1/jobs/{id}/logs`. At most one `{id}`, and one more name after it.
  package let template: String
  package let operation: Operation
  /// The least scope that may call it; nil for the system calls, which need no token.
  package let scope: Scope?
  let action: Action

  init(_ method: Method, _ template: String, _ operation: Operation, _ scope: Scope?, _ action: Action) {
    self.method = method
    self.template = template
    self.operation = operation
    self.scope = scope
    self.action = action
  }

  enum Action: Sendable {
    /// Takes no body and waits for nothing: runs on the server's own thread.
    case now(@Sendable (Call) throws(APIError) -> Response)
    /// Waits: runs as a task once the body is there.
    case later(BodyRule, @Sendable (Call) async throws(APIError) -> Response)
    /// Looks at the head first and decides by itself.
    case decide(@Sendable (Call) throws(APIError) -> Reception)
  }

  enum BodyRule: Sendable {
    /// A JSON object must come.
    case json
    /// A JSON object may come.
    case optionalJSON
    /// There is nothing to say: no body, or `{}`.
    case none
  }
}
