import API
import Domain
import JSON
import Locking
import TestSupport
import Testing

@Suite struct PlanCallTests {
  private func applied(_ plan: JSONObject, _ field: String) -> JSONObject? {
    guard case .array(let items) = plan["defaults_applied"] else { return nil }
    for case .object(let item) in items where item["field"] == .string(field) { return item }
    return nil
  }

  @Test func `a plan of nothing shows what would be rented, what it costs and why`() async throws {
    let world = try APIWorld()
    let response = try await world.call("POST", "/v1/instances/plan", "{}")
    #expect(response.status == 200)
    let plan = try response.json
    #expect(plan["resolved"]?["resources"]?["gpu_name"] == .string("RTX 4090"))
    #expect(plan["resolved"]?["image"] == .string("pytorch/pytorch:latest"))
    #expect(plan["resolved"]?["disk_gb"] == .integer(64) && plan["resolved"]?["count"] == .integer(1))
    #expect(plan["resolved"]?["label"] == .string("tester"))
    #expect(applied(plan, "gpu_name")?["value"] == .string("RTX 4090"))
    #expect(applied(plan, "gpu_name")?["source"] == .string("contract"))
    #expect(applied(plan, "label")?["source"] == .string("account_nickname"))
    #expect(plan["chosen"]?["offer_id"] == .integer(1))
    #expect(plan["estimate"]?["per_hour_usd"] == .number(0.4))
    #expect(plan["estimate"]?["storage_per_hour_usd"] == .number(0.013333))
    #expect(plan["estimate"]?["transfer_usd"] == .integer(0))
    #expect(plan["estimate"]?["total_usd"] == .null && plan["estimate"]?["duration_s"] == .null)
    #expect(plan["active_instances"] == .array([]))
    #expect(try await world.call("GET", "/v1/instances").json["items"] == .array([]), "nothing is done")
    await world.close()
  }

  @Test func `the same body rents what its plan shows`() async throws {
    let world = try APIWorld()
    let plan = try await world.call("POST", "/v1/instances/plan", "{}").json
    let made = try await world.call("POST", "/v1/instances", "{}").json
    #expect(made["offer_id"] == plan["chosen"]?["offer_id"])
    for name in ["image", "disk_gb", "label", "interruptible"] {
      #expect(made[name] == plan["resolved"]?[name], "\(name)")
    }
    #expect(made["price_per_hour_usd"] == plan["estimate"]?["per_hour_usd"])
    let next = try await world.call("POST", "/v1/instances/plan", "{}").json
    guard case .array(let active) = next["active_instances"] else { throw Unexpected(what: "no instances") }
    #expect(active.map { $0["id"] } == [made["id"]])
    await world.close()
  }

