/// RFC 3339 in UTC with milliseconds, `2026-07-20T09:05:00.123Z`, always 24 bytes. Some twenty divisions: cheaper than a lock
/// around a cached second, and nothing of the C library's time zones is touched.
enum Timestamp {
  static let length = 24

  static func append(nanoseconds: Int64, to bytes: inout [UInt8]) {
    let milliseconds = Int(nanoseconds / 1_000_000)
    let (days, inDay) = (milliseconds / 86_400_000, milliseconds % 86_400_000)
    let (year, month, day) = civil(daysSince1970: days)
    appendDigits(year, 4, to: &bytes)
    bytes.append(UInt8(ascii: "-"))
    appendDigits(month, 2, to: &bytes)
    bytes.append(UInt8(ascii: "-"))
    appendDigits(day, 2, to: &bytes)
    bytes.append(UInt8(ascii: "T"))
    appendDigits(inDay / 3_600_000, 2, to: &bytes)
    bytes.append(UInt8(ascii: ":"))
    appendDigits(inDay / 60_000 % 60, 2, to: &bytes)
    bytes.append(UInt8(ascii: ":"))
    appendDigits(inDay / 1_000 % 60, 2, to: &bytes)
    bytes.append(UInt8(ascii: "."))
    appendDigits(inDay % 1_000, 3, to: &bytes)
    bytes.append(UInt8(ascii: "Z"))
  }

  /// Howard Hinnant's `civil_from_days` for days from 1970 on: years begin in March, so that the leap day comes last.
  private static func civil(daysSince1970 days: Int) -> (year: Int, month: Int, day: Int) {
    let shifted = days + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
    let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
  }

  private static func appendDigits(_ value: Int, _ count: Int, to bytes: inout [UInt8]) {
    var divisor = count == 4 ? 1_000 : count == 3 ? 100 : 10
    var rest = value
    while divisor > 0 {
      bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest / divisor))
      rest %= divisor
      divisor /= 10
    }
  }
}
