import JSON
import Testing

@testable import Simulator

@Suite struct MoneyTests {
  var fixture = Fixture()

  /// Machine 27184: $0.29 an hour, disk of 10 GB at $0.15 a month of 720 hours.
  private let gpu = 0.29
  private let disk = 10 * 0.15 / 720

  private func isClose(_ left: Double?, _ right: Double) -> Bool { left.map { abs($0 - right) < 1e-9 } ?? false }

  private mutating func credit() throws -> Double? { try fixture.call("user").body["credit"]?.asNumber }

  @Test mutating func `the GPU bills while it runs, the disk as long as it exists, and more when stopped`() throws {
    let id = try fixture.create()
    fixture.pass(30)
    #expect(try isClose(credit(), 100 - 30 * disk / 3600))
    fixture.pass(3600)
    let running = 100 - 3630 * disk / 3600 - gpu
    #expect(try isClose(credit(), running))
    #expect(try isClose(fixture.row(id)?["instance"]?["totalHour"]?.asNumber, gpu + disk))
    _ = try fixture.call("manage", id, body: #"{"state": "stopped"}"#)
    fixture.pass(3600)
    #expect(try isClose(credit(), running - disk * 1.5))
    #expect(try isClose(fixture.row(id)?["instance"]?["totalHour"]?.asNumber, disk * 1.5))
    #expect(try isClose(fixture.row(id)?["search"]?["totalHour"]?.asNumber, gpu + disk))
    let spent = 100 - (try credit() ?? 0)
    _ = try fixture.call("destroy", id)
    fixture.pass(36_000)
    #expect(try isClose(credit(), 100 - spent))
    #expect(isClose(fixture.world.contracts[id]?.account.cost, spent))
  }

  @Test mutating func `a host that is offline bills nothing`() throws {
    let id = try fixture.create()
    fixture.pass(31)
    try fixture.control("POST", "instances/\(id)/offline")
    let before = try credit()
    fixture.pass(3600)
    #expect(try credit() == before)
  }

  @Test mutating func `an interruptible bills its bid`() throws {
    let id = try fixture.create(", \"price\": 0.2")
    #expect(try isClose(fixture.row(id)?["dph_base"]?.asNumber, 0.2))
    #expect(try isClose(fixture.row(id)?["min_bid"]?.asNumber, 0.24))
    fixture.pass(30)
    let before = try #require(try credit())
    fixture.pass(3600)
    #expect(try isClose(credit(), before - 0.2 - disk))
    #expect(try fixture.call("bid_price", id, body: #"{"price": 0.25}"#).status == 200)
    #expect(try isClose(fixture.row(id)?["dph_base"]?.asNumber, 0.25))
    let other = try fixture.create(offer: 31_018_300)
    #expect(try fixture.call("bid_price", other, body: #"{"price": 0.25}"#).status == 400)
  }

  @Test mutating func `everything stops at the moment the credit is used up`() throws {
    fixture = Fixture(credit: 1)
    let id = try fixture.create()
    fixture.pass(100_000)
    let contract = try #require(fixture.world.contracts[id])
    let stopped = try #require(contract.history.first { $0.status.intended == .stopped })
    // 1 = disk x (30 s + t) + gpu x t
    let expected = 1_000_000 + 30 + (1 - disk * 30 / 3600) / (gpu + disk) * 3600
    #expect(abs(stopped.since - expected) < 0.001)
    #expect(try fixture.status(id) == "exited stopped stopped stopped")
    #expect(try fixture.call("manage", id, body: #"{"state": "running"}"#).body["error"]?.asText == "missing_billing")
    let refused = try fixture.call("create", 31_018_300, body: #"{"image": "ubuntu:22.04", "disk": 10}"#)
    #expect(refused.body["error"]?.asText == "insufficient_credit")
  }

  @Test mutating func `billing may run faster than time`() throws {
    try fixture.control("POST", "settings", #"{"accrual_speed": 3600}"#)
    _ = try fixture.create()
    fixture.pass(30)
    let before = try #require(try credit())
    fixture.pass(1)
    #expect(try isClose(credit(), before - gpu - disk))
  }

  @Test mutating func `the spend rate tells of what bills now`() throws {
    #expect(try fixture.call("spend").body["has_active_resources"] == .bool(false))
    _ = try fixture.create()
    fixture.pass(31)
    let rate = try fixture.call("spend").body
    #expect(isClose(rate["gpu_cost_per_hour"]?.asNumber, gpu))
    #expect(isClose(rate["container_storage_cost_per_hour"]?.asNumber, disk))
    #expect(rate["has_active_resources"] == .bool(true))
  }

  private mutating func spend() throws -> (gpu: Double?, disk: Double?) {
    let rate = try fixture.call("spend").body
    #expect(rate["volume_storage_cost_per_hour"]?.asNumber == 0)
    return (rate["gpu_cost_per_hour"]?.asNumber, rate["container_storage_cost_per_hour"]?.asNumber)
  }

  @Test mutating func `the spend rate has a disk from creation to destruction and a GPU only while it runs`() throws {
    try fixture.control("POST", "settings", #"{"visibility": 3600, "settle": 3600}"#)
    let id = try fixture.create()
    #expect(try fixture.call("list").body["instances"]?.asArray?.isEmpty == true)
    #expect(try spend().gpu == 0, "loading")
    #expect(isClose(try spend().disk, disk), "though no list shows it")
    fixture.pass(3601)
    #expect(isClose(try spend().gpu, gpu))
    _ = try fixture.call("manage", id, body: #"{"state": "stopped"}"#)
    fixture.pass(1)
    #expect(try spend().gpu == 0)
    #expect(isClose(try spend().disk, disk * 1.5))
    _ = try fixture.call("destroy", id)
    #expect(try fixture.call("list").body["instances"]?.asArray?.count == 1)
    #expect(try spend().disk == 0, "though lists still show it")
  }
}
