import JSON
import Testing

@testable import Simulator

@Suite struct ChargesTests {
  var fixture = Fixture()

  /// The world begins on this day, at 13:46:40.
  private static let firstDay = 950_400
  private static let secondDay = 1_036_800

  private mutating func charges(
    from: Int = 0, to: Int = 2_000_000, _ more: (String, String)...
  ) throws -> (rows: [JSONValue], body: JSONValue) {
    let range = #"{"day": {"gte": \#(from), "lte": \#(to)}, "type": {"in": ["instance", "volume"]}}"#
    let answer = try fixture.call("charges", query: [("select_filters", range)] + more)
    try #require(answer.status == 200)
    return (try #require(answer.body["results"]?.asArray), answer.body)
  }

  private mutating func credit() throws -> Double { try #require(fixture.call("user").body["credit"]?.asNumber) }

  private func items(_ row: JSONValue) -> [String: JSONValue] {
    var items: [String: JSONValue] = [:]
    for item in row["items"]?.asArray ?? [] { items[item["type"]?.asText ?? ""] = item }
    return items
  }

  @Test mutating func `a contract has one row for all the days asked for, and its day when one is`() throws {
    let id = try fixture.create(", \"label\": \"mine\"")
    fixture.pass(12 * 3600)
    _ = try fixture.call("destroy", id)
    let both = try charges().rows
    #expect(both.count == 1)
    #expect(both[0]["source"]?.asText == "instance-\(id)")
    #expect(both[0]["metadata"]?["label"]?.asText == "mine")
    #expect(both[0]["start"]?.asInt == Self.firstDay)
    #expect(both[0]["end"]?.asInt == Self.secondDay)
    #expect(both[0]["description"]?.asText == "Instance \(id) Charges - 2 days")
    let spent = 100 - (try credit())
    #expect(abs((both[0]["amount"]?.asNumber ?? 0) - spent) <= 0.0005 + 1e-9)
    let first = try charges(from: Self.firstDay, to: Self.secondDay - 1).rows
    let second = try charges(from: Self.secondDay, to: Self.secondDay + 86_399).rows
    #expect(first.map { $0["start"]?.asInt } == [Self.firstDay])
    #expect(first.map { $0["end"]?.asInt } == [Self.firstDay])
    #expect(second.map { $0["start"]?.asInt } == [Self.secondDay])
    let sum = (first + second).reduce(0) { $0 + ($1["amount"]?.asNumber ?? 0) }
    #expect(abs(sum - spent) < 0.002)
    #expect(try charges(from: Self.secondDay + 86_400).rows == [])
  }

  @Test mutating func `amounts are thousandths of a dollar, and parts say what they are for`() throws {
    _ = try fixture.create()
    fixture.pass(30 + 9000)
    let row = try #require(try charges().rows.first)
    let parts = items(row)
    #expect(parts["gpu"]?["amount"]?.asNumber == 0.725)
    #expect(parts["gpu"]?["description"]?.asText == "2.500 hours at $0.290/hour")
    #expect(parts["disk"]?["amount"]?.asNumber == 0.005)
    #expect(parts.count == 2)
    #expect(row["amount"]?.asNumber == 0.73)
    #expect(row["metadata"] == .object(JSONObject()), "no label, no member")
  }

  @Test mutating func `traffic is charged by the GB on the day that it happens, also of what is stopped`() throws {
    let id = try fixture.create()
    fixture.pass(31)
    let before = try credit()
    try fixture.control("POST", "instances/\(id)/transfer", #"{"down": 700, "up": 1.4}"#)
    #expect(abs(try credit() - (before - 700 * 0.0019 - 1.4 * 0.0029)) < 1e-9)
    _ = try fixture.call("manage", id, body: #"{"state": "stopped"}"#)
    fixture.pass(86_400)
    try fixture.control("POST", "instances/\(id)/transfer", #"{"up": 100}"#)
    let first = items(try #require(try charges(to: Self.secondDay - 1).rows.first))
    #expect(first["bwd"]?["amount"]?.asNumber == 1.33)
    #expect(first["bwd"]?["description"]?.asText == "700.000 GB at $0.002/GB")
    #expect(first["bwu"]?["amount"]?.asNumber == 0.004)
    let second = items(try #require(try charges(from: Self.secondDay).rows.first))
    #expect(second["bwd"] == nil)
    #expect(second["bwu"]?["amount"]?.asNumber == 0.29)
    #expect(abs((fixture.world.contracts[id]?.account.cost ?? 0) - (100 - (try credit()))) < 1e-9)
  }

  @Test mutating func `traffic that nobody can pay stops everything`() throws {
    let id = try fixture.create()
    fixture.pass(31)
    try fixture.control("POST", "instances/\(id)/transfer", #"{"down": 1000000}"#)
    fixture.pass(10)
    #expect(try fixture.status(id) == "exited stopped stopped stopped")
  }

  @Test(arguments: [("false", [1, 2, 3]), ("true", [3, 2, 1])])
  mutating func `pages follow each other to the end, however small`(isReversed: String, expected: [Int]) throws {
    for offer in [31_018_300, 31_018_400, 31_018_200] { _ = try fixture.create(offer: offer) }
    fixture.pass(60)
    var sources: [String?] = []
    var token: String?
    repeat {
      var query = [("latest_first", isReversed), ("limit", "1")]
      if let token { query.append(("after_token", token)) }
      let range = #"{"day": {"gte": 0, "lte": 2000000}}"#
      let body = try fixture.call("charges", query: [("select_filters", range)] + query).body
      #expect(body["count"]?.asInt == 1)
      #expect(body["total"]?.asInt == 3)
      sources.append(body["results"]?.asArray?.first?["source"]?.asText)
      token = body["next_token"]?.asText
    } while token != nil && sources.count < 9
    #expect(sources == expected.map { "instance-\($0)" })
  }

  @Test mutating func `the last come first unless asked otherwise, 100 at a time, and never more than 500`() throws {
    for number in 0..<501 {
      try fixture.control("POST", "offers", #"{"offers": [{"id": \#(90_000 + number)}]}"#)
      _ = try fixture.create(offer: 90_000 + number)
    }
    fixture.pass(60)
    let usual = try charges()
    #expect(usual.rows.count == 100)
    #expect(usual.rows.first?["source"]?.asText == "instance-501")
    #expect(try charges(("limit", "1000")).rows.count == 500)
    #expect(try charges(("limit", "0")).rows.count == 1)
  }

  @Test mutating func `charges without both ends of the days, or with a token that is none, are refused`() throws {
    let halved = try fixture.call("charges", query: [("select_filters", #"{"day": {"gte": 0}}"#)])
    #expect(halved.status == 400)
    #expect(halved.body["error"] == nil)
    let range = #"{"day": {"gte": 0, "lte": 2000000}}"#
    let lost = try fixture.call("charges", query: [("select_filters", range), ("after_token", "bm9uZQ==")])
    #expect(lost.status == 400)
    #expect(lost.body["error"]?.asText == "invalid_token")
  }

  @Test mutating func `a list of charges can be empty or half by a fault`() throws {
    for offer in [31_018_300, 31_018_400] { _ = try fixture.create(offer: offer) }
    fixture.pass(60)
    try fixture.control("POST", "fault", #"{"route": "charges", "reply": "empty"}"#)
    #expect(try charges().rows == [])
    try fixture.control("POST", "fault", #"{"route": "charges", "reply": "short"}"#)
    let half = try charges()
    #expect(half.rows.count == 1)
    #expect(half.body["count"]?.asInt == 1)
    #expect(half.body["total"]?.asInt == 2)
    #expect(half.body["next_token"] == .null)
    #expect(try charges().rows.count == 2)
  }
}
