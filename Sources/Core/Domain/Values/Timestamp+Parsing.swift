extension Timestamp {
  /// A moment as RFC 3339 has it (`2026-11-28T09:30:00Z`, with a fraction or an offset as it may be), or a UTC day (`2026-11-28`),
  /// which stands for its 00:00. Nil for anything else, also for days that no calendar has. The `+` of an offset may have become a
  /// space on its way through a query.
  package init?(text: String) {
    let bytes = Array(text.utf8)
    guard bytes.count >= 10, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
      let year = Self.number(bytes[0..<4]), let month = Self.number(bytes[5..<7]),
      let day = Self.number(bytes[8..<10]), (1...12).contains(month), (1970...9998).contains(year),
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

  /// Since 00:00 UTC of the day that the text names, of `2026-11-28T09:30:00.125Z`.
  private static func time(_ bytes: [UInt8]) -> Duration? {
    guard bytes.count >= 20, bytes[10] == UInt8(ascii: "T") || bytes[10] == UInt8(ascii: "t"),
      bytes[13] == UInt8(ascii: ":"), bytes[16] == UInt8(ascii: ":"), let hour = number(bytes[11..<13]),
      let minute = number(bytes[14..<16]), let second = number(bytes[17..<19]), hour < 24, minute < 60, second < 60
    else { return nil }
    var rest = bytes[19...]
    var time = Duration.seconds(hour * 3600 + minute * 60 + second)
    if rest.first == UInt8(ascii: ".") {
      let digits = rest.dropFirst().prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
      guard (1...9).contains(digits.count), let whole = number(digits) else { return nil }
      let nanoseconds = (digits.count..<9).reduce(whole) { value, _ in value * 10 }
      time += .microseconds(nanoseconds / 1000)
      rest = rest.dropFirst(1 + digits.count)
    }
    return offset(Array(rest)).map { time - $0 }
  }

  /// East of UTC.
  private static func offset(_ bytes: [UInt8]) -> Duration? {
    if bytes == [UInt8(ascii: "Z")] || bytes == [UInt8(ascii: "z")] { return .zero }
    guard bytes.count == 6, bytes[3] == UInt8(ascii: ":"), let hours = number(bytes[1..<3]),
      let minutes = number(bytes[4..<6]), hours < 24, minutes < 60
    else { return nil }
    let span = Duration.seconds(hours * 3600 + minutes * 60)
    switch bytes[0] {
    case UInt8(ascii: "+"), UInt8(ascii: " "): return span
    case UInt8(ascii: "-"): return .zero - span
    default: return nil
    }
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
