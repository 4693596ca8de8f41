import Domain
import JSON
import Store
import TestSupport
import Testing

@Suite struct InstanceCallTests {
  @Test func `a rental is written down and answered, and deleting it is accepted`() async throws {
    let world = try APIWorld()
    let made = try await world.call(
      "POST", "/v1/instances",
      #"{"offer_id":2,"image":"python:3.11","disk_gb":32,"label":"ada","env":{"A":"1"},"ports":[8000],"onstart":"echo"}"#
    )
    #expect(made.status == 202)
    let instance = try made.json
    #expect(instance["state"] == .string("requested") && instance["label"] == .string("ada"))
    #expect(instance["offer_id"] == .integer(2) && instance["disk_gb"] == .integer(32))
    guard case .string(let id) = instance["id"] else { throw Unexpected(what: made.text) }
    let gone = try await world.call("DELETE", "/v1/instances/\(id)")
    #expect(gone.status == 202)
    #expect(try gone.json["desired_state"] == .string("destroyed"))
    #expect(try await world.call("DELETE", "/v1/instances/\(id)").status == 202, "twice is harmless")
    #expect(try await world.call("DELETE", "/v1/instances/ins_00000000000000000000000000").status == 404)
    await world.close()
  }

  @Test func `an offer that is not there, or too few, is a conflict that says so`() async throws {
    let world = try APIWorld()
    for body in [#"{"offer_id":77,"image":"a"}"#, #"{"resources":{},"image":"a","count":3}"#] {
      let response = try await world.call("POST", "/v1/instances", body)
      #expect(response.status == 409)
      #expect(try response.json["code"] == .string("no_offers"))
    }
    #expect(try await world.call("GET", "/v1/instances").json["items"] == .array([]))
    await world.close()
  }

  @Test func `instances are found by state, label and job`() async throws {
    let world = try APIWorld()
    for (offer, label) in [(1, "ada"), (2, "bob")] {
      _ = try await world.call(
        "POST", "/v1/instances", "{\"offer_id\":\(offer),\"image\":\"a\",\"label\":\"\(label)\"}")
    }
    func count(_ query: String) async throws -> Int {
      guard case .array(let items) = try await world.call("GET", "/v1/instances?\(query)").json["items"] else {
        return -1
      }
      return items.count
    }
    #expect(try await count("") == 2)
    #expect(try await count("label=ada") == 1)
    #expect(try await count("label=ad") == 0)
    #expect(try await count("state=requested,running") == 2)
    #expect(try await count("state=destroyed") == 0)
    #expect(try await count("managed=true") == 2)
    #expect(try await count("job_id=job_00000000000000000000000000") == 0)
    await world.close()
  }

  @Test func `how to log in is told once an address is known`() async throws {
    let world = try APIWorld()
    let made = try await world.call("POST", "/v1/instances", #"{"offer_id":1,"image":"a"}"#)
    guard case .string(let text) = try made.json["id"], let id = ID<Instance>(text) else {
      throw Unexpected(what: made.text)
    }
    let early = try await world.call("GET", "/v1/instances/\(id)/ssh").json
    #expect(early["ready"] == .bool(false) && early["command"] == .null && early["user"] == .string("root"))
    _ = try await world.store.write { (tx) throws(StoreError) in
      guard var instance = try tx.instance(id) else { return false }
      instance.restore(state: .running)
      instance.marketID = MarketID(5)
      instance.directAddress = SSHAddress(host: "203.0.113.7", port: 41022)
      instance.sshAddress = instance.directAddress
      return try tx.update(&instance)
    }
    let access = try await world.call("GET", "/v1/instances/\(id)/ssh").json
    #expect(access["ready"] == .bool(true) && access["command"] == .string("ssh -p 41022 root@203.0.113.7"))
    #expect(access["direct"]?["port"] == .integer(41022) && access["proxy"] == .null)
    #expect(try await world.call("GET", "/v1/instances/\(id)").json["ssh"]?["host"] == .string("203.0.113.7"))
    await world.close()
  }

  @Test func `the account is shown without its address`() async throws {
    let world = try APIWorld()
    let account = try await world.call("GET", "/v1/account")
    #expect(try account.json["label"] == .string("tester") && account.json["credit_usd"] == .integer(25))
    #expect(!account.text.contains("@"))
    world.market.change { $0.failures[.account] = [.unauthorized(detail: "Invalid user key")] }
    #expect(try await world.call("GET", "/v1/account").status == 502)
    await world.close()
  }
}
