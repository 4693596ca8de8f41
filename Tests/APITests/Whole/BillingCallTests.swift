import Domain
import JSON
import Store
import TestSupport
import Testing

@testable import API

@Suite struct `Calls about money` {
  private func spend(_ world: APIWorld) async throws -> ID<Instance> {
    let made = try await world.call("POST", "/v1/instances", #"{"offer_id":1,"image":"a","label":"=train,1"}"#).json
    guard case .string(let text) = made["id"], let id = ID<Instance>(text) else { throw Unexpected(what: "\(made)") }
    try await world.store.write { (tx) throws(StoreError) in
      for (kind, second, rate) in [
        (BillingEvent.Kind.start, 0, 0), (.rateChanged, 3600, 400_000), (.rateChanged, 7200, 0),
      ] as [(BillingEvent.Kind, Int, Int64)] {
        try tx.append(
          BillingEvent(
            instanceID: id, jobID: nil, kind: kind, at: Timestamp(seconds: 1_800_000_000) + .seconds(second),
            gpuPerHour: Money(microdollars: rate), storagePerHour: Money(microdollars: 10_000)))
      }
    }
    world.advance(by: .seconds(3 * 3600))
    return id
  }

  @Test(arguments: [
    Operation.listBillingEvents, .getBillingSummary, .getBudget, .updateBudget, .getReconciliation,
  ])
  func `what adds up the ledger leaves the server's own thread to others`(operation: Operation) async throws {
    let world = try APIWorld()
    let route = try #require(world.api.routes.first { $0.operation == operation })
    guard case .later = route.action else {
      Issue.record("\(operation) is answered on the server's thread")
      return await world.close()
    }
    await world.close()
  }

  @Test func `the ledger shows each line with what it came to, by page, as JSON or CSV`() async throws {
    let world = try APIWorld()
    let id = try await spend(world)
    let first = try await world.call("GET", "/v1/billing/events?limit=2&instance_id=\(id)")
    #expect(first.status == 200)
    let items = try #require(try first.json["items"]?.items)
    #expect(items.map { $0["kind"] } == [.string("billing.rate_changed"), .string("billing.rate_changed")])
    #expect(
      items[1]["cost"]?["gpu_usd"]?.isNumber(0.4) == true && items[1]["cost"]?["total_usd"]?.isNumber(0.41) == true)
    #expect(items[1]["until"] == items[0]["at"] && items[0]["until"] == .null)
    guard case .string(let cursor) = try first.json["next_cursor"] else { throw Unexpected(what: first.text) }
    let rest = try await world.call("GET", "/v1/billing/events?limit=2&instance_id=\(id)&cursor=\(cursor)")
    #expect(try rest.json["items"]?.items?.count == 1 && rest.json["next_cursor"] == .null)
    let csv = try await world.call("GET", "/v1/billing/events?limit=2", headers: [("Accept", "text/csv")])
    #expect(csv.header("content-type")?.hasPrefix("text/csv") == true && csv.header("x-next-cursor") != nil)
    #expect(csv.text.split(separator: "\r\n").count == 3 && csv.text.hasPrefix("id,kind,instance_id,"))
    await world.close()
  }

  @Test(arguments: ["day", "gpu_name", "label", "job", "instance"])
  func `a summary adds up to the same by everything`(grouping: String) async throws {
    let world = try APIWorld()
    _ = try await spend(world)
    let target = "/v1/billing/summary?group_by=\(grouping)&from=2027-01-01&to=2027-01-31T12:00:00Z"
    let summary = try await world.call("GET", target).json
    #expect(summary["total_usd"]?.double ?? 0 > 0.42 && summary["total_usd"] == summary["cost"]?["total_usd"])
    let items = try #require(summary["items"]?.items)
    #expect(abs(items.reduce(0) { $0 + ($1["total_usd"]?.double ?? 0) } - (summary["total_usd"]?.double ?? 0)) < 1e-5)
    #expect(summary["cost"]?["gpu_hours"]?.isNumber(1) == true)
    #expect(summary["burn_rate_usd_per_hour"]?.isNumber(0.01) == true)
    #expect(summary["to"] == .string("2027-02-01T00:00:00.000Z"), "rounded outwards")
    await world.close()
  }

  @Test func `CSV quotes what needs it and lets no label become a formula`() async throws {
    let world = try APIWorld()
    _ = try await spend(world)
    let target = "/v1/billing/summary?group_by=label&from=2027-01-01&to=2027-02-01"
    let csv = try await world.call("GET", target, headers: [("Accept", "application/json;q=0.5, text/csv")])
    let lines = csv.text.split(separator: "\r\n")
    #expect(lines.first == "label,instances,gpu_usd,disk_usd,transfer_usd,total_usd,gpu_hours")
    #expect(lines.last?.hasPrefix("\"'=train,1\",1,0.4,") == true)
    let json = try await world.call("GET", target, headers: [("Accept", "text/csv;q=0.5, application/json")])
    #expect(json.header("content-type") == "application/json")
    await world.close()
  }

