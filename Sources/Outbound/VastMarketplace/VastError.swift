import Domain
import HTTPClient
import JSON

/// What an answer of Vast's, or the lack of one, means. Told apart in one place, `VastReply.accepted()`; what follows from it
/// depends on the call, see `marketplaceError(for:)`.
package enum VastError: Error, Sendable, Hashable {
  case unauthorized(detail: String)
  case insufficientCredit(detail: String)
  /// `no_such_ask`, whatever the status.
  case offerGone
  /// Vast says, in its own words, that the thing does not exist. A 404 that is not Vast's own does not count.
  case gone(code: String, detail: String)
  case rateLimited(retryAfter: Duration?)
  case quotaExceeded(retryAfter: Duration?)
  case refused(code: String, detail: String)
  /// `resources_unavailable` with status 200: what should run waits for its GPUs, and exists.
  case queued(detail: String)
  /// `success: false` without a reason that rules out that something was done.
  case unclear(detail: String)
  /// 5xx and 408.
  case serverFailed(detail: String)
  /// An answer that is not JSON, or is JSON of another shape.
  case unreadable(detail: String)
  /// Surely nothing reached Vast.
  case notSent(detail: String)
  /// Sent, and no whole answer came.
  case noAnswer(detail: String)
  case cancelled(wasSent: Bool)

  /// The same failure as a decision for the caller of this operation.
  func marketplaceError(for operation: MarketplaceOperation, offerID: Int64? = nil) -> MarketplaceError {
    switch self {
    case .unauthorized(let detail): .unauthorized(detail: detail)
    case .insufficientCredit(let detail): .insufficientCredit(detail: detail)
    case .offerGone: offerID.map { .offerTaken(offerID: $0) } ?? .refused(code: "no_such_ask", detail: "")
    case .gone(let code, let detail): operation == .create ? .refused(code: code, detail: detail) : .notFound
    case .rateLimited(let retryAfter): .rateLimited(retryAfter: retryAfter)
    case .quotaExceeded(let retryAfter): .quotaExceeded(retryAfter: retryAfter)
    case .refused(let code, let detail): .refused(code: code, detail: detail)
    case .notSent(let detail): .unavailable(detail: detail)
    case .queued(let detail) where operation == .start: .startQueued(detail: detail)
    // What may have been done once must be looked for when it was a rental, and done again when it was not.
    case .queued(let detail), .unclear(let detail):
      operation.isRepeatable ? .refused(code: "unsuccessful", detail: detail) : .unknownOutcome(detail: detail)
    case .serverFailed(let detail), .noAnswer(let detail):
      operation.isRepeatable ? .unavailable(detail: detail) : .unknownOutcome(detail: detail)
    case .unreadable(let detail):
      operation.isRepeatable ? .malformedAnswer(detail: detail) : .unknownOutcome(detail: detail)
    case .cancelled(let wasSent):
      wasSent && !operation.isRepeatable ? .unknownOutcome(detail: "given up after sending") : .cancelled
    }
  }
}

extension VastReply {
  /// The JSON of an answer that means success, or what the failure is: the one place that judges status, body and transport.
  ///
  /// Words come before numbers, since the same condition arrives with several statuses: a bad key as 401, 403 or 404, a taken
  /// offer as 400, 404 or 410, and a failure of any kind as 200 with `success: false`.
  func accepted() throws(VastError) -> JSONValue {
    let response: HTTPClientResponse
    switch outcome {
    case .success(let answer): response = answer
    case .failure(let error): throw Self.meaning(of: error)
    }
    let status = response.status
    if status == 204 { return .null }
    let isSuccess = (200..<300).contains(status)
    if isSuccess, let json, json["success"]?.asFlag != false { return json }

    let words = ErrorWords(json: json, response: response)
    let detail = presentable("HTTP \(status): \(words.message)")
    let retryAfter = RetryAfter.parse(
      retryAfter: response.header("Retry-After"), reset: response.header("X-RateLimit-Reset"), now: receivedAt)

    if words.says("no_such_ask") { throw .offerGone }
    if status == 401 || words.code == "auth_error" || words.code == "unauthorized" || words.code == "not_authorized"
      || words.says("invalid user key") || words.says("session expired. please log in")
    {
      throw .unauthorized(detail: detail)
    }
    if words.code == "search_quota_exceeded" { throw .quotaExceeded(retryAfter: retryAfter) }
    if status == 429 || words.code == "rate_limit_exceeded" { throw .rateLimited(retryAfter: retryAfter) }
    if status == 408 || status >= 500 { throw .serverFailed(detail: detail) }
    if status == 402 || words.isAboutMoney { throw .insufficientCredit(detail: detail) }
    if (300..<400).contains(status) {
      let target = response.header("Location").map(presentable) ?? "nowhere"
      throw .refused(code: "redirected", detail: "HTTP \(status) to \(target); set VAST_URL to where the API is")
    }
    // A gateway refuses a client in plain text or HTML; Vast itself says "auth_error" or why.
    if status == 403, words.code.isEmpty { throw .unauthorized(detail: detail) }
    guard json?.asObject != nil else { throw .unreadable(detail: detail) }
    if words.isAbsence(status: status) { throw .gone(code: words.code, detail: detail) }
    if isSuccess, words.code == "resources_unavailable" { throw .queued(detail: detail) }
    if isSuccess, words.code.isEmpty { throw .unclear(detail: detail) }
    throw .refused(code: words.code.isEmpty ? "http_\(status)" : presentable(words.code), detail: detail)
  }

  private static func meaning(of error: HTTPClientError) -> VastError {
    switch error {
    case .notSent(let reason): .notSent(detail: reason)
    case .forbiddenAddress: .notSent(detail: "the address is not allowed")
    case .broken(let reason): .noAnswer(detail: reason)
    case .timedOut: .noAnswer(detail: "no answer in time")
    case .tooLarge(let limit): .noAnswer(detail: "an answer of more than \(limit) bytes")
    case .cancelled(let wasSent): .cancelled(wasSent: wasSent)
    }
  }
}

/// The code and the sentence of an error body, from whichever members hold them.
private struct ErrorWords {
  let code: String
  let message: String

  init(json: JSONValue?, response: HTTPClientResponse) {
    code = json?["error"]?.asText ?? ""
    message =
      json?["msg"]?.asText ?? json?["message"]?.asText ?? json?["detail"]?.asText
      ?? Self.plainText(of: response) ?? code
  }

  /// The body when it is text for people; a page of HTML is not.
  private static func plainText(of response: HTTPClientResponse) -> String? {
    let text = String(decoding: response.body.prefix(1000), as: UTF8.self).trimmed
    if text.isEmpty { return "an empty body" }
    if text.hasPrefix("<") { return "an HTML page" }
    return text.hasPrefix("{") || text.hasPrefix("[") ? nil : text
  }

  /// Matched in the code and in the sentence: which of the two holds Vast's word differs from answer to answer.
  func says(_ word: String) -> Bool {
    code.lowercased().contains(word) || message.lowercased().contains(word)
  }

  var isAboutMoney: Bool {
    code == "insufficient_credit" || code == "missing_billing"
      || ["insufficient credit", "lacks credit", "balance is too low", "missing_billing", "add a billing"].contains {
        message.lowercased().contains($0)
      }
  }

  func isAbsence(status: Int) -> Bool {
    let codes = ["not_found", "invalid_id", "no_such_ssh_key"]
    if status == 404, codes.contains(code) || says("no_such_instance") { return true }
    // The last one comes with 404, and with 409 from older servers.
    return ["no_such_instance", "instances_not_found", "no_pending_price_increase"].contains(code)
  }
}
