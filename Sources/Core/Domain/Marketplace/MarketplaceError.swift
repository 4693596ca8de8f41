/// What a failed call to the marketplace means for its caller. Cases are decisions, not causes.
package enum MarketplaceError: Error, Sendable, Hashable {
  /// The key is wrong, revoked or lacks a scope: a person must act. `detail` is for that person.
  case unauthorized(detail: String)
  /// Money is missing: a person must act.
  case insufficientCredit(detail: String)
  /// The offer is gone: rank again and take the next.
  case offerTaken(offerID: Int64)
  /// The call was refused, but a contract exists and costs money: record it, then destroy it.
  case createdUnusable(id: MarketID, reason: String)
  /// The start waits until the GPUs are free, perhaps for ever. It may still happen, and cost money, at any time: wait for it,
  /// or destroy the instance when giving up.
  case startQueued(detail: String)
  /// No such instance. Success when destroying.
  case notFound
  /// Too soon: wait. Nil when the provider does not say how long.
  case rateLimited(retryAfter: Duration?)
  /// The daily search quota is used up until `retryAfter` has passed.
  case quotaExceeded(retryAfter: Duration?)
  /// The provider understood and refuses: the same call will fail again. `code` is the provider's own word.
  case refused(code: String, detail: String)
  /// The provider failed, and said so before doing anything or on a call that may be repeated.
  case unavailable(detail: String)
  /// The provider did not answer several times in a row and is left alone for so long: surely nothing was sent.
  case circuitOpen(retryAfter: Duration)
  /// No clear answer: timeout, broken connection, cut or unreadable body, 5xx. It may have been done.
  case unknownOutcome(detail: String)
  /// An answer that is no information: wrong shape, incomplete list.
  case malformedAnswer(detail: String)
  case cancelled

  /// Whether the same call may succeed shortly. Not whether it is safe to repeat: that belongs to the call.
  package var isTransient: Bool {
    switch self {
    case .rateLimited, .unavailable, .circuitOpen, .unknownOutcome, .malformedAnswer: true
    case .unauthorized, .insufficientCredit, .offerTaken, .createdUnusable, .startQueued, .notFound, .quotaExceeded,
      .refused, .cancelled:
      false
    }
  }

  /// Whether the provider does not answer, as against an answer that is no.
  package var isOutage: Bool {
    switch self {
    case .unavailable, .circuitOpen, .unknownOutcome, .malformedAnswer: true
    case .unauthorized, .insufficientCredit, .offerTaken, .createdUnusable, .startQueued, .notFound, .rateLimited,
      .quotaExceeded, .refused, .cancelled:
      false
    }
  }

  /// A stable word for metrics and for `failure.code`.
  package var code: String {
    switch self {
    case .unauthorized: "provider_unauthorized"
    case .insufficientCredit: "insufficient_credit"
    case .offerTaken: "offer_taken"
    case .createdUnusable: "created_unusable"
    case .startQueued: "start_queued"
    case .notFound: "not_found"
    case .rateLimited: "rate_limited"
    case .quotaExceeded: "search_quota_exceeded"
    case .refused: "provider_refused"
    case .unavailable: "provider_unavailable"
    case .circuitOpen: "provider_circuit_open"
    case .unknownOutcome: "outcome_unknown"
    case .malformedAnswer: "malformed_answer"
    case .cancelled: "cancelled"
    }
  }

  /// A sentence for people, with what to do about it.
  package var detail: String {
    switch self {
    case .unauthorized(let detail):
      "Vast.ai refuses the API key (\(detail)). Check VAST_API_KEY or VAST_API_KEY_FILE and the key's permissions."
    case .insufficientCredit(let detail): "The Vast.ai account lacks credit (\(detail)). Add credit and try again."
    case .offerTaken(let offerID): "Offer \(offerID) is no longer available."
    case .createdUnusable(let id, let reason): "Instance \(id) was created but cannot run (\(reason))."
    case .startQueued(let detail): "Vast.ai starts the instance when its GPUs are free (\(detail))."
    case .notFound: "Vast.ai knows no such instance."
    case .rateLimited(let retryAfter):
      "Vast.ai asks for a slower pace" + (retryAfter.map { " (\(Int($0.inSeconds)) s)" } ?? "") + "."
    case .quotaExceeded(let retryAfter):
      "The daily search quota at Vast.ai is used up" + (retryAfter.map { " for \(Int($0.inSeconds)) s" } ?? "") + "."
    case .refused(let code, let detail): "Vast.ai refuses: \(code): \(detail)"
    case .unavailable(let detail): "Vast.ai cannot be reached or failed (\(detail))."
    // Without the seconds: jobs keep this text, and it should not differ each time.
    case .circuitOpen: "Vast.ai failed several times in a row; it is asked again in a moment."
    case .unknownOutcome(let detail): "Vast.ai gave no clear answer (\(detail))."
    case .malformedAnswer(let detail): "Vast.ai answered something that cannot be read (\(detail))."
    case .cancelled: "The call was given up."
    }
  }
}
