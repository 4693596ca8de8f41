import JSON

/// The service's minimum intervals, per key and route. One call each interval, without a burst: how large the real buckets
/// are is unknown, and this is the strictest reading.
struct RateLimits: Sendable {
  private var freeAt: [String: Double] = [:]

  /// nil when the call may pass, else the seconds to wait. A refused create is punished with a longer wait.
  mutating func refuse(_ route: Route, key: String, now: Double) -> Double? {
    let bucket = key + " " + route.name
    if let free = freeAt[bucket], now < free {
      if let penalty = route.penalty { freeAt[bucket] = max(free, now + penalty) }
      return (freeAt[bucket] ?? free) - now
    }
    freeAt[bucket] = now + route.threshold
    return nil
  }

  static func answer(_ form: LimitForm, threshold: Double, retryAfter: Double?) -> Answer {
    var answer: Answer
    switch form {
    case .text: answer = Answer(429, text: "API requests too frequent", type: "text/plain; charset=utf-8")
    case .thresholdText:
      answer = Answer(
        429, text: "API requests too frequent: endpoint threshold=\(threshold)", type: "text/plain; charset=utf-8")
    case .detail:
      var row = Row()
      row["detail"] = .string("API requests too frequent endpoint threshold=\(threshold)")
      answer = Answer(429, row.json)
    case .error:
      answer = .failure(429, "rate_limit_exceeded", "API requests too frequent endpoint threshold=\(threshold)")
    }
    if let retryAfter { answer.headers.append(("Retry-After", "\(Int(retryAfter.rounded(.up)))")) }
    return answer
  }

  /// The daily quota of rows, which is over until midnight UTC.
  static func quota(now: Double) -> Answer {
    let midnight = (now / 86_400).rounded(.down) * 86_400 + 86_400
    var answer = Answer.failure(429, "search_quota_exceeded", "Daily search row quota exhausted")
    answer.headers.append(("Retry-After", "\(Int((midnight - now).rounded(.up)))"))
    answer.headers.append(("X-RateLimit-Reset", "\(Int(midnight))"))
    return answer
  }
}
