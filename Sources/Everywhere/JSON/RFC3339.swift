/// Times as the API and the log write them: UTC with milliseconds, `2026-07-20T09:05:00.123Z`, always 24 bytes for the years
/// 0 to 9999. Plain arithmetic, some twenty divisions: cheaper than a lock around a cached second.
package enum RFC3339 {
  package static let length = 24

  /// Appends the moment, cut to the millisecond.
  package static func append(microseconds: Int64, to bytes: inout [UInt8]) {
    bytes.append(addingCapacity: length) { span in
      span.withUnsafeMutableBufferPointer { buffer, count in
        write(microseconds: microseconds, to: buffer)
        count = length
      }
    }
  }

  /// Writes it to the beginning of `buffer`, which has room for `length` bytes.
  package static func write(microseconds: Int64, to buffer: UnsafeMutableBufferPointer<UInt8>) {
    let (day, inDay) = floorDivide(Int(microseconds.floored(by: 1_000)), 86_400_000)
    let date = civil(daysSince1970: day)
    let out = DigitWriter(buffer: buffer)
    out.write(date.year, width: 4, at: 0)
    out.write(date.month, width: 2, at: 5)
    out.write(date.day, width: 2, at: 8)
    out.write(inDay / 3_600_000, width: 2, at: 11)
    out.write(inDay / 60_000 % 60, width: 2, at: 14)
    out.write(inDay / 1_000 % 60, width: 2, at: 17)
    out.write(inDay % 1_000, width: 3, at: 20)
    (buffer[4], buffer[7], buffer[10]) = (UInt8(ascii: "-"), UInt8(ascii: "-"), UInt8(ascii: "T"))
    (buffer[13], buffer[16]) = (UInt8(ascii: ":"), UInt8(ascii: ":"))
    (buffer[19], buffer[23]) = (UInt8(ascii: "."), UInt8(ascii: "Z"))
  }

  /// Howard Hinnant's `civil_from_days`: years begin in March, so that the leap day comes last.
  private static func civil(daysSince1970 days: Int) -> (year: Int, month: Int, day: Int) {
    let (era, dayOfEra) = floorDivide(days + 719_468, 146_097)
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
    let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
  }

  private static func floorDivide(_ value: Int, _ divisor: Int) -> (quotient: Int, remainder: Int) {
    let quotient = Int(Int64(value).floored(by: Int64(divisor)))
    return (quotient, value - quotient * divisor)
  }
}

extension Int64 {
  /// The quotient rounded down, also below zero, where `/` rounds up.
  fileprivate func floored(by divisor: Int64) -> Int64 {
    let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? quotient - 1 : quotient
  }
}
