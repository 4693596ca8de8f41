import JSON
import Testing

@testable import Simulator

@Suite struct StatusCourseTests {
  var fixture = Fixture()

  @Test mutating func `a new contract loads, pulls, runs, and has ports only from then on`() throws {
    let id = try fixture.create()
    #expect(try fixture.status(id) == "null running running running")
    #expect(try fixture.row(id)?["public_ipaddr"] == .null)
    fixture.pass(4)
    #expect(try fixture.status(id) == "loading running running running")
    #expect(try fixture.row(id)?["status_msg"]?.asText == "Pulling from ubuntu:22.04")
    #expect(try fixture.row(id)?["ports"]?.asObject?.members.isEmpty == true)
    fixture.pass(25)
    #expect(try fixture.status(id) == "created running running running")
    fixture.pass(2)
    #expect(try fixture.status(id) == "running running running running")
    let row = try #require(try fixture.row(id))
    #expect(row["status_msg"]?.asText == "success, running ubuntu_22.04/ssh")
    #expect(row["public_ipaddr"]?.asText == "127.0.0.1\n")
    #expect(row["ports"]?["22/tcp"]?.asArray?.first?["HostPort"]?.asText != nil)
    #expect(row["uptime_mins"]?.asNumber == 1.0 / 60)
  }

