/// How long an answer asks to wait: `Retry-After` in seconds or as an HTTP date (RFC 9110 §10.2.3), else `X-RateLimit-Reset`
/// in seconds since 1970. Nil when there is neither, or it makes no sense.
package enum RetryAfter {
  /// A month: longer than any real limit, and short enough to add to any clock.
  private static let longest = 2_678_400.0

  package static func parse(retryAfter: String?, reset: String? = nil, now: Timestamp) -> Duration? {
    if let text = retryAfter.map(trimmed), !text.isEmpty {
      if let seconds = Double(text) { return span(seconds) }
      if let moment = httpDate(text) { return span((moment - now).inSeconds) }
    }
    if let text = reset.map(trimmed), let moment = Double(text) { return span(moment - now.seconds) }
    return nil
  }

  private static func trimmed(_ text: String) -> String {
    String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
  }

  private static func span(_ seconds: Double) -> Duration? {
    guard seconds.isFinite, seconds <= longest else { return nil }
    return .microseconds(Int64(max(0, seconds) * 1_000_000))
  }

  /// `Sun, 06 Nov 1994 08:49:37 GMT`, the one form that may be sent.
  private static func httpDate(_ text: String) -> Timestamp? {
    let words = text.split(whereSeparator: { $0 == " " || $0 == ":" })
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    guard words.count == 8, words[7] == "GMT", let day = Int(words[1]), (1...31).contains(day),
      let month = months.firstIndex(of: String(words[2])), let year = Int(words[3]), (1970...9999).contains(year),
      let hour = Int(words[4]), let minute = Int(words[5]), let second = Int(words[6]),
      (0..<24).contains(hour), (0..<60).contains(minute), (0...60).contains(second)
    else { return nil }
    let days = daysSince1970(year: year, month: month + 1, day: day)
    return Timestamp(seconds: Double(((days * 24 + hour) * 60 + minute) * 60 + second))
  }

  /// Years run from March here, so that a leap day is the last of its year.
  private static func daysSince1970(year: Int, month: Int, day: Int) -> Int {
    let shifted = month <= 2 ? year - 1 : year
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    return shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + dayOfYear - 719_468
  }
}
