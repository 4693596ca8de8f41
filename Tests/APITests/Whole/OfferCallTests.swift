import Domain
import JSON
import Locking
import TestSupport
import Testing

@Suite struct OfferCallTests {
  @Test func `a fresh cache answers without the marketplace, and a newer listing replaces the kept answer`()
    async throws
  {
    let world = try APIWorld()
    var listing = OfferListing(offers: [.make(id: 9, dollars: 0.123456)], asOf: Timestamp(seconds: 1))
    world.cached.withLock { $0 = listing }
    for _ in 0..<3 {
      let response = try await world.call("GET", "/v1/offers?limit=5")
      #expect(response.text.contains(#""offer_id":9"#) && response.text.contains(#""price_per_hour_usd":0.123456"#))
    }
    #expect(world.market.count(.search) == 0)
    listing = OfferListing(offers: [.make(id: 10), .make(id: 11, dollars: 9)], asOf: Timestamp(seconds: 2))
    world.cached.withLock { [listing] in $0 = listing }
    #expect(try await world.call("GET", "/v1/offers?limit=5").text.contains(#""offer_id":10"#))
    let short = try await world.call("GET", "/v1/offers?limit=1").text
    #expect(short.contains(#""offer_id":10"#) && !short.contains(#""offer_id":11"#))
    await world.close()
  }

  @Test func `offers are searched and ranked when the cache is cold`() async throws {
    let world = try APIWorld()
    guard case .array(let items) = try await world.call("GET", "/v1/offers?selection=second_cheapest").json["items"]
    else {
      throw Unexpected(what: "no items")
    }
    #expect(items.map { $0["offer_id"] } == [.integer(2), .integer(1)])
    #expect(world.market.count(.search) == 1)
    #expect(try await world.call("GET", "/v1/offers?gpu_name=Matrox").json["items"] == .array([]))
    await world.close()
  }

  @Test func `an older answer says so in its body and its header`() async throws {
    let world = try APIWorld()
    world.cached.withLock { $0 = OfferListing(offers: [.make()], asOf: Timestamp(seconds: 1), isDegraded: true) }
    let response = try await world.call("GET", "/v1/offers")
    #expect(try response.json["degraded"] == .bool(true))
    #expect(try response.json["as_of"] == .string("1970-01-01T00:00:01.000Z"))
    #expect(response.header("warning")?.hasPrefix("110") == true)
    await world.close()
  }

