import Domain
import HTTPServer

/// Which days a reconciliation is asked for.
struct ReconciliationInput {
  let range: DayRange
  let page: PageRequest
  /// What a cursor is bound to.
  let scope: String

  /// As many as Vast tells of at once.
  static let mostDays = MarketCharge.mostDays
  static let usualDays = 7

  init(_ head: RequestHead, _ cursors: CursorCodec, now: Timestamp) throws(APIError) {
    var reader = try QueryReader(head)
    let from = try Self.moment("from", &reader)
    let to = try Self.moment("to", &reader)
    // Without `to`: through today.
    let end = to ?? now.nextMidnight
    let start = from ?? (end - .microseconds(1)).midnight - .seconds(86_400 * (Self.usualDays - 1))
    guard let range = DayRange(from: start, to: end) else {
      throw .queryParameter(name: "from", detail: "must be before to, which is the end of today when it is not given")
    }
    guard range.days <= Self.mostDays else {
      throw .queryParameter(
        name: "from",
        detail: "must be at most \(Self.mostDays) days before to, which is the end of today when it is not given")
    }
    self.range = range
    scope = "reconciliation\nfrom=\(from?.microseconds ?? 0)\nto=\(to?.microseconds ?? 0)"
    page = try reader.page(scope, cursors)
  }

  private static func moment(_ name: String, _ reader: inout QueryReader) throws(APIError) -> Timestamp? {
    guard let text = reader.string(name) else { return nil }
    guard let moment = moment(text) else {
      throw .queryParameter(
        name: name, detail: "must be a day such as 2026-11-28, or a time such as 2026-11-28T08:30:00Z")
    }
    return moment
  }

  /// A UTC day, by its 00:00, or a time of RFC 3339. A `+` of an offset may have become a space on its way through the query.
  static func moment(_ text: String) -> Timestamp? {
    let bytes = Array(text.utf8)
    guard bytes.count >= 10, let day = day(bytes[..<10]) else { return nil }
    guard bytes.count > 10 else { return day }
    guard bytes.count >= 20, bytes[10] == UInt8(ascii: "T") || bytes[10] == UInt8(ascii: "t"),
      let hour = number(bytes[11..<13]), let minute = number(bytes[14..<16]), let second = number(bytes[17..<19]),
      bytes[13] == UInt8(ascii: ":"), bytes[16] == UInt8(ascii: ":"), hour < 24, minute < 60, second < 60
    else { return nil }
    var rest = bytes[19...]
    var microseconds: Int64 = 0
    if rest.first == UInt8(ascii: ".") {
      let digits = rest.dropFirst().prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
      guard !digits.isEmpty, digits.count <= 9, let fraction = number(digits.prefix(6)) else { return nil }
      microseconds = (digits.count..<6).reduce(fraction) { value, _ in value * 10 }
      rest = rest.dropFirst(1 + digits.count)
    }
    guard let offset = offset(Array(rest)) else { return nil }
    let seconds = hour * 3600 + minute * 60 + second - offset
    return Timestamp(microseconds: day.microseconds + seconds * 1_000_000 + microseconds)
  }

  private static func day(_ bytes: ArraySlice<UInt8>) -> Timestamp? {
    let parts = bytes.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
    guard parts.map(\.count) == [4, 2, 2], let year = number(parts[0]), let month = number(parts[1]),
      let date = number(parts[2]), (1970...9998).contains(year), (1...12).contains(month)
    else { return nil }
    // Months in twelfths of a year that begins in March, so that the leap day is its last.
    let shifted = month > 2 ? year : year - 1
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + date - 1
    let days = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + dayOfYear - 719_468
    let day = Timestamp(microseconds: days * 86_400_000_000)
    // The 31st of a shorter month would be another day.
    return day.date.utf8.elementsEqual(bytes) ? day : nil
  }

  /// Seconds east of UTC.
  private static func offset(_ bytes: [UInt8]) -> Int64? {
    if bytes == [UInt8(ascii: "Z")] || bytes == [UInt8(ascii: "z")] { return 0 }
    guard bytes.count == 6, bytes[3] == UInt8(ascii: ":"), let hours = number(bytes[1..<3]),
      let minutes = number(bytes[4..<6]), hours < 24, minutes < 60
    else { return nil }
    let seconds = hours * 3600 + minutes * 60
    switch bytes[0] {
    case UInt8(ascii: "+"), UInt8(ascii: " "): return seconds
    case UInt8(ascii: "-"): return -seconds
    default: return nil
    }
  }

  private static func number(_ digits: some Collection<UInt8>) -> Int64? {
    guard digits.allSatisfy(\.isASCIIDigit) else { return nil }
    return Int64(String(decoding: digits, as: UTF8.self))
  }
}
