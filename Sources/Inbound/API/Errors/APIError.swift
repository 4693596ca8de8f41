import Domain
import FleetService

/// Why a request gets no answer, by what its caller can do about it.
enum APIError: Error, Sendable, Hashable {
  /// The request itself is wrong: two Authorization headers, an unusable Idempotency-Key.
  case malformedRequest(String)
  /// The body is not JSON, or not an object.
  case malformedBody(String)
  /// A query parameter is unknown, repeated or has no usable value.
  case queryParameter(name: String, detail: String)
  case unsupportedMediaType(String)
  case bodyTooLarge(limit: Int)
  /// Values that are wrong, each with its pointer.
  case invalid([FieldProblem])
  case unauthenticated(wasTokenShown: Bool)
  case forbidden(needs: Scope)
  /// Without a token: a page of the web speaks through a browser of this machine.
  case foreignCaller
  case noSuchPath
  case methodNotAllowed(allow: String)
  case notFound(String)
  /// A notification that is not Vast's, or not new.
  case badSignature
  /// As many listen to events as may.
  case tooManyStreams
  /// The file behind an answer cannot be opened.
  case fileMissing(path: String)
  case fleet(FleetError)

  /// The one place where an error becomes a status.
  var problem: Problem {
    switch self {
    case .malformedRequest(let detail): Problem(400, "malformed_request", detail)
    case .malformedBody(let detail): Problem(400, "malformed_body", detail)
    case .queryParameter(let name, let detail):
      Problem(400, "invalid_query_parameter", "Query parameter \(name): \(detail)")
    case .unsupportedMediaType(let detail): Problem(415, "unsupported_media_type", detail)
    case .bodyTooLarge(let limit): Problem(413, "body_too_large", "The body is larger than \(limit) bytes.")
    case .invalid(let errors): .invalid(errors)
    case .unauthenticated(let wasTokenShown): .unauthenticated(wasTokenShown: wasTokenShown)
    case .forbidden(let scope):
      Problem(403, "insufficient_scope", "This call needs a token with the scope \(scope.rawValue).")
    case .foreignCaller:
      Problem(
        403, "foreign_caller",
        "Without a token this service answers to its own machine only, by a loopback name and to no page of the web. Set VASTD_TOKEN."
      )
    case .noSuchPath: Problem(404, "no_such_path", "There is nothing at this path; /openapi.yaml lists what there is.")
    case .methodNotAllowed(let allow): .methodNotAllowed(allow: allow)
    case .notFound(let what): Problem(404, "not_found", "There is no such \(what).")
    case .badSignature:
      Problem(401, "bad_signature", "The signature or the time of this notification is missing or wrong.")
    case .tooManyStreams:
      .retryable(503, "too_many_streams", "\(Limits.eventStreams) listen to events already.", after: 30)
    case .fileMissing: Problem(500, "file_missing", "A file of this answer is missing; the log says more.")
    case .fleet(let error): Problem(error)
    }
  }
}

extension Problem {
  fileprivate static func invalid(_ errors: [FieldProblem]) -> Problem {
    let detail =
      errors.count == 1
      ? "\(errors[0].pointer.isEmpty ? "The body" : errors[0].pointer): \(errors[0].detail)"
      : "\(errors.count) values are wrong; errors names each."
    var problem = Problem(422, "invalid_value", detail)
    problem.errors = errors
    return problem
  }

  fileprivate static func unauthenticated(wasTokenShown: Bool) -> Problem {
    var problem = Problem(
      401, wasTokenShown ? "invalid_token" : "token_missing",
      wasTokenShown
        ? "The token is not valid here. Send the value of VASTD_TOKEN as Authorization: Bearer TOKEN."
        : "This call needs Authorization: Bearer TOKEN.")
    problem.challenge = wasTokenShown ? "Bearer realm=\"vastd\", error=\"invalid_token\"" : "Bearer realm=\"vastd\""
    return problem
  }

  fileprivate static func methodNotAllowed(allow: String) -> Problem {
    var problem = Problem(405, "method_not_allowed", "This path takes \(allow).")
    problem.allow = allow
    return problem
  }

  fileprivate static func retryable(_ status: Int, _ code: String, _ detail: String, after seconds: Int) -> Problem {
    var problem = Problem(status, code, detail)
    problem.isRetryable = true
    problem.retryAfter = seconds
    return problem
  }

  init(_ error: FleetError) {
    switch error {
    case .notFound(let what): self.init(404, "not_found", "There is no such \(what).")
    case .conflict(let code, let detail): self.init(409, code, detail)
    case .notYet(let code, let detail): self = .retryable(409, code, detail, after: 5)
    case .gone(let code, let detail): self.init(410, code, detail)
    case .invalid(let errors): self = .invalid(errors)
    case .idempotencyMismatch:
      self.init(
        422, "idempotency_key_reused",
        "This Idempotency-Key came before with another body. Use a new key for a new request.")
    case .keyInFlight:
      self = .retryable(
        409, "idempotency_key_in_flight", "The first request with this Idempotency-Key is still running.", after: 1)
    case .market(let error): self.init(error)
    case .held(let after):
      self = .retryable(
        503, "writes_held",
        "Vast.ai does not answer, so what needs it at once is held back and nothing was done. Posted jobs stay queued.",
        after: Self.seconds(after, else: 5))
    case .badArchive(let detail): self.init(422, "bad_archive", detail)
    case .tooLarge(let limit): self.init(413, "body_too_large", "The body is larger than \(limit) bytes.")
    case .storageFull:
      self = .retryable(
        507, "storage_full", "The data directory has no room for this. Free space, then try again.", after: 60)
    // The detail names tables and paths: it belongs into the log, not into an answer.
    case .storage(_, let isTransient):
      self =
        isTransient
        ? .retryable(503, "storage_busy", "The store could not do this just now.", after: 1)
        : Problem(500, "storage_failed", "The store could not do this; the log says more.")
    }
  }

  /// What the marketplace's failures mean for who called us. 429 and 503 always say when to come back.
  init(_ error: MarketplaceError) {
    let detail = error.detail
    switch error {
    case .unauthorized, .malformedAnswer: self.init(502, error.code, detail)
    case .insufficientCredit: self.init(409, error.code, detail)
    case .offerTaken: self.init(409, error.code, detail)
    case .createdUnusable: self.init(502, error.code, detail)
    case .startQueued: self.init(409, error.code, detail)
    case .notFound: self.init(404, "not_found", detail)
    case .rateLimited(let after): self = .retryable(429, error.code, detail, after: Self.seconds(after, else: 5))
    case .quotaExceeded(let after):
      self = .retryable(429, error.code, detail, after: Self.seconds(after, else: 3600))
    case .refused: self.init(422, error.code, detail)
    case .unavailable: self = .retryable(503, error.code, detail, after: 5)
    case .circuitOpen(let after): self = .retryable(503, error.code, detail, after: Self.seconds(after, else: 5))
    case .unknownOutcome: self = .retryable(504, error.code, detail, after: 5)
    case .cancelled: self = .retryable(503, error.code, detail, after: 1)
    }
  }

  /// Rounded up, and at least one: "0" would ask for a storm.
  private static func seconds(_ span: Duration?, else standard: Int) -> Int {
    span.map { max(1, Int($0.inSeconds.rounded(.up))) } ?? standard
  }
}
