extension Timestamp {
  /// A moment as RFC 3339 in UTC (`2026-11-28T09:30:00Z`, with or without a fraction), or a UTC day (`2026-11-28`), which stands for
  /// its 00:00. Nil for anything else, also for days that no calendar has.
  package init?(text: String) {
    let bytes = Array(text.utf8)
    guard bytes.count >= 10, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
      let year = Self.number(bytes[0..<4]), let month = Self.number(bytes[5..<7]),
      let day = Self.number(bytes[8..<10]), (1...12).contains(month), year >= 1970,
      (1...Self.days(inMonth: month, of: year)).contains(day)
    else { return nil }
    let midnight = Timestamp(microseconds: Self.days(to: year, month, day) * 86_400_000_000)
    guard bytes.count > 10 else {
      self = midnight
      return
    }
    guard let time = Self.time(bytes) else { return nil }
    self = midnight + time
  }

  /// Since 00:00, of `2026-11-28T09:30:00.125Z`.
  private static func time(_ bytes: [UInt8]) -> Duration? {
    guard bytes.count >= 20, bytes[10] == UInt8(ascii: "T") || bytes[10] == UInt8(ascii: "t"),
      bytes[13] == UInt8(ascii: ":"), bytes[16] == UInt8(ascii: ":"), let hour = Self.number(bytes[11..<13]),
      let minute = Self.number(bytes[14..<16]), let second = Self.number(bytes[17..<19]), hour < 24, minute < 60,
      second < 60, bytes.last == UInt8(ascii: "Z") || bytes.last == UInt8(ascii: "z")
    else { return nil }
    let seconds = Duration.seconds(hour * 3600 + minute * 60 + second)
    let fraction = bytes[19..<(bytes.count - 1)]
    guard let point = fraction.first else { return seconds }
    let digits = fraction.dropFirst()
    guard point == UInt8(ascii: "."), (1...9).contains(digits.count), let whole = Self.number(digits) else {
      return nil
    }
    var nanoseconds = whole
    for _ in digits.count..<9 { nanoseconds *= 10 }
    return seconds + .microseconds(nanoseconds / 1000)
  }

  private static func number(_ digits: ArraySlice<UInt8>) -> Int64? {
    var value: Int64 = 0
    for digit in digits {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
      value = value * 10 + Int64(digit - UInt8(ascii: "0"))
    }
    return digits.isEmpty ? nil : value
  }

  private static func isLeap(_ year: Int64) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

  private static func days(inMonth month: Int64, of year: Int64) -> Int64 {
    switch month {
    case 2: isLeap(year) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  /// Since 1970.
  private static func days(to year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
    let before = year - 1
    var days = before * 365 + before / 4 - before / 100 + before / 400 - 719_162
    for earlier in 1..<month { days += Self.days(inMonth: earlier, of: year) }
    return days + day - 1
  }
}
