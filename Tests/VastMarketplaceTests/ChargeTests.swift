import Domain
import HTTPClient
import JSON
import Locking
import Testing

@testable import VastMarketplace

struct ChargeTests {
  /// 2026-11-20T00:00:00Z
  private static let day = Timestamp(seconds: 1_795_132_800)
  private static let nextDay = Timestamp(seconds: 1_795_219_200)

  private func charges(
    _ vast: FakeVast, from: Timestamp = day, to: Timestamp = nextDay, turn: @escaping VastMarketplace.Turn = { _ in }
  ) async throws(MarketplaceError) -> [MarketCharge] {
    try await vast.marketplace(turn: turn).charges(from: from, to: to)
  }

  /// A page with one row for each instance.
  private static func page(_ ids: Range<Int64>, total: Int, next: String? = nil) -> FakeVast.Answer {
    let rows = ids.map { #"{"source": "instance-\#($0)", "amount": 0.001, "items": []}"# }
    let token = next.map { "\"\($0)\"" } ?? "null"
    return .success(
      .json(
        #"{"success": true, "count": \#(rows.count), "total": \#(total), "next_token": \#(token), "results": ["#
          + rows.joined(separator: ",") + "]}"))
  }

  @Test func `a charge has its instance, its day and what it is for`() async throws {
    let charge = try #require(try await charges(FakeVast.recorded("charges")).first)
    #expect(charge.instanceID == MarketID(48_201_337))
    #expect(charge.label == "trainer-7")
    #expect(charge.dayStart == Self.day)
    #expect(charge.dayEnd == Self.nextDay)
    #expect(charge.amount == Money(microdollars: 1_034_000))
    #expect(charge.gpu == Money(microdollars: 850_000))
    #expect(charge.disk == Money(microdollars: 167_000))
    #expect(charge.download == Money(microdollars: 13_000))
    #expect(charge.upload == Money(microdollars: 4000))
    #expect(charge.other == .zero)
  }

  @Test func `parts of a kind are added up, unknown ones as others, also below zero, and thousandths are exact`()
    async throws
  {
    let body = #"""
      {"success": true, "count": 1, "total": 1, "next_token": null, "results": [
        {"source": "instance-7", "amount": "1234567.003", "metadata": {"label": null, "template_id": 3}, "items": [
          {"type": "gpu", "amount": 0.1}, {"type": "gpu", "amount": 0.2}, {"type": "sla", "amount": -0.005},
          {"type": "tax", "amount": 0.001}, {"amount": 1}]}]}
      """#
    let charge = try #require(try await charges(FakeVast(.success(.json(body)))).first)
    #expect(charge.label == nil)
    #expect(charge.amount == Money(microdollars: 1_234_567_003_000))
    #expect(charge.gpu == Money(microdollars: 300_000))
    #expect(charge.other == Money(microdollars: 996_000))
  }

  @Test func `what is charged for other things is skipped, and counts for completeness`() async throws {
    let body = #"""
      {"success": true, "count": 3, "total": 3, "next_token": "", "results": [
        {"source": "volume-9", "amount": 5, "items": []}, {"source": "instance-7", "amount": 1},
        {"source": "endpoint-1", "amount": 5, "items": []}]}
      """#
    #expect(try await charges(FakeVast(.success(.json(body)))).map(\.instanceID) == [MarketID(7)])
  }

  @Test func `a span is rounded outwards to whole days, and each day is asked for`() async throws {
    let vast = FakeVast(
      Self.page(7..<8, total: 1), Self.page(7..<9, total: 2), Self.page(8..<8, total: 0), Self.page(9..<10, total: 1))
    let found = try await charges(
      vast, from: Self.day + .seconds(86_399), to: Self.day + .seconds(3 * 86_400) + .microseconds(1))
    #expect(found.map(\.instanceID.rawValue) == [7, 7, 8, 9])
    let second = Self.day + .seconds(86_400)
    #expect(found.map(\.dayStart) == [Self.day, second, second, second + .seconds(2 * 86_400)])
    let firsts = vast.requests.map { $0.query["select_filters"]?["day"]?["gte"]?.integerValue ?? 0 }
    #expect(firsts == [0, 1, 2, 3].map { 1_795_132_800 + $0 * 86_400 })
  }

  @Test func `an empty span asks nothing, one that is backwards or endless is refused unasked`() async throws {
    let vast = FakeVast()
    #expect(try await charges(vast, from: Self.day, to: Self.day) == [])
    for (from, to) in [(Self.nextDay, Self.day), (Self.day, Self.day + .seconds(31 * 86_400 + 1))] {
      let error = await failure { () async throws(MarketplaceError) in try await charges(vast, from: from, to: to) }
      guard case .refused(code: "invalid_range", _) = error else {
        Issue.record("not refused: \(String(describing: error))")
        continue
      }
    }
    #expect(vast.requests.isEmpty)
  }

  @Test func `every page and day but the first waits for its turn, and pages are followed by their token`()
    async throws
  {
    let vast = FakeVast(
      Self.page(1..<501, total: 501, next: "t1"), Self.page(501..<502, total: 501), Self.page(1..<2, total: 1))
    let turns = Locked<[MarketplaceOperation]>([])
    let found = try await charges(vast, to: Self.day + .seconds(2 * 86_400)) { operation in
      turns.withLock { $0.append(operation) }
    }
    #expect(found.count == 502)
    #expect(turns.withLock { $0 } == [.charges, .charges])
    #expect(vast.requests.map { $0.query["after_token"]?.text } == [nil, "t1", nil])
  }

  @Test(arguments: [
    "{}", "[]", #"{"success": true, "count": 0, "total": 0}"#, #"{"results": {}, "total": 0}"#,
    #"{"results": []}"#, #"{"results": [], "total": 1}"#, #"{"results": [], "total": 0, "count": 1}"#,
    #"{"results": [{"amount": 1}], "total": 1}"#, #"{"results": [{"source": null, "amount": 1}], "total": 1}"#,
    #"{"results": [{"source": "instance-", "amount": 1}], "total": 1}"#,
    #"{"results": [{"source": "instance-x", "amount": 1}], "total": 1}"#,
    #"{"results": [{"source": "instance-0", "amount": 1}], "total": 1}"#,
    #"{"results": [{"source": "instance-7"}], "total": 1}"#,
    #"{"results": [{"source": "instance-7", "amount": "much"}], "total": 1}"#,
    #"{"results": [{"source": "instance-7", "amount": 1e300}], "total": 1}"#,
    #"{"results": [{"source": "instance-7", "amount": 1, "items": [{"type": "gpu"}]}], "total": 1}"#,
    #"{"results": [{"source": "instance-7", "amount": 1}, {"source": "instance-7", "amount": 1}], "total": 2}"#,
  ])
  func `half a list, or what cannot be read, is no charges at all`(body: String) async {
    let error = await failure { () async throws(MarketplaceError) in
      try await charges(FakeVast(.success(.json(body))))
    }
    #expect(error?.code == "malformed_answer")
  }

  @Test func `fewer charges than any page announced are half a list`() async {
    let vast = FakeVast(Self.page(1..<3, total: 4, next: "t"), Self.page(3..<4, total: 3))
    let error = await failure { () async throws(MarketplaceError) in try await charges(vast) }
    #expect(error == .malformedAnswer(detail: "3 of 4 charges"))
  }

  @Test func `a failure on any page or day is a failure, and so is a turn that is refused`() async throws {
    let late = FakeVast(Self.page(1..<2, total: 2, next: "t"), .success(try Recordings.response("err_502_html")))
    #expect(
      await failure { () async throws(MarketplaceError) in try await charges(late) }?.code == "provider_unavailable")
    let next = FakeVast(Self.page(1..<2, total: 1), .failure(.timedOut))
    let error = await failure { () async throws(MarketplaceError) in
      try await charges(next, to: Self.nextDay + .seconds(1))
    }
    #expect(error?.code == "provider_unavailable")
    let paced = FakeVast(Self.page(1..<2, total: 2, next: "t"), Self.page(2..<3, total: 2))
    let refusal = await failure { () async throws(MarketplaceError) in
      try await charges(paced) { _ throws(MarketplaceError) in throw .rateLimited(retryAfter: .seconds(9)) }
    }
    #expect(refusal == .rateLimited(retryAfter: .seconds(9)))
    #expect(paced.requests.count == 1)
  }

  @Test func `a list that does not end is given up`() async {
    let circling = FakeVast(Self.page(1..<2, total: 1, next: "t"), Self.page(2..<3, total: 1, next: "t"))
    let error = await failure { () async throws(MarketplaceError) in try await charges(circling) }
    #expect(error == .malformedAnswer(detail: "a list of charges that does not end"))
    let endless = FakeVast()
    for page in 1...Int64(300) { endless.add(Self.page(page..<(page + 1), total: 300, next: "t\(page)")) }
    #expect(
      await failure { () async throws(MarketplaceError) in try await charges(endless) }
        == .malformedAnswer(detail: "a list of charges that does not end"))
    #expect(endless.requests.count == 200)
  }

  @Test(arguments: [
    ("err_404_bad_key", "provider_unauthorized"), ("err_403_no_login", "provider_unauthorized"),
    ("charges_400_no_range", "provider_refused"), ("err_400_invalid_token", "provider_refused"),
    ("err_429_plain_text", "rate_limited"), ("err_500", "provider_unavailable"),
  ])
  func `a refusal is told apart from an outage`(name: String, code: String) async throws {
    let vast = try FakeVast.recorded(name)
    #expect(await failure { () async throws(MarketplaceError) in try await charges(vast) }?.code == code)
  }

  @Test func `the account of a host is refused in its own words`() async {
    let vast = FakeVast(
      .success(
        .json(#"{"success": false, "msg": "Host users do not have instance charges", "count": 0, "results": []}"#)))
    #expect(
      await failure { () async throws(MarketplaceError) in try await charges(vast) }
        == .refused(code: "unsuccessful", detail: "HTTP 200: Host users do not have instance charges"))
  }
}