  @Test mutating func `how busy its GPUs are is for a test to say, and shown while it runs`() throws {
    let id = try fixture.create()
    #expect(try fixture.row(id)?["gpu_util"] == .null)
    fixture.pass(31)
    #expect(try fixture.row(id)?["gpu_util"]?.asNumber == 37)
    try fixture.control("POST", "instances/\(id)/utilization", #"{"gpu_util": 3}"#)
    #expect(try fixture.row(id)?["gpu_util"]?.asNumber == 3)
    try fixture.control("POST", "instances/\(id)/utilization", #"{"gpu_util": null}"#)
    #expect(try fixture.row(id)?["gpu_util"] == .null)
    #expect(throws: ControlError.self) { try fixture.control("POST", "instances/\(id)/utilization") }
  }

  @Test mutating func `a start finds the image, new ports and the same proxy`() throws {
    let id = try fixture.create()
    fixture.pass(31)
    let before = try #require(try fixture.row(id))
    #expect(try fixture.call("manage", id, body: #"{"state": "stopped"}"#).status == 200)
    #expect(try fixture.status(id) == "running stopped stopped stopped")
    fixture.pass(2.5)
    #expect(try fixture.status(id) == "exited stopped stopped stopped")
    // The text of success outlives what it tells of.
    #expect(try fixture.row(id)?["status_msg"] == before["status_msg"])
    #expect(try fixture.call("manage", id, body: #"{"state": "running"}"#).status == 200)
    #expect(try fixture.status(id) == "exited running running running")
    fixture.pass(10.5)
    let after = try #require(try fixture.row(id))
    #expect(after["actual_status"]?.asText == "running")
    #expect(after["ports"] != before["ports"])
    #expect(after["ssh_port"] == before["ssh_port"])
  }

  @Test mutating func `whoever loses priority is told by the wish alone, runs on for a while, and says nothing`() throws
  {
    let id = try fixture.create(", \"price\": 0.2")
    fixture.pass(31)
    let message = try fixture.row(id)?["status_msg"]
    try fixture.control("POST", "instances/\(id)/outbid")
    #expect(try fixture.status(id) == "running stopped stopped stopped")
    fixture.pass(16)
    #expect(try fixture.status(id) == "exited stopped stopped stopped")
    #expect(try fixture.row(id)?["status_msg"] == message)
    fixture.pass(1000)
    #expect(try fixture.status(id) == "exited stopped stopped stopped")
    #expect(try fixture.call("manage", id, body: #"{"state": "running"}"#).body["success"] == .bool(true))
    fixture.pass(11)
    #expect(try fixture.status(id) == "running running running running")
  }

  @Test mutating func `a displaced contract comes back by itself when the tenant leaves`() throws {
    let id = try fixture.create(", \"price\": 0.2")
    fixture.pass(31)
    try fixture.control("POST", "instances/\(id)/outbid", #"{"tenant": true}"#)
    fixture.pass(20)
    #expect(try fixture.call("manage", id, body: #"{"state": "running"}"#).body["success"] == .bool(false))
    #expect(try fixture.status(id) == "exited running stopped running")
    try fixture.control("POST", "instances/\(id)/release")
    fixture.pass(11)
    #expect(try fixture.status(id) == "running running running running")
  }

  @Test mutating func `a start of taken GPUs is queued, and a stop forgets it`() throws {
    let id = try fixture.create()
    fixture.pass(31)
    _ = try fixture.call("manage", id, body: #"{"state": "stopped"}"#)
    fixture.pass(3)
    let other = try fixture.create()
    let answer = try fixture.call("manage", id, body: #"{"state": "running"}"#)
    #expect(answer.status == 200)
    #expect(answer.body["error"]?.asText == "resources_unavailable")
    fixture.pass(600)
    #expect(try fixture.status(id) == "exited running stopped running")
    _ = try fixture.call("manage", id, body: #"{"state": "stopped"}"#)
    _ = try fixture.call("destroy", other)
    fixture.pass(600)
    #expect(try fixture.status(id) == "exited stopped stopped stopped")
  }

  @Test mutating func `a queued start begins as soon as the GPUs are free`() throws {
    let id = try fixture.create()
    fixture.pass(31)
    _ = try fixture.call("manage", id, body: #"{"state": "stopped"}"#)
    fixture.pass(3)
    let other = try fixture.create()
    _ = try fixture.call("manage", id, body: #"{"state": "running"}"#)
    _ = try fixture.call("destroy", other)
    fixture.pass(11)
    #expect(try fixture.status(id) == "running running running running")
  }

  @Test mutating func `a failed pull stays loading with its error, and is given up after seven minutes`() throws {
    try fixture.control("POST", "fate", #"{"fate": "pull_fails"}"#)
    let id = try fixture.create()
    fixture.pass(24)
    #expect(try fixture.status(id) == "loading running running running")
    #expect(try fixture.row(id)?["status_msg"]?.asText?.contains("manifest for ubuntu:22.04 not found") == true)
    fixture.pass(420)
    #expect(try fixture.status(id) == "loading stopped stopped stopped")
    #expect(try fixture.create(offer: 31_018_300) != id)
  }

  @Test mutating func `an image without a manifest fails its pull without being told to`() throws {
    let made = try fixture.call("create", Fixture.offer, body: #"{"image": "example/no-such:1", "disk": 10}"#)
    fixture.pass(40)
    let id = try #require(made.body["new_contract"]?.asInt)
    #expect(try fixture.status(id) == "loading running running running")
  }

  @Test mutating func `a runtime failure leaves created and nothing wanted`() throws {
    try fixture.control("POST", "fate", #"{"fate": "runtime_fails"}"#)
    let id = try fixture.create()
    fixture.pass(31)
    #expect(try fixture.status(id) == "created stopped stopped stopped")
    #expect(try fixture.row(id)?["status_msg"]?.asText?.contains("OCI runtime create failed") == true)
  }

  @Test mutating func `a fate may be kept for one machine`() throws {
    try fixture.control("POST", "fate", #"{"fate": "stuck", "machine": 27184}"#)
    let other = try fixture.create(offer: 31_018_300)
    let doomed = try fixture.create()
    fixture.pass(500)
    #expect(try fixture.status(other).hasPrefix("running"))
    #expect(try fixture.status(doomed).hasPrefix("loading"))
  }

  @Test mutating func `a crash ends the container and not the wish`() throws {
    let id = try fixture.create()
    fixture.pass(31)
    try fixture.control("POST", "instances/\(id)/crash", #"{"message": "Error: no space left on device"}"#)
    #expect(try fixture.status(id) == "exited running running running")
    #expect(try fixture.row(id)?["status_msg"]?.asText == "Error: no space left on device")
  }

  @Test mutating func `a host that is gone and comes back brings its contract back`() throws {
    let id = try fixture.create()
    fixture.pass(31)
    try fixture.control("POST", "instances/\(id)/offline")
    #expect(try fixture.status(id) == "offline running running running")
    try fixture.control("POST", "instances/\(id)/online")
    fixture.pass(11)
    #expect(try fixture.status(id) == "running running running running")
  }

  @Test mutating func `a reboot keeps the disk, a recycle empties it, and both need a running container`() throws {
    let id = try fixture.create()
    #expect(try fixture.call("reboot", id).body["error"]?.asText == "invalid_id")
    fixture.pass(31)
    #expect(try fixture.call("reboot", id).body["success"] == .bool(true))
    #expect(try fixture.status(id).hasPrefix("rebooting"))
    fixture.pass(11)
    #expect(!fixture.orders.contains { if case .wipe = $0 { true } else { false } })
    #expect(try fixture.call("recycle", id).body["success"] == .bool(true))
    #expect(fixture.orders.contains { if case .wipe(contract: id) = $0 { true } else { false } })
    fixture.pass(11)
    #expect(try fixture.status(id).hasPrefix("loading"))
    fixture.pass(20)
    #expect(try fixture.status(id).hasPrefix("running"))
    #expect(try fixture.call("reboot", 999).status == 400)
  }

  @Test mutating func `a contract may show late and linger after its end`() throws {
    try fixture.control("POST", "settings", #"{"visibility": 5, "settle": 3}"#)
    let id = try fixture.create()
    #expect(try fixture.row(id) == nil)
    #expect(try fixture.call("list").body["total_instances"]?.asInt == 0)
    fixture.pass(5)
    #expect(try fixture.row(id) != nil)
    #expect(try fixture.call("destroy", id).status == 200)
    #expect(try fixture.row(id) != nil)
    fixture.pass(3)
    #expect(try fixture.row(id) == nil)
    #expect(try fixture.call("destroy", id).status == 404)
  }
}
