import Domain
import Testing

@Suite struct `A moment in text` {
  @Test(
    arguments: [
      ("1970-01-01", 0), ("2026-11-28", 1_795_824_000_000_000), ("2024-02-29T23:59:59Z", 1_709_251_199_000_000),
      ("2026-11-28T09:30:00.125Z", 1_795_858_200_125_000), ("2026-11-28T09:30:00.123456789Z", 1_795_858_200_123_456),
    ] as [(String, Int64)])
  func `is a UTC day or a time by RFC 3339`(text: String, microseconds: Int64) {
    #expect(Timestamp(text: text)?.microseconds == microseconds)
  }

  @Test func `is read as it is written, on each day of four centuries`() {
    for day in stride(from: Int64(0), to: 146_097, by: 1) {
      let moment = Timestamp(microseconds: day * 86_400_000_000 + 3_723_004_000)
      #expect(Timestamp(text: moment.rfc3339) == moment)
    }
  }

  @Test(arguments: [
    "", "2026-11-31", "2026-02-29", "2026-13-01", "2026-11-28T24:00:00Z", "2026-11-28T09:30:00",
    "2026-11-28T09:30:00+24:00",
    "2026-11-28 ", "26-11-28", "2026-11-28T09:30:00.Z", "2026-11-28T09:30:00.1234567890Z", "1969-12-31", "2026-1a-01",
    "2026-11-28T09:30:60Z",
  ])
  func `that no calendar or clock has is none`(text: String) {
    #expect(Timestamp(text: text) == nil)
  }

  @Test func `knows its month`() {
    let moment = Timestamp(text: "2024-02-29T13:00:00Z")!
    #expect(moment.monthStart.date == "2024-02-01" && moment.nextMonthStart.date == "2024-03-01")
    #expect(Timestamp(text: "2026-12-31")!.nextMonthStart.date == "2027-01-01")
  }

  @Test func `may have an offset, whose plus a query turns into a space`() {
    let day = Timestamp(seconds: 1_795_824_000)
    #expect(Timestamp(text: "2026-11-28") == day)
    #expect(Timestamp(text: "1970-01-01") == Timestamp(microseconds: 0))
    #expect(Timestamp(text: "2028-02-29")?.date == "2028-02-29")
    #expect(Timestamp(text: "2026-11-28T08:30:00.5Z") == day + .milliseconds(30_600_500))
    #expect(Timestamp(text: "2026-11-28t08:30:00z") == day + .seconds(30_600))
    #expect(Timestamp(text: "2026-11-28T08:30:00 02:00") == day + .seconds(23_400))
    #expect(Timestamp(text: "2026-11-28T08:30:00-02:30") == day + .seconds(39_600))
    for text in [
      "2026-11-31", "2027-02-29", "2026-13-01", "2026-00-10", "2026-11-28T24:00:00Z", "2026-11-28T08:30:00",
      "2026-11-28T08:30:00.Z", "2026-11-28 08:30:00Z", "2026-11-28T08:30:00+0200", "20261128", "", "2026-11-28Z",
      "+026-11-28", "2026-11-28T08:30:00.1234567890Z",
    ] { #expect(Timestamp(text: text) == nil, "\(text)") }
  }
}
