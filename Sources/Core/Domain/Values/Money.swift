/// An amount of US dollars in whole micro-dollars, so that sums are exact.
package struct Money: Sendable, Hashable, Comparable {
  package var microdollars: Int64

  package static let zero = Money(microdollars: 0)

  package init(microdollars: Int64) { self.microdollars = microdollars }

  /// Nearest micro-dollar; nil when the number is not finite or larger than nine billion dollars.
  package init?(dollars: Double) {
    guard dollars.isFinite, abs(dollars) < 9_000_000_000 else { return nil }
    microdollars = Int64((dollars * 1_000_000).rounded())
  }

  package var dollars: Double { Double(microdollars) / 1_000_000 }

  package static func < (left: Money, right: Money) -> Bool { left.microdollars < right.microdollars }
  package static func + (left: Money, right: Money) -> Money {
    Money(microdollars: left.microdollars + right.microdollars)
  }
  package static func += (left: inout Money, right: Money) { left.microdollars += right.microdollars }

  /// What an hourly rate comes to over a span, to the nearest micro-dollar; nothing for a span that runs backwards.
  package func perHour(for span: Duration) -> Money {
    let microseconds = max(0, span.microseconds)
    let hour: Int64 = 3_600_000_000
    // Whole hours apart from the rest, so that the product stays within 64 bits for any real rate and span.
    let rest = (Double(microdollars) * Double(microseconds % hour) / Double(hour)).rounded()
    return Money(microdollars: microdollars * (microseconds / hour) + Int64(rest))
  }

  /// In dollars: `0.32`, `-1.5`, `12`; no exponent, no zeros at the end.
  package var decimal: String {
    let (whole, rest) = microdollars.magnitude.quotientAndRemainder(dividingBy: 1_000_000)
    let sign = microdollars < 0 ? "-" : ""
    guard rest > 0 else { return sign + String(whole) }
    // The million keeps the zeros between the point and the first digit; its own digit is dropped.
    var digits = Substring(String(1_000_000 + rest)).dropFirst()
    while digits.last == "0" { digits.removeLast() }
    return sign + String(whole) + "." + digits
  }
}
