package import FleetService
package import HTTPServer
package import Logging
package import Telemetry

/// The HTTP API over the fleet: finds the route, lets the caller in or not, runs the handler, renders errors, and counts and
/// logs what became of it.
package final class API: RequestHandler {
  private let router: Router
  private let authenticator: Authenticator
  private let requestIDs = RequestIDs()
  private let observer: RequestObserver
  private let faults: FaultLog

  /// `metrics` makes the text of `/metrics`.
  package convenience init(
    fleet: Fleet, configuration: APIConfiguration, metrics: @escaping @Sendable () -> [UInt8],
    httpSeries: HTTPSeries, accessLog: AccessLog, logger: Logger
  ) {
    let handlers = Handlers(fleet: fleet, configuration: configuration, metrics: metrics, logger: logger)
    self.init(
      handlers.routes(), authenticator: Authenticator(token: configuration.token), httpSeries: httpSeries,
      accessLog: accessLog, logger: logger)
  }

  /// The listener for orchestrators and Prometheus: probes and metrics, nothing else, no token.
  package convenience init(
    probesOf fleet: Fleet, configuration: APIConfiguration, metrics: @escaping @Sendable () -> [UInt8],
    httpSeries: HTTPSeries, accessLog: AccessLog, logger: Logger
  ) {
    var configuration = configuration
    configuration.servesMetrics = true
    let handlers = Handlers(fleet: fleet, configuration: configuration, metrics: metrics, logger: logger)
    self.init(
      handlers.systemRoutes(), authenticator: Authenticator(token: nil), httpSeries: httpSeries, accessLog: accessLog,
      logger: logger)
  }

  private init(
    _ routes: [Route], authenticator: Authenticator, httpSeries: HTTPSeries, accessLog: AccessLog, logger: Logger
  ) {
    router = Router(routes)
    self.authenticator = authenticator
    faults = FaultLog(logger: logger)
    observer = RequestObserver(routes, httpSeries, accessLog, logger)
  }

  /// The table, for tests that hold it against openapi.yaml.
  package var routes: [Route] { router.routes }

  // MARK: RequestHandler

  package func begin(_ head: RequestHead) -> Reception {
    let match = router.match(head.method, head.path)
    var place: Int?
    if case .route(let index, _, _) = match { place = index }
    let requestID = requestIDs.id(for: head)
    let traceID = RequestIDs.traceID(in: head.header("traceparent"))
    do throws(APIError) {
      let principal = try admit(head, place)
      let context = RequestContext(requestID: requestID, traceID: traceID, route: place, principal: principal)
      switch match {
      case .route(let index, let id, let part):
        return try begin(router.routes[index], Call(head: head, id: id, part: part, body: [], context: context))
      case .otherMethods(let allow): throw .methodNotAllowed(allow: allow)
      case .none: throw .noSuchPath
      }
    } catch {
      let context = RequestContext(requestID: requestID, traceID: traceID, route: place, principal: nil)
      faults.note(error, context)
      return .refuse(error.problem.response(requestID: requestID, context: context))
    }
  }

  package func refusal(status: Int, reason: String, detail: String, head: RequestHead?) -> Response {
    let requestID = head.map { requestIDs.id(for: $0) } ?? requestIDs.next()
    var problem = Problem(status, reason, detail)
    problem.isRetryable = status == 429 || status == 503
    if problem.isRetryable { problem.retryAfter = 1 }
    let context = RequestContext(
      requestID: requestID, traceID: nil, route: head.flatMap { place(of: $0) }, principal: nil)
    return problem.response(requestID: requestID, context: context)
  }

  package func completed(
    _ head: RequestHead, status: Int, bytesSent: Int, durationNanoseconds: Int64, context: (any Sendable)?
  ) {
    observer.completed(
      head, status: status, bytesSent: bytesSent, durationNanoseconds: durationNanoseconds,
      context: context as? RequestContext)
  }

  // MARK: Steps

  /// Nil for what needs no token. Below /v1 a token is asked for before anything is said about the path.
  private func admit(_ head: RequestHead, _ place: Int?) throws(APIError) -> String? {
    if let place {
      guard let scope = router.routes[place].scope else { return nil }
      return try authenticator.principal(of: head, for: scope)
    }
    guard head.path.utf8.starts(with: "/v1".utf8) else { return nil }
    return try authenticator.principal(of: head, for: .read)
  }

  private func begin(_ route: Route, _ call: Call) throws(APIError) -> Reception {
    switch route.action {
    case .now(let handler):
      return .respond(bodyLimit: 0) { [faults] _ in
        call.answer(faults) { () throws(APIError) in try handler(call) }
      }
    case .later(let rule, let handler):
      if case .json = rule { try JSONBody.checkHeaders(call.head) }
      return .respondLater(bodyLimit: Limits.jsonBodyBytes) { [faults] request in
        await call.answerLater(faults) { () async throws(APIError) in
          switch rule {
          case .json: break
          case .optionalJSON: if !request.body.isEmpty { try JSONBody.checkHeaders(request.head) }
          case .none: try JSONBody.checkEmpty(request.body, request.head)
          }
          return try await handler(call.with(body: request.body))
        }
      }
    case .decide(let handler):
      return try handler(call)
    }
  }

  private func place(of head: RequestHead) -> Int? {
    guard case .route(let index, _, _) = router.match(head.method, head.path) else { return nil }
    return index
  }
}