  @Test(arguments: [
    (MarketplaceError.unauthorized(detail: "Invalid user key"), 502, "provider_unauthorized"),
    (.rateLimited(retryAfter: .seconds(3)), 429, "rate_limited"),
    (.unavailable(detail: "no route"), 503, "provider_unavailable"),
    (.circuitOpen(retryAfter: .milliseconds(3100)), 503, "provider_circuit_open"),
    (.unknownOutcome(detail: "cut"), 504, "outcome_unknown"),
    (.malformedAnswer(detail: "html"), 502, "malformed_answer"),
    (.quotaExceeded(retryAfter: .seconds(60)), 429, "search_quota_exceeded"),
  ])
  func `a marketplace that fails is told from a caller that errs`(
    error: MarketplaceError, status: Int, code: String
  ) async throws {
    let world = try APIWorld()
    for (method, target, body) in [
      ("GET", "/v1/offers", nil), ("POST", "/v1/offers/search", "{}"), ("POST", "/v1/jobs/plan", #"{"command":"c"}"#),
      ("POST", "/v1/instances", #"{"offer_id":1,"image":"a"}"#), ("POST", "/v1/instances/plan", "{}"),
    ] as [(String, String, String?)] {
      world.market.change { $0.failures[.search] = [error] }
      let response = try await world.call(method, target, body)
      #expect(response.status == status, "\(target) \(response.text)")
      #expect(try response.json["code"] == .string(code))
      if status == 429 || status == 503 { #expect(Int(response.header("retry-after") ?? "0") ?? 0 >= 1) }
    }
    await world.close()
  }

  @Test func `an account and a plan that come from older answers say so, too`() async throws {
    let world = try APIWorld()
    let account = try await world.call("GET", "/v1/account")
    #expect(account.header("warning") == nil)
    #expect(try account.json["degraded"] == nil)
    guard case .string = try account.json["as_of"] else { throw Unexpected(what: account.text) }
    world.cached.withLock { $0 = OfferListing(offers: [.make()], asOf: Timestamp(seconds: 1), isDegraded: true) }
    let plan = try await world.call("POST", "/v1/jobs/plan", #"{"command":"c"}"#)
    #expect(plan.header("warning")?.hasPrefix("110") == true)
    #expect(try plan.json["degraded"] == .bool(true))
    await world.close()
  }

  @Test func `a rental and a quote never go by an older answer`() async throws {
    let world = try APIWorld()
    world.cached.withLock { $0 = OfferListing(offers: [.make(id: 9)], asOf: Timestamp(seconds: 1), isDegraded: true) }
    let shown = try await world.call("GET", "/v1/offers").json
    #expect(shown["degraded"] == .bool(true))
    let made = try await world.call("POST", "/v1/instances", #"{"resources":{},"image":"a"}"#)
    #expect(made.status == 202)
    #expect(try made.json["offer_id"] == .integer(1))
    #expect(try await world.call("POST", "/v1/instances", #"{"offer_id":9,"image":"a"}"#).status == 409)
    let job = try await world.call("POST", "/v1/jobs", #"{"command":"c","approval":"required"}"#)
    #expect(try job.json["quote"]?["offer_id"] == .integer(2), "the instance has the first")
    await world.close()
  }

  @Test func `in fallback a rental that needs Vast at once is held, and told so`() async throws {
    let world = try APIWorld()
    #expect(try await world.call("PUT", "/v1/settings", #"{"fallback":true}"#).status == 200)
    let body = #"{"offer_id":1,"image":"a"}"#
    for (error, wait) in [
      (MarketplaceError.unavailable(detail: "x"), "5"), (.circuitOpen(retryAfter: .seconds(7)), "7"),
      (.unknownOutcome(detail: "x"), "5"), (.malformedAnswer(detail: "x"), "5"),
    ] {
      world.market.change { $0.failures[.search] = [error] }
      let response = try await world.call("POST", "/v1/instances", body)
      #expect(response.status == 503)
      #expect(response.header("retry-after") == wait)
      #expect(try response.json["code"] == .string("writes_held"))
      #expect(try response.json["retryable"] == .bool(true))
    }
    world.market.change { $0.failures[.search] = [.unauthorized(detail: "x")] }
    #expect(try await world.call("POST", "/v1/instances", body).status == 502, "no outage")
    #expect(try await world.call("POST", "/v1/jobs", #"{"command":"c"}"#).status == 201, "jobs are taken")
    #expect(try await world.call("POST", "/v1/instances", body).status == 202)
    await world.close()
  }

  @Test func `while Vast is left alone callers are told when it is asked again`() async throws {
    let world = try APIWorld()
    world.market.change { $0.failures[.search] = [.circuitOpen(retryAfter: .milliseconds(3100))] }
    let response = try await world.call("GET", "/v1/offers")
    #expect(response.header("retry-after") == "4")
    #expect(try response.json["retryable"] == .bool(true))
    world.provider.withLock { $0.circuit = .halfOpen }
    let health = try await world.call("GET", "/health", token: nil)
    #expect(health.status == 200)
    #expect(try health.json["status"] == .string("degraded"))
    #expect(try health.json["services"]?["vastai"]?["circuit"] == .string("half_open"))
    await world.close()
  }

  @Test func `a search takes filters of Vast's, checked by shape`() async throws {
    let world = try APIWorld()
    #expect(
      try await world.call("POST", "/v1/offers/search", #"{"gpu_name":"RTX_4090","filters":{"inet_down":{"gte":1}}}"#)
        .status
        == 200)
    let response = try await world.call(
      "POST", "/v1/offers/search", #"{"gpu":"x","limit":0,"filters":{"rented":{"eq":true},"a":{"like":1}}}"#)
    #expect(response.status == 422)
    #expect(Set(try response.pointers) == ["/gpu", "/limit", "/filters/rented", "/filters/a/like"])
    await world.close()
  }

  @Test func `a plan tells what would be rented and does nothing`() async throws {
    let world = try APIWorld()
    let plan = try await world.call("POST", "/v1/jobs/plan", #"{"command":"c","max_duration_s":7200}"#).json
    #expect(plan["chosen"]?["offer_id"] == .integer(1))
    #expect(plan["estimate"]?["per_hour_usd"] == .number(0.4) && plan["estimate"]?["total_usd"] == .number(0.8))
    #expect(plan["estimate"]?["duration_s"] == .integer(7200))
    #expect(plan["resolved"]?["resources"]?["disk_gb"] == .integer(64))
    #expect(try await world.jobCount() == 0 && world.market.count(.create) == 0)
    let none = try await world.call("POST", "/v1/jobs/plan", #"{"command":"c","resources":{"gpu_name":"Matrox"}}"#).json
    #expect(none["chosen"] == .null && none["candidates"] == .array([]))
    await world.close()
  }
}