  @Test(arguments: [
    ("/v1/billing/summary?group_by=week", "group_by"), ("/v1/billing/summary?from=yesterday", "from"),
    ("/v1/billing/summary?from=2027-01-02&to=2027-01-02", "to"),
    ("/v1/billing/summary?from=2020-01-01&to=2027-01-01", "from"),
    ("/v1/billing/summary?limit=0", "limit"), ("/v1/billing/summary?since=1", "since"),
    ("/v1/billing/events?from=2027-02-30", "from"), ("/v1/billing/events?job_id=1", "job_id"),
    ("/v1/billing/events?from=2027-01-02&to=2027-01-01", "to"),
  ])
  func `a wrong parameter is named`(target: String, name: String) async throws {
    let world = try APIWorld()
    let response = try await world.call("GET", target)
    #expect(response.status == 400 && response.text.contains(name), "\(response.text)")
    await world.close()
  }

  @Test func `budgets are replaced as a whole, hold at once, and show how things stand`() async throws {
    let world = try APIWorld()
    let body =
      #"{"daily_usd":5,"max_burn_rate_usd_per_hour":0.45,"action":"block","labels":{"a b":{"monthly_usd":1,"action":"stop"}}}"#
    let set = try await world.call("PUT", "/v1/billing/budget", body)
    #expect(set.status == 200)
    #expect(try set.json["daily_usd"]?.isNumber(5) == true && set.json["monthly_usd"] == .null)
    #expect(try set.json["labels"]?["a b"]?["action"] == .string("stop"))
    #expect(try set.json["standings"]?.items?.map { $0["label"] } == [.null, .string("a b")])
    let fits = try await world.call("POST", "/v1/instances", #"{"offer_id":1,"image":"a"}"#)
    #expect(fits.status == 202)
    let refused = try await world.call("POST", "/v1/instances", #"{"offer_id":2,"image":"a"}"#)
    #expect(refused.status == 409, "\(refused.text)")
    #expect(try refused.json["code"] == .string("budget_exceeded"))
    let left = try await world.call("GET", "/v1/instances").json["items"]?.items?.count
    #expect(left == 1, "nothing was half done")
    let cleared = try await world.call("PUT", "/v1/billing/budget", "{}")
    #expect(try cleared.json["daily_usd"] == .null && cleared.json["labels"] == .object(JSONObject()))
    #expect(try await world.call("POST", "/v1/instances", #"{"offer_id":2,"image":"a"}"#).status == 202)
    await world.close()
  }

  @Test(arguments: [
    (#"{"daily_usd":-1}"#, "/daily_usd"), (#"{"daily_usd":"5"}"#, "/daily_usd"), (#"{"action":"shout"}"#, "/action"),
    (#"{"labels":{"x":{}}}"#, "/labels/x"), (#"{"labels":{"x":5}}"#, "/labels/x"),
    (#"{"weekly_usd":5}"#, "/weekly_usd"),
    (#"{"labels":{"x":{"daily_usd":1,"y":1}}}"#, "/labels/x/y"), (#"{"labels":{"":{"daily_usd":1}}}"#, "/labels/"),
    (#"{"monthly_usd":1e9}"#, "/monthly_usd"), (#"{"action":"stop"}"#, "/action"),
  ])
  func `a wrong budget is named, and then none is changed`(body: String, pointer: String) async throws {
    let world = try APIWorld()
    _ = try await world.call("PUT", "/v1/billing/budget", #"{"daily_usd":7}"#)
    let response = try await world.call("PUT", "/v1/billing/budget", body)
    #expect(response.status == 422 && response.text.contains("\"\(pointer)\""), "\(response.text)")
    #expect(try await world.call("GET", "/v1/billing/budget").json["daily_usd"]?.isNumber(7) == true)
    await world.close()
  }

  @Test func `the account says how long its credit lasts at the present rate`() async throws {
    let world = try APIWorld()
    #expect(try await world.call("GET", "/v1/account").json["hours_left_at_current_rate"] == .null)
    _ = try await spend(world)
    let account = try await world.call("GET", "/v1/account").json
    #expect(account["burn_rate_usd_per_hour"]?.isNumber(0.01) == true)
    let credit = try #require(account["credit_usd"]?.double)
    let hours = try #require(account["hours_left_at_current_rate"]?.double)
    #expect(abs(hours - credit / 0.01) < 1)
    await world.close()
  }
}

extension JSONValue {
  fileprivate var items: [JSONValue]? { if case .array(let items) = self { items } else { nil } }

  fileprivate func isNumber(_ number: Double) -> Bool { double.map { abs($0 - number) < 1e-9 } ?? false }

  fileprivate var double: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }
}
