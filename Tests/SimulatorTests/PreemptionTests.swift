import JSON
import Testing

@testable import Simulator

/// What takes a machine away from its renter and gives it back: higher bids and hosts that are not heard of.
@Suite struct PreemptionTests {
  var fixture = Fixture()

  private mutating func running(_ more: String = ", \"price\": 0.2") throws -> Int {
    let id = try fixture.create(more)
    fixture.pass(31)
    return id
  }

  private mutating func set(_ id: Int, _ state: String) throws -> JSONValue? {
    try fixture.call("manage", id, body: #"{"state": "\#(state)"}"#).body["success"]
  }

  private func stops(of id: Int) -> Int {
    fixture.orders.count { if case .stop(contract: id, _) = $0 { true } else { false } }
  }

  private func wasEmptied(_ id: Int) -> Bool {
    fixture.orders.contains { order in
      switch order {
      case .wipe(contract: id), .remove(contract: id): true
      default: false
      }
    }
  }

  @Test mutating func `a lost bid ends the processes, takes the ports and keeps the disk`() throws {
    let id = try running()
    try fixture.control("POST", "instances/\(id)/outbid", #"{"tenant": true}"#)
    #expect(stops(of: id) == 0)
    fixture.pass(15)
    #expect(try fixture.status(id) == "exited stopped stopped stopped")
    #expect(try fixture.row(id)?["ports"]?.asObject?.members.isEmpty == true)
    #expect(stops(of: id) == 1)
    #expect(!wasEmptied(id))
    // Its disk is billed on, its GPU is not.
    #expect(try fixture.row(id)?["instance"]?["gpuCostPerHour"]?.asNumber == 0)
    #expect(try fixture.row(id)?["instance"]?["diskHour"]?.asNumber ?? 0 > 0)
  }

  @Test mutating func `while the higher bid lasts a start waits, and it ends by itself`() throws {
    let id = try running()
    try fixture.control("POST", "instances/\(id)/outbid", #"{"seconds": 100}"#)
    fixture.pass(20)
    #expect(try set(id, "running") == .bool(false))
    fixture.pass(79)
    #expect(try fixture.status(id) == "exited running stopped running")
    fixture.pass(1)
    #expect(try fixture.status(id) == "exited running running running")
    fixture.pass(10.5)
    #expect(try fixture.status(id) == "running running running running")
    #expect(!wasEmptied(id))
  }

  @Test mutating func `nobody needs to start what only a higher bid stopped`() throws {
    let id = try running()
    try fixture.control("POST", "instances/\(id)/outbid", #"{"seconds": 100}"#)
    fixture.pass(111)
    #expect(try fixture.status(id) == "running running running running")
  }

  @Test mutating func `what its renter stopped stays so when the higher bid ends`() throws {
    let id = try running()
    try fixture.control("POST", "instances/\(id)/outbid", #"{"seconds": 100}"#)
    fixture.pass(20)
    #expect(try set(id, "stopped") == .bool(true))
    fixture.pass(500)
    #expect(try fixture.status(id) == "exited stopped stopped stopped")
    try fixture.control("POST", "instances/\(id)/outbid", #"{"seconds": 100}"#)
    fixture.pass(500)
    #expect(try fixture.status(id) == "exited stopped stopped stopped")
    #expect(try set(id, "running") == .bool(true))
  }

  @Test mutating func `a release before its time is the end, and a later loss has a time of its own`() throws {
    let id = try running()
    try fixture.control("POST", "instances/\(id)/outbid", #"{"seconds": 100}"#)
    fixture.pass(20)
    try fixture.control("POST", "instances/\(id)/release")
    fixture.pass(11)
    #expect(try fixture.status(id).hasPrefix("running running"))
    try fixture.control("POST", "instances/\(id)/outbid", #"{"tenant": true}"#)
    fixture.pass(1000)
    #expect(try fixture.status(id) == "exited stopped stopped stopped")
  }

  @Test mutating func `a start that meets the container on its way down lets it get there`() throws {
    let id = try running()
    try fixture.control("POST", "instances/\(id)/outbid")
    fixture.pass(5)
    let before = try fixture.row(id)?["ports"]
    #expect(try set(id, "running") == .bool(true))
    #expect(try fixture.status(id) == "exited running running running")
    #expect(stops(of: id) == 1)
    fixture.pass(11)
    #expect(try fixture.status(id) == "running running running running")
    #expect(try fixture.row(id)?["ports"] != before)
  }

  @Test mutating func `only who bids can be outbid`() throws {
    let id = try running("")
    #expect(throws: ControlError.self) { try fixture.control("POST", "instances/\(id)/outbid") }
    #expect(try fixture.status(id).hasPrefix("running running"))
  }

  @Test mutating func `a loss can be kept for the next who bids`() throws {
    try fixture.control("POST", "fate", #"{"fate": "is_outbid", "after": 5, "seconds": 60}"#)
    let demanded = try fixture.create(offer: 31_018_300)
    let id = try running()
    fixture.pass(3)
    #expect(try fixture.status(id) == "running running running running")
    fixture.pass(21)
    #expect(try fixture.status(id) == "exited stopped stopped stopped")
    #expect(try fixture.status(demanded).hasPrefix("running running"))
    fixture.pass(60)
    #expect(try fixture.status(id) == "running running running running")
  }

  // MARK: Hosts

  @Test mutating func `a host may be gone for a time, with every process and no file`() throws {
    let id = try running()
    try fixture.control("POST", "instances/\(id)/offline", #"{"seconds": 50}"#)
    #expect(try fixture.status(id) == "offline running running running")
    #expect(stops(of: id) == 1)
    fixture.pass(49)
    #expect(try fixture.status(id) == "offline running running running")
    fixture.pass(12)
    #expect(try fixture.status(id) == "running running running running")
    #expect(!wasEmptied(id))
  }

  @Test mutating func `a host that is not heard of does what was asked when it is back`() throws {
    let stopped = try running()
    let started = try fixture.create(offer: 31_018_300)
    fixture.pass(31)
    #expect(try set(started, "stopped") == .bool(true))
    fixture.pass(3)
    for id in [stopped, started] { try fixture.control("POST", "instances/\(id)/offline", #"{"seconds": 50}"#) }
    #expect(try set(stopped, "stopped") == .bool(true))
    #expect(try set(started, "running") == .bool(true))
    fixture.pass(49)
    #expect(try fixture.status(stopped) == "offline stopped stopped stopped")
    #expect(try fixture.status(started) == "offline running running running")
    fixture.pass(12)
    #expect(try fixture.status(stopped) == "exited stopped stopped stopped")
    #expect(try fixture.status(started) == "running running running running")
  }

  @Test mutating func `a machine goes with all that is on it and with its offers`() throws {
    let first = try fixture.create(offer: 31_018_300)
    let second = try fixture.create(offer: 31_018_301)
    let elsewhere = try running()
    try fixture.control("POST", "machines/27183/offline", #"{"seconds": 50}"#)
    for id in [first, second] { #expect(try fixture.status(id).hasPrefix("offline")) }
    #expect(try fixture.status(elsewhere).hasPrefix("running"))
    _ = try fixture.call("destroy", second)
    #expect(try fixture.call("create", 31_018_301, body: #"{"image": "ubuntu:22.04"}"#).status == 400)
    // One contract alone does not bring its host back.
    try fixture.control("POST", "instances/\(first)/online")
    #expect(try fixture.status(first).hasPrefix("offline"))
    fixture.pass(61)
    #expect(try fixture.status(first) == "running running running running")
    #expect(try fixture.create(offer: 31_018_301) > elsewhere)
    #expect(throws: ControlError.self) { try fixture.control("POST", "machines/1/offline") }
    #expect(throws: ControlError.self) { try fixture.control("POST", "machines/27183/crash") }
  }

  @Test mutating func `a start on a silent machine waits for it`() throws {
    let id = try running()
    #expect(try set(id, "stopped") == .bool(true))
    fixture.pass(3)
    try fixture.control("POST", "machines/27184/offline")
    #expect(try set(id, "running") == .bool(false))
    fixture.pass(100)
    #expect(try fixture.status(id) == "offline running stopped running")
    try fixture.control("POST", "machines/27184/online")
    fixture.pass(11)
    #expect(try fixture.status(id) == "running running running running")
  }

  @Test mutating func `a killed container can be started again`() throws {
    let id = try running()
    try fixture.control("POST", "instances/\(id)/crash")
    #expect(try fixture.status(id) == "exited running running running")
    #expect(stops(of: id) == 1)
    #expect(try set(id, "running") == .bool(true))
    fixture.pass(11)
    #expect(try fixture.status(id) == "running running running running")
  }
}