  @Test func `a plan of more than there is chooses nothing`() async throws {
    let world = try APIWorld()
    let plan = try await world.call("POST", "/v1/instances/plan", #"{"count":3}"#).json
    #expect(plan["chosen"] == .null && plan["estimate"]?["per_hour_usd"] == .null)
    await world.close()
  }

  @Test func `a job's plan adds up hours and data, and the job's own quote is the same`() async throws {
    let world = try APIWorld()
    world.market.change { state in
      state.offers[0].uploadPricePerGigabyte = 0.02
      state.offers[0].downloadPricePerGigabyte = 0.01
    }
    let body =
      #"{"command":"c","approval":"required","max_duration_s":7200,"transfer_up_gb":5,"transfer_down_gb":20.5}"#
    let plan = try await world.call("POST", "/v1/jobs/plan", body).json
    #expect(plan["estimate"]?["transfer_usd"] == .number(0.305))
    #expect(plan["estimate"]?["total_usd"] == .number(1.105))
    #expect(plan["estimate"]?["duration_s"] == .integer(7200))
    #expect(plan["resolved"]?["transfer_down_gb"] == .number(20.5))
    #expect(plan["resolved"]?["image"] == .string("pytorch/pytorch:latest"))
    let quote = try await world.call("POST", "/v1/jobs", body).json["quote"]
    for name in ["transfer_usd", "total_usd", "storage_per_hour_usd"] {
      #expect(quote?[name] == plan["estimate"]?[name], "\(name)")
    }
    #expect(quote?["approved_up_to_per_hour_usd"] == .null)
    await world.close()
  }

  @Test func `wrong values of a plan are named as those of a request`() async throws {
    let world = try APIWorld()
    let response = try await world.call(
      "POST", "/v1/instances/plan",
      #"{"count":17,"resources":{"num_gpus":0},"transfer_up_gb":-1,"expected_transfer":{}}"#)
    #expect(response.status == 422)
    #expect(
      Set(try response.pointers) == ["/count", "/resources/num_gpus", "/transfer_up_gb", "/expected_transfer"])
    let job = try await world.call("POST", "/v1/jobs/plan", #"{"command":"c","transfer_down_gb":"x"}"#)
    #expect(try job.pointers == ["/transfer_down_gb"])
    await world.close()
  }

  @Test func `a plan from an older answer says so, and one without an answer says why`() async throws {
    let world = try APIWorld()
    world.cached.withLock { $0 = OfferListing(offers: [.make()], asOf: Timestamp(seconds: 1), isDegraded: true) }
    let old = try await world.call("POST", "/v1/instances/plan", "{}")
    #expect(old.header("warning")?.hasPrefix("110") == true)
    #expect(try old.json["degraded"] == .bool(true))
    world.cached.withLock { $0 = nil }
    world.market.change { $0.failures[.search] = [.unavailable(detail: "down")] }
    #expect(try await world.call("POST", "/v1/instances/plan", "{}").status == 503)
    await world.close()
  }

  @Test func `the server's policy has a silent job wait, and no other`() async throws {
    let world = try APIWorld { $0.approvalPolicy = .withoutBudget }
    let silent = try await world.call("POST", "/v1/jobs", #"{"command":"c"}"#).json
    #expect(silent["state"] == .string("awaiting_approval") && silent["approval"] == .string("required"))
    #expect(silent["quote"]?["offer_id"] == .integer(1))
    let bounded = try await world.call("POST", "/v1/jobs", #"{"command":"c","max_cost_usd":1}"#).json
    #expect(bounded["state"] == .string("queued"))
    let explicit = try await world.call("POST", "/v1/jobs", #"{"command":"c","approval":"auto"}"#).json
    #expect(explicit["state"] == .string("queued"), "the policy is a default and no more")
    let plan = try await world.call("POST", "/v1/jobs/plan", #"{"command":"c"}"#).json
    #expect(applied(plan, "approval")?["value"] == .string("required"))
    #expect(applied(plan, "approval")?["source"] == .string("policy"))
    await world.close()
  }

  @Test func `an approval at a price that rose is a conflict with both prices, and the next accepts it`() async throws {
    let world = try APIWorld()
    let id = try await world.submit(#"{"command":"c","approval":"required"}"#)
    world.advance(by: .seconds(301))
    world.market.change { $0.offers = [.make(id: 5, dollars: 0.8)] }
    let refused = try await world.call("POST", "/v1/jobs/\(id)/approve")
    #expect(refused.status == 409)
    let problem = try refused.json
    #expect(problem["code"] == .string("price_rose") && problem["retryable"] == .bool(false))
    #expect(refused.text.contains("$0.4 ") && refused.text.contains("$0.8 "))
    #expect(try await world.call("GET", "/v1/jobs/\(id)").json["quote"]?["price_per_hour_usd"] == .number(0.8))
    let approved = try await world.call("POST", "/v1/jobs/\(id)/approve").json
    #expect(approved["state"] == .string("queued"))
    #expect(approved["quote"]?["approved_up_to_per_hour_usd"] == .number(0.88))
    await world.close()
  }

  @Test func `an approval without an offer or without Vast leaves the job waiting`() async throws {
    let world = try APIWorld()
    let id = try await world.submit(#"{"command":"c","approval":"required"}"#)
    world.advance(by: .seconds(301))
    for (error, status) in [
      (MarketplaceError.unavailable(detail: "x"), 503), (.unauthorized(detail: "x"), 502),
      (.rateLimited(retryAfter: .seconds(2)), 429),
    ] {
      world.market.change { $0.failures[.search] = [error] }
      #expect(try await world.call("POST", "/v1/jobs/\(id)/approve").status == status)
    }
    world.market.change { $0.offers = [] }
    let none = try await world.call("POST", "/v1/jobs/\(id)/approve")
    #expect(none.status == 409)
    #expect(try none.json["code"] == .string("no_offers"))
    #expect(try await world.call("GET", "/v1/jobs/\(id)").json["state"] == .string("awaiting_approval"))
    await world.close()
  }
}
