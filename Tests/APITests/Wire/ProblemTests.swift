import Domain
import FleetService
import JSON
import Testing

@testable import API

@Suite struct ProblemTests {
  private static let marketErrors: [MarketplaceError] = [
    .unauthorized(detail: "d"), .insufficientCredit(detail: "d"), .offerTaken(offerID: 7),
    .createdUnusable(id: MarketID(7), reason: "r"), .startQueued(detail: "d"), .notFound, .rateLimited(retryAfter: nil),
    .rateLimited(retryAfter: .milliseconds(1500)), .quotaExceeded(retryAfter: nil), .refused(code: "c", detail: "d"),
    .unavailable(detail: "d"), .unknownOutcome(detail: "d"), .malformedAnswer(detail: "d"), .cancelled,
  ]

  private static let errors: [APIError] =
    [
      .malformedRequest("x"), .malformedBody("x"), .queryParameter(name: "limit", detail: "x"),
      .unsupportedMediaType("x"),
      .bodyTooLarge(limit: 7), .invalid([FieldProblem(pointer: "/a", detail: "x")]),
      .unauthenticated(wasTokenShown: true),
      .unauthenticated(wasTokenShown: false), .forbidden(needs: .admin), .noSuchPath,
      .methodNotAllowed(allow: "GET, HEAD"),
      .notFound("job"), .fileMissing(path: "/secret/path"), .fleet(.notFound(what: "job")),
      .fleet(.conflict(code: "job_ended", detail: "x")), .fleet(.invalid([])), .fleet(.idempotencyMismatch),
      .fleet(.keyInFlight), .fleet(.badArchive(detail: "x")), .fleet(.tooLarge(limit: 7)), .fleet(.storageFull),
      .fleet(.storage(detail: "/secret/path: SELECT", isTransient: true)),
      .fleet(.storage(detail: "/secret/path: SELECT", isTransient: false)),
    ] + marketErrors.map { .fleet(.market($0)) }

  @Test(arguments: errors)
  func `every error is a whole problem`(error: APIError) throws {
    let problem = error.problem
    let object = try problem.json(requestID: "r-1").parsed()
    #expect(object["type"] == .string("urn:vastd:problem:" + problem.code))
    #expect(
      object["title"] == .string(Problem.title(of: problem.status)) && Problem.title(of: problem.status) != "Error")
    #expect(object["status"] == .integer(Int64(problem.status)) && (400..<600).contains(problem.status))
    #expect(object["request_id"] == .string("r-1"))
    #expect(problem.code.utf8.allSatisfy { $0.isASCIILetterOrDigit || $0 == UInt8(ascii: "_") })
    #expect(!problem.detail.isEmpty && !problem.detail.contains("/secret/path"))
    if [429, 503, 504].contains(problem.status) {
      #expect(problem.isRetryable && (problem.retryAfter ?? 0) >= 1, "who may come back is told when")
    }
    #expect((problem.status == 405) == (problem.allow != nil))
    #expect((problem.status == 401) == (problem.challenge != nil))
  }

  @Test func `a code has one status`() {
    var statuses: [String: Int] = [:]
    for problem in Self.errors.map(\.problem) {
      #expect(
        statuses.updateValue(problem.status, forKey: problem.code) ?? problem.status == problem.status,
        "\(problem.code)")
    }
  }

  @Test func `validation lists each pointer`() throws {
    let error = APIError.invalid([FieldProblem(pointer: "/a", detail: "x"), FieldProblem(pointer: "/b", detail: "y")])
    let text = String(decoding: error.problem.json(requestID: nil), as: UTF8.self)
    #expect(text.contains(#""errors":[{"pointer":"/a","detail":"x"},{"pointer":"/b","detail":"y"}]"#))
    #expect(error.problem.status == 422)
  }

  @Test(arguments: [
    (MarketplaceError.unauthorized(detail: "Invalid user key"), 502), (.insufficientCredit(detail: ""), 409),
    (.offerTaken(offerID: 1), 409), (.rateLimited(retryAfter: nil), 429), (.unavailable(detail: ""), 503),
    (.unknownOutcome(detail: ""), 504), (.malformedAnswer(detail: ""), 502), (.refused(code: "x", detail: ""), 422),
  ])
  func `the provider's failures have the statuses of the contract`(error: MarketplaceError, status: Int) {
    #expect(APIError.fleet(.market(error)).problem.status == status)
  }

  @Test func `waiting times are rounded up`() {
    #expect(APIError.fleet(.market(.rateLimited(retryAfter: .milliseconds(1500)))).problem.retryAfter == 2)
    #expect(APIError.fleet(.market(.rateLimited(retryAfter: .zero))).problem.retryAfter == 1)
    #expect(APIError.fleet(.keyInFlight).problem.retryAfter == 1)
  }
}
