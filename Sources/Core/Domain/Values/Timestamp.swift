/// A moment in microseconds since 1970 UTC, as stored, compared and served. No calendar, no time zone.
package struct Timestamp: Sendable, Hashable, Comparable {
  package var microseconds: Int64

  package init(microseconds: Int64) { self.microseconds = microseconds }
  package init(seconds: Double) { microseconds = Int64((seconds * 1_000_000).rounded()) }

  package var seconds: Double { Double(microseconds) / 1_000_000 }

  package static func < (left: Timestamp, right: Timestamp) -> Bool { left.microseconds < right.microseconds }

  package static func + (moment: Timestamp, span: Duration) -> Timestamp {
    Timestamp(microseconds: moment.microseconds + span.microseconds)
  }

  package static func - (moment: Timestamp, span: Duration) -> Timestamp {
    Timestamp(microseconds: moment.microseconds - span.microseconds)
  }

  package static func - (later: Timestamp, earlier: Timestamp) -> Duration {
    .microseconds(later.microseconds - earlier.microseconds)
  }

  /// The last 00:00 UTC, itself at midnight.
  package var midnight: Timestamp {
    Timestamp(microseconds: Self.floorDivide(microseconds, Self.day).quotient * Self.day)
  }

  /// The next 00:00 UTC, a whole day from one midnight.
  package var nextMidnight: Timestamp { Timestamp(microseconds: midnight.microseconds + Self.day) }

  /// 00:00 UTC on the first of the month.
  package var monthStart: Timestamp {
    let days = Self.floorDivide(microseconds, Self.day).quotient
    return Timestamp(microseconds: (days - Self.civil(fromDays: days).day + 1) * Self.day)
  }

  /// When the next month begins.
  package var nextMonthStart: Timestamp { (monthStart + .seconds(32 * 86_400)).monthStart }

  /// The UTC day: `2026-11-28`.
  package var date: String { String(rfc3339.prefix { $0 != "T" }) }

  private static let day: Int64 = 86_400_000_000

  /// RFC 3339 in UTC with milliseconds: `2026-11-21T08:30:00.125Z`.
  package var rfc3339: String {
    var text = ""
    text.unicodeScalars.reserveCapacity(24)
    let (days, secondOfDay) = Self.floorDivide(microseconds / 1_000_000 - (microseconds % 1_000_000 < 0 ? 1 : 0), 86400)
    let millisecond = Self.floorDivide(microseconds, 1_000_000).remainder / 1000
    let (year, month, day) = Self.civil(fromDays: days)
    Self.append(year, 4, to: &text)
    text += "-"
    Self.append(month, 2, to: &text)
    text += "-"
    Self.append(day, 2, to: &text)
    text += "T"
    Self.append(secondOfDay / 3600, 2, to: &text)
    text += ":"
    Self.append(secondOfDay / 60 % 60, 2, to: &text)
    text += ":"
    Self.append(secondOfDay % 60, 2, to: &text)
    text += "."
    Self.append(millisecond, 3, to: &text)
    text += "Z"
    return text
  }

  private static func append(_ value: Int64, _ width: Int, to text: inout String) {
    let digits = String(value)
    for _ in digits.utf8.count..<max(width, digits.utf8.count) { text += "0" }
    text += digits
  }

  private static func floorDivide(_ value: Int64, _ divisor: Int64) -> (quotient: Int64, remainder: Int64) {
    let remainder = ((value % divisor) + divisor) % divisor
    return ((value - remainder) / divisor, remainder)
  }

  /// Days since 1970 to a proleptic Gregorian date, counted in eras of 400 years that begin in March.
  private static func civil(fromDays days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let shifted = days + 719_468
    let (era, dayOfEra) = floorDivide(shifted, 146_097)
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
  }
}

extension Duration {
  package var microseconds: Int64 {
    components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000
  }

  package var inSeconds: Double { Double(microseconds) / 1_000_000 }
}
