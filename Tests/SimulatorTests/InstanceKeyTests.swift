import JSON
import Testing

@testable import Simulator

/// The restricted key of a container.
@Suite struct InstanceKeyTests {
  var fixture = Fixture()

  @Test mutating func `it may stop and destroy its own instance, and the truth says who did`() throws {
    let id = try fixture.create()
    fixture.pass(31)
    let key = try #require(fixture.world.contracts[id]?.instanceKey)
    #expect(try fixture.call("manage", id, body: #"{"state": "stopped"}"#, key: key).status == 200)
    fixture.pass(5)
    #expect(try fixture.status(id) == "exited stopped stopped stopped")
    let stop = try #require(fixture.world.takeRecords().last { $0.event == "stop" })
    #expect(stop.json["by"] == .string("instance"))
    #expect(try fixture.call("destroy", id, key: key).status == 200)
    #expect(fixture.world.alive(id) == nil)
    let destroyed = try #require(fixture.world.takeRecords().last { $0.event == "destroyed" })
    #expect(destroyed.json["by"] == .string("instance"))
    #expect(fixture.world.contracts[id]?.destroyedBy == .instance)
    // The key goes with its instance.
    #expect(try fixture.call("destroy", id, key: key).status == 404)
    let other = try fixture.create(offer: 31_018_300)
    _ = try fixture.call("destroy", other)
    #expect(fixture.world.contracts[other]?.destroyedBy == .account)
  }

  @Test mutating func `it may do nothing else`() throws {
    let id = try fixture.create()
    let other = try fixture.create(offer: 31_018_300)
    fixture.pass(31)
    let key = try #require(fixture.world.contracts[id]?.instanceKey)
    let before = fixture.world.contracts.count
    let refused: [(String, [Int], String)] = [
      ("destroy", [other], "{}"), ("manage", [other], #"{"state": "stopped"}"#),
      ("manage", [id], #"{"state": "running"}"#), ("manage", [id], #"{"label": "mine"}"#), ("reboot", [id], "{}"),
      ("read", [id], "{}"), ("list", [], "{}"), ("user", [], "{}"), ("keys", [], "{}"),
      ("create", [31_018_200], #"{"image": "ubuntu:22.04", "disk": 10}"#),
      ("destroy_bulk", [], #"{"instance_ids": [\#(id)]}"#),
      ("attach_key", [id], #"{"ssh_key": "ssh-ed25519 AAAA1 one"}"#),
    ]
    for (name, numbers, body) in refused {
      let answer = try fixture.call(name, numbers, body: body, key: key)
      #expect(answer.status == 401, "\(name)")
      #expect(answer.body["error"] == .string("auth_error"), "\(name)")
    }
    #expect(fixture.world.contracts.count == before)
    #expect(fixture.world.alive(id)?.status.actual == .running && fixture.world.alive(other)?.status.actual == .running)
  }
}
