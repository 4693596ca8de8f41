import JSON
import Testing

@testable import Simulator

@Suite struct RentingTests {
  var fixture = Fixture()

  @Test(arguments: [("400", 400, "invalid_args"), ("404", 404, "invalid_args"), ("410", 410, "no_such_ask")])
  mutating func `a taken offer is told of in each of the known forms`(_ form: String, status: Int, error: String) throws
  {
    try fixture.control("POST", "settings", #"{"taken_form": "\#(form)"}"#)
    _ = try fixture.create()
    let answer = try fixture.call("create", Fixture.offer, body: #"{"image": "ubuntu:22.04", "disk": 10}"#)
    #expect(answer.status == status)
    #expect(answer.body["error"]?.asText == error)
    #expect(answer.body["msg"]?.asText?.contains("no_such_ask") == true)
    #expect(fixture.world.contracts.count == 1)
  }

  @Test mutating func `a bid below the floor makes a stopped contract that bills, unless told to cancel`() throws {
    let cancelled = try fixture.call(
      "create", Fixture.offer, body: #"{"image": "u", "disk": 10, "price": 0.01, "cancel_unavail": true}"#)
    #expect(cancelled.status == 410)
    #expect(fixture.world.contracts.isEmpty)
    let answer = try fixture.call("create", Fixture.offer, body: #"{"image": "u", "disk": 10, "price": 0.01}"#)
    #expect(answer.status == 200)
    #expect(answer.body["success"] == .bool(false))
    let id = try #require(answer.body["new_contract"]?.asInt)
    #expect(try fixture.status(id) == "null stopped stopped stopped")
    fixture.pass(3600)
    _ = try fixture.call("user")
    #expect(try #require(fixture.world.contracts[id]?.account.cost) > 0)
  }

  @Test(arguments: [
    (#"{"disk": 10}"#, "invalid_args"), (#"{"image": "", "disk": 10}"#, "invalid_args"),
    (#"{"image": "u", "disk": 99999}"#, "invalid_args"), (#"{"image": "u", "price": 0.0001}"#, "invalid_price"),
    (#"{"image": "u", "price": 129}"#, "invalid_price"), (#"{"image": "u", "runtype": "telnet"}"#, "invalid_args"),
    (#"{"image": "u", "env": {"A": [1]}}"#, "invalid_args"),
  ])
  mutating func `a wrong field is refused and nothing is rented`(_ body: String, error: String) throws {
    let answer = try fixture.call("create", Fixture.offer, body: body)
    #expect(answer.status == 400)
    #expect(answer.body["error"]?.asText == error)
    #expect(fixture.world.contracts.isEmpty)
  }

  @Test mutating func `long labels and scripts are refused`() throws {
    let long = String(repeating: "x", count: 4097)
    #expect(try fixture.call("create", Fixture.offer, body: #"{"image": "u", "label": "\#(long)"}"#).status == 400)
    #expect(try fixture.call("create", Fixture.offer, body: #"{"image": "u", "onstart": "\#(long)"}"#).status == 400)
  }

  @Test mutating func `env works as an object and is ignored as a text`() throws {
    let id = try fixture.create(", \"env\": {\"A\": \"b\", \"-p 8000:9000\": \"1\", \"-p 70:70/udp\": \"1\", \"N\": 1}")
    let text = try fixture.create(offer: 31_018_300, ", \"env\": \"-e A=b -p 8000:8000\"")
    fixture.pass(31)
    let row = try #require(try fixture.row(id))
    #expect(row["extra_env"]?.asArray?.first == .array([.string("A"), .string("b")]))
    #expect(row["ports"]?.asObject?.members.map(\.name) == ["22/tcp", "9000/tcp", "70/udp"])
    #expect(try fixture.row(text)?["extra_env"] == .array([]))
    let plan = try #require(fixture.orders.compactMap { if case .start(let plan) = $0 { plan } else { nil } }.first)
    let environment = Dictionary(uniqueKeysWithValues: plan.environment.map { ($0.name, $0.value) })
    #expect(environment["A"] == "b" && environment["N"] == "1")
    #expect(environment["CONTAINER_ID"] == "\(id)" && environment["VAST_CONTAINERLABEL"] == "C.\(id)")
    #expect(environment["VAST_TCP_PORT_9000"] == row["ports"]?["9000/tcp"]?.asArray?.first?["HostPort"]?.asText)
    #expect(!environment.keys.contains { $0.hasPrefix("-") })
  }

  @Test(arguments: [
    ("ssh", false, false, true), ("ssh_proxy", false, false, true), ("ssh_direc ssh_proxy", true, false, true),
    ("jupyter_direc ssh_direc ssh_proxy", true, true, true), ("jupyter_proxy ssh_proxy", false, true, true),
    ("args", false, false, false),
  ])
  mutating func `the kind of run decides which doors there are`(
    _ runtype: String, direct: Bool, jupyter: Bool, ssh: Bool
  ) throws {
    let made = try fixture.call("create", Fixture.offer, body: #"{"image": "u", "runtype": "\#(runtype)"}"#)
    let id = try #require(made.body["new_contract"]?.asInt)
    fixture.pass(31)
    let row = try #require(try fixture.row(id))
    let proxy = try #require(row["ssh_port"]?.asInt)
    #expect((row["ports"]?["22/tcp"] != nil) == direct)
    let plan = try #require(fixture.orders.compactMap { if case .start(let plan) = $0 { plan } else { nil } }.first)
    let directPort = row["ports"]?["22/tcp"]?.asArray?.first?["HostPort"]?.asInt
    let proxies = ssh ? [jupyter ? proxy + 1 : proxy] : []
    #expect(plan.sshPorts == (directPort.map { [$0] } ?? []) + proxies)
  }

  @Test mutating func `bulk creates what it can and says what it could not`() throws {
    let answer = try fixture.call(
      "create_bulk", body: #"{"ids": [31018400, 31018400, 31018300], "image": "u", "disk": 10}"#)
    #expect(answer.status == 200)
    #expect(answer.body["created"]?.asArray?.count == 2)
    #expect(answer.body["failed"] == .array([.integer(31_018_400)]))
    #expect(try fixture.call("create_bulk", body: #"{"ids": [31018400], "image": "u"}"#).status == 400)
  }

  @Test mutating func `attached keys and those of the account may log in, later account keys not`() throws {
    let keys = ["ssh-ed25519 AAAA1 one", "ssh-ed25519 AAAA2 two", "ssh-ed25519 AAAA3 three"]
    _ = try fixture.call("add_key", body: #"{"ssh_key": "\#(keys[0])"}"#)
    let id = try fixture.create()
    _ = try fixture.call("add_key", body: #"{"ssh_key": "\#(keys[1])"}"#)
    #expect(try fixture.call("attach_key", id, body: #"{"ssh_key": "\#(keys[2])"}"#).body["success"] == .bool(true))
    let again = try fixture.call("attach_key", id, body: #"{"ssh_key": "\#(keys[2])"}"#)
    #expect(again.status == 200)
    #expect(again.body["success"] == .bool(false))
    fixture.pass(31)
    let plan = try #require(fixture.orders.compactMap { if case .start(let plan) = $0 { plan } else { nil } }.first)
    #expect(plan.keys == [keys[0], keys[2]])
    let list = try #require(try fixture.call("instance_keys", id).body["ssh_keys"]?.asText)
    let attached = try #require(try JSONValue.parse(list.utf8).asArray?.last?["id"]?.asInt)
    #expect(try fixture.call("detach_key", id, attached).body["success"] == .bool(true))
    #expect(try fixture.call("detach_key", id, attached).body["error"]?.asText == "no_such_ssh_key")
    #expect(try fixture.call("attach_key", id, body: #"{"ssh_key": "no key"}"#).status == 400)
  }
}
