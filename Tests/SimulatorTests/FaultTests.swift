import JSON
import Testing

@testable import Simulator

@Suite struct FaultTests {
  var fixture = Fixture()
  private let body = #"{"image": "ubuntu:22.04", "disk": 10, "label": "mine"}"#

  @Test(arguments: [
    ("create_lost", 502, true), ("create_timeout", 504, true), ("create_html", 200, true), ("create_half", 200, true),
    ("create_refused", 502, false), ("create_no_credit", 400, false), ("create_taken", 400, false),
  ])
  mutating func `a lost create took place, a refused one did not`(_ kind: String, status: Int, rents: Bool) throws {
    try fixture.control("POST", "fault", #"{"kind": "\#(kind)"}"#)
    let answer = try fixture.call("create", Fixture.offer, body: body)
    #expect(answer.status == status)
    #expect(answer.body["new_contract"] == nil)
    #expect(fixture.world.contracts.values.filter { $0.label == "mine" }.count == (rents ? 1 : 0))
    // Only once; and a taken offer stays taken.
    let next = try fixture.call("create", 31_018_300, body: body)
    #expect(next.body["success"] == .bool(true))
    if kind == "create_taken" { #expect(try fixture.call("create", Fixture.offer, body: body).status == 400) }
  }

  @Test mutating func `a create whose GPU was just taken leaves a stopped contract`() throws {
    try fixture.control("POST", "fault", #"{"kind": "create_stopped"}"#)
    let answer = try fixture.call("create", Fixture.offer, body: body)
    #expect(answer.status == 200)
    #expect(answer.body["success"] == .bool(false))
    let id = try #require(answer.body["new_contract"]?.asInt)
    #expect(try fixture.status(id).hasSuffix("stopped stopped stopped"))
    #expect(try fixture.call("manage", id, body: #"{"state": "running"}"#).body["success"] == .bool(false))
  }

  @Test mutating func `a list may fail, lie, or end too early`() throws {
    _ = try fixture.create()
    _ = try fixture.create(offer: 31_018_300)
    for kind in ["list_fails", "list_empty", "list_short"] {
      try fixture.control("POST", "fault", #"{"kind": "\#(kind)"}"#)
    }
    #expect(try fixture.call("list").status == 500)
    let empty = try fixture.call("list").body
    #expect(empty["total_instances"]?.asInt == 0)
    let short = try fixture.call("list").body
    #expect(short["instances"]?.asArray?.count == 1)
    #expect(short["total_instances"]?.asInt == 2)
    #expect(try fixture.call("list").body["instances"]?.asArray?.count == 2)
  }

  @Test mutating func `the spend may fail, lie, and come back`() throws {
    _ = try fixture.create()
    fixture.pass(31)
    for fault in [
      #"{"kind": "spend_fails"}"#, #"{"kind": "spend_lies"}"#, #"{"kind": "spend_zero"}"#,
      #"{"route": "spend", "reply": "half"}"#,
    ] { try fixture.control("POST", "fault", fault) }
    #expect(try fixture.call("spend").status == 500)
    #expect(try fixture.call("spend").body["gpu_cost_per_hour"]?.asNumber == 5)
    let nothing = try fixture.call("spend").body
    #expect(nothing["gpu_cost_per_hour"]?.asNumber == 0 && nothing["container_storage_cost_per_hour"]?.asNumber == 0)
    #expect(nothing["has_active_resources"] == .bool(false))
    #expect(try fixture.call("spend").body == .null)
    #expect(try (fixture.call("spend").body["gpu_cost_per_hour"]?.asNumber ?? 0) > 0)
  }

  @Test mutating func `a destroy may be lost, and may be a lie`() throws {
    let id = try fixture.create()
    try fixture.control("POST", "fault", #"{"kind": "destroy_ignored"}"#)
    #expect(try fixture.call("destroy", id).status == 200)
    #expect(fixture.world.alive(id) != nil)
    try fixture.control("POST", "fault", #"{"kind": "destroy_lost"}"#)
    #expect(try fixture.call("destroy", id).status == 502)
    #expect(fixture.world.alive(id) == nil)
  }

  @Test mutating func `faults wait, count, and hit their route only`() throws {
    try fixture.control("POST", "fault", #"{"route": "user", "reply": "500", "skip": 1, "count": 2}"#)
    let statuses = try (0..<4).map { _ in try fixture.call("user").status }
    #expect(statuses == [200, 500, 500, 200])
    try fixture.control("POST", "fault", #"{"kind": "bad_key", "count": 1}"#)
    #expect(try fixture.call("list").body["error"]?.asText == "auth_error")
  }

  @Test(arguments: [
    #"{"kind": "nonsense"}"#, #"{"route": "nonsense"}"#, #"{"kind": "latency", "delay": -1}"#, #"{"nonsense": 1}"#,
    #"{"kind": "limited", "form": "nonsense"}"#, #"{"kind": "latency", "count": 1e300}"#,
  ])
  mutating func `a fault that makes no sense is refused with what would`(_ fault: String) throws {
    #expect(throws: ControlError.self) { try fixture.control("POST", "fault", fault) }
    #expect(fixture.world.faults.isEmpty)
  }

  @Test(arguments: [
    ("text", "API requests too frequent"), ("threshold_text", "API requests too frequent: endpoint threshold=2.0"),
    ("detail", #"{"detail":"API requests too frequent endpoint threshold=2.0"}"#),
    (
      "error",
      #"{"success":false,"error":"rate_limit_exceeded","msg":"API requests too frequent endpoint threshold=2.0"}"#
    ),
  ])
  mutating func `calls that come too soon are refused in each of the known forms`(_ form: String, text: String) throws {
    try fixture.control(
      "POST", "settings", #"{"thresholds": true, "limit_form": "\#(form)", "retry_after": \#(form == "detail")}"#)
    #expect(try fixture.call("user").status == 200)
    #expect(try fixture.call("spend").status == 200)
    let refused = try fixture.call("user").answer
    #expect(refused.status == 429)
    #expect(String(decoding: refused.body, as: UTF8.self) == text)
    #expect(refused.headers.map { "\($0.name): \($0.value)" } == (form == "detail" ? ["Retry-After: 2"] : []))
    fixture.pass(2)
    #expect(try fixture.call("user").status == 200)
  }

  @Test mutating func `a create that comes too soon is punished`() throws {
    try fixture.control("POST", "settings", #"{"thresholds": true}"#)
    #expect(try fixture.call("create", Fixture.offer, body: body).status == 200)
    fixture.pass(4)
    #expect(try fixture.call("create", 31_018_300, body: body).status == 429)
    fixture.pass(5)
    #expect(try fixture.call("create", 31_018_300, body: body).status == 429)
    fixture.pass(12)
    #expect(try fixture.call("create", 31_018_300, body: body).status == 200)
  }

  @Test mutating func `the daily quota tells when it is over`() throws {
    try fixture.control("POST", "fault", #"{"kind": "search_quota"}"#)
    let answer = try fixture.call("search").answer
    #expect(answer.status == 429)
    #expect(answer.headers.map(\.value) == ["36800", "1036800"])
  }

  @Test mutating func `every effect is on record, with what was asked for`() throws {
    let id = try fixture.create(", \"label\": \"mine\"")
    _ = try fixture.call("destroy", id)
    let records = fixture.world.takeRecords()
    #expect(records.map(\.event).filter { $0 != "status" } == ["created", "destroyed"])
    #expect(records.first?.json["label"]?.asText == "mine")
  }
}
