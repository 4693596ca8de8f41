import JSON
import Testing

@testable import Simulator

@Suite struct PriceIncreaseTests {
  var fixture = Fixture()

  /// Machine 27184: $0.29 an hour, disk of 10 GB at $0.15 a month of 720 hours.
  private let gpu = 0.29
  private let disk = 10 * 0.15 / 720

  private func isClose(_ left: Double?, _ right: Double) -> Bool { left.map { abs($0 - right) < 1e-9 } ?? false }

  private mutating func announced(_ body: String) throws -> Int {
    let id = try fixture.create()
    fixture.pass(31)
    try fixture.control("POST", "instances/\(id)/price_increase", body)
    return id
  }

  private mutating func pending() throws -> [JSONValue] {
    let body = try fixture.call("price_increases").body
    let rows = try #require(body["pending_price_increases"]?.asArray)
    #expect(body["count"]?.asInt == rows.count)
    #expect(body["truncated"] == .bool(false))
    return rows
  }

  private mutating func answer(_ route: String, _ increase: Int = 31) throws -> (status: Int, body: JSONValue) {
    let answer = try fixture.call(route, body: #"{"pending_price_increase_id": \#(increase)}"#)
    return (answer.status, answer.body)
  }

  private mutating func price(_ id: Int) throws -> Double? { try fixture.row(id)?["dph_total"]?.asNumber }

  private func state(_ increase: Int = 31) -> PriceIncrease.State? {
    fixture.world.increases.first { $0.id == increase }?.state
  }

  @Test mutating func `an increase is told by the second, with the present end and the new one`() throws {
    let id = try announced(#"{"gpu_price": 0.36, "storage_cost": 0.3, "ends_in": 1000, "extends": 5000}"#)
    let now = fixture.world.now
    let row = try #require(try pending().first)
    #expect(row["pending_price_increase_id"]?.asInt == 31)
    #expect(row["contract_id"]?.asInt == id)
    #expect(isClose(row["old_gpu_costpersec"]?.asNumber, 0.29 / 3600))
    #expect(isClose(row["new_gpu_costpersec"]?.asNumber, 0.36 / 3600))
    #expect(row["new_disk_ram_costpersec"]?.asNumber == 0.3 / 720 / 3600)
    #expect(row["new_bwd_cost"] == .null)
    #expect(row["contract_end_date"]?.asNumber == now + 1000)
    #expect(row["ask_end_date"]?.asNumber == now + 6000)
    #expect(row["created_at"]?.asNumber == now)
    #expect(try fixture.row(id)?["end_date"]?.asNumber == now + 1000)
  }

  @Test mutating func `accepted, the new price begins when the term ends, in rows, spend and charges`() throws {
    let id = try announced(#"{"gpu_price": 0.36, "storage_cost": 0.3, "ends_in": 3600, "extends": 86400}"#)
    let accepted = try answer("accept_increase")
    #expect(accepted.status == 200)
    #expect(accepted.body["success"] == .bool(true))
    #expect(accepted.body["contract_id"]?.asInt == id)
    #expect(try pending() == [])
    #expect(isClose(try price(id), gpu + disk), "the old one holds to the end of the term")
    let before = fixture.world.contracts[id]?.account.cost ?? 0
    fixture.pass(3600)
    #expect(isClose(fixture.world.contracts[id].map { $0.account.cost - before }, gpu + disk))
    #expect(state() == .effective)
    #expect(isClose(try price(id), 0.36 + disk * 2))
    #expect(isClose(try fixture.row(id)?["storage_cost"]?.asNumber, 0.3))
    #expect(isClose(try fixture.call("spend").body["gpu_cost_per_hour"]?.asNumber, 0.36))
    fixture.pass(3600)
    _ = try fixture.call("user")
    #expect(isClose(fixture.world.contracts[id].map { $0.account.cost - before }, gpu + disk + 0.36 + disk * 2))
    #expect(try fixture.status(id) == "running running running running")
  }

  @Test mutating func `the new term ends too`() throws {
    let id = try announced(#"{"gpu_price": 0.36, "ends_in": 100, "extends": 1000}"#)
    _ = try answer("accept_increase")
    fixture.pass(1099)
    #expect(try fixture.status(id) == "running running running running")
    fixture.pass(10)
    #expect(try fixture.status(id) == "exited stopped stopped stopped")
  }

  @Test mutating func `a test that cannot wait has the new price at once`() throws {
    let id = try announced(#"{"gpu_price": 0.36, "at_once": true}"#)
    _ = try answer("accept_increase")
    #expect(isClose(try price(id), 0.36 + disk))
    #expect(isClose(try fixture.call("spend").body["gpu_cost_per_hour"]?.asNumber, 0.36))
  }

  @Test(arguments: [true, false])
  mutating func `refused or not answered, the contract ends with its term and does not start again`(
    isRefused: Bool
  ) throws {
    let id = try announced(#"{"gpu_price": 0.36, "ends_in": 100}"#)
    if isRefused { #expect(try answer("reject_increase").status == 200) }
    #expect(try pending().count == (isRefused ? 0 : 1))
    fixture.pass(99)
    #expect(try fixture.status(id) == "running running running running")
    fixture.pass(5)
    #expect(try fixture.status(id) == "exited stopped stopped stopped")
    #expect(state() == (isRefused ? .rejected : .over))
    #expect(try pending() == [])
    let start = try fixture.call("manage", id, body: #"{"state": "running"}"#)
    #expect(start.status == 400)
    // The disk is billed until somebody destroys it.
    #expect(try fixture.call("spend").body["container_storage_cost_per_hour"]?.asNumber ?? 0 > 0)
    #expect(try fixture.call("destroy", id).status == 200)
  }

  @Test mutating func `an answer is given once, and nothing waits of what is gone`() throws {
    let id = try announced(#"{"gpu_price": 0.36}"#)
    #expect(try answer("accept_increase", 32).status == 404)
    #expect(try answer("accept_increase").status == 200)
    for route in ["accept_increase", "reject_increase"] {
      let again = try answer(route)
      #expect(again.status == 404)
      #expect(again.body["error"]?.asText == "no_pending_price_increase")
    }
    // Another takes the place even of what was accepted.
    try fixture.control("POST", "instances/\(id)/price_increase", #"{"gpu_price": 0.5}"#)
    #expect(state() == .over)
    #expect(try pending().map { $0["pending_price_increase_id"]?.asInt } == [32])
    _ = try fixture.call("destroy", id)
    #expect(try pending() == [])
    #expect(try answer("accept_increase", 32).status == 404)
  }

  @Test(arguments: [
    "{}", #"{"pending_price_increase_id": 31, "contract_id": 1}"#, #"{"pending_price_increase_id": "x"}"#,
  ])
  mutating func `a body with anything else is refused`(body: String) throws {
    _ = try announced(#"{"gpu_price": 0.36}"#)
    #expect(try fixture.call("accept_increase", body: body).status == 400)
    #expect(state() == .pending)
  }

  @Test mutating func `a bid is its own price, and an increase raises something`() throws {
    let bid = try fixture.create(", \"price\": 0.2")
    #expect(throws: ControlError.self) {
      try fixture.control("POST", "instances/\(bid)/price_increase", #"{"gpu_price": 0.36}"#)
    }
    let other = try fixture.create(offer: 31_018_300)
    #expect(throws: ControlError.self) { try fixture.control("POST", "instances/\(other)/price_increase") }
  }

  @Test mutating func `what ends while its host is not heard of has ended when that is back`() throws {
    let id = try announced(#"{"gpu_price": 0.36, "ends_in": 100}"#)
    try fixture.control("POST", "instances/\(id)/offline")
    fixture.pass(200)
    try fixture.control("POST", "instances/\(id)/online")
    fixture.pass(60)
    #expect(try fixture.status(id) == "exited stopped stopped stopped")
  }
}
