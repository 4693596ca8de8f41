import JSON
import TestSupport
import Testing

@Suite(.serialized) struct `An outage of the provider` {
  @Test func `opens the circuit, holds what must wait, takes jobs all the same, and ends by itself`() async throws {
    let rig = try await Rig()
    try await rig.startVastd(["VASTD_CACHE_TTL_S": "1"])
    #expect(try await rig.get("/v1/offers").value("degraded") == nil)
    let body = Array(#"{"fallback":true}"#.utf8)
    #expect(try await rig.send("PUT", "/v1/settings", body: body).status == 200)

    try await rig.control("POST", "fault", #"{"kind": "outage", "count": 1000000}"#)
    await eventually { (try? await rig.get("/health").text("services.vastai.circuit")) == "open" }
    let health = try await rig.get("/health")
    #expect(health.text("services.vastai.circuit") == "open", "\(health.bodyText)")
    #expect(health.status == 200 && health.text("status") == "degraded")
    #expect(try await rig.get("/metrics").bodyText.contains("\nvastai_circuit_state 2\n"))

    let offers = try await rig.get("/v1/offers")
    #expect(offers.status == 200, "\(offers.bodyText.prefix(300))")
    #expect(offers.value("degraded") == .bool(true) && offers.text("as_of") != nil)
    #expect(offers.header("warning")?.hasPrefix("110") == true)
    let unknown = try await rig.get("/v1/offers?num_gpus=2")
    #expect(unknown.status == 503, "nothing kept to fall back on: \(unknown.bodyText.prefix(300))")
    #expect(unknown.header("retry-after") != nil)
    let held = try await rig.post("/v1/instances", #"{"resources": {}, "image": "python:3.11"}"#)
    #expect(held.status == 503 && held.text("code") == "writes_held", "\(held.bodyText)")
    let id = try await rig.submit(#"{"command": "true", "outputs": []}"#)
    #expect(try await rig.job(id).text("state") == "queued")
    #expect(try await rig.everMade() == 0)

    try await rig.control("DELETE", "fault")
    #expect(try await rig.ended(id, within: .seconds(120)).text("state") == "succeeded")
    #expect(try await rig.get("/health").text("services.vastai.circuit") == "closed")
    #expect(try await rig.everMade() == 1)
    #expect(try await rig.alive() == 0)
    let told = "vastd_events_total{type=\"provider.recovered\"} 1"
    await eventually { (try? await rig.get("/metrics").bodyText.contains(told)) == true }
    let metrics = try await rig.get("/metrics").bodyText
    #expect(metrics.contains(told) && metrics.contains("vastd_events_total{type=\"provider.degraded\"} 1"))
    #expect(metrics.contains("\nvastai_circuit_state 0\n"))

    try rig.killVastd()
    try await rig.startVastd()
    let settings = try await rig.get("/v1/settings")
    #expect(settings.value("fallback") == .bool(true) && settings.text("sources.fallback") == "api", "as it was left")
  }

  @Test func `of pace turns callers away at once when told so, and the loops still wait`() async throws {
    let rig = try await Rig()
    try await rig.startVastd(["VASTD_PACING": "1", "VASTD_CACHE_ENABLED": "false", "RATE_LIMIT_MODE": "reject"])
    let first = try await rig.get("/v1/offers?num_gpus=1")
    #expect([200, 429].contains(first.status))
    let second = try await rig.get("/v1/offers?num_gpus=2")
    #expect(second.status == 429, "\(second.bodyText.prefix(300))")
    #expect(second.text("code") == "rate_limited" && second.header("retry-after") != nil)
    let id = try await rig.submit(#"{"command": "true", "outputs": []}"#)
    #expect(try await rig.ended(id, within: .seconds(120)).text("state") == "succeeded")
    #expect(try await rig.alive() == 0)
    let body = Array(#"{"rate_limit_mode":"queue"}"#.utf8)
    #expect(try await rig.send("PUT", "/v1/settings", body: body).status == 200)
    for gpus in 1...3 { #expect(try await rig.get("/v1/offers?num_gpus=\(gpus)").status == 200, "it waits its turn") }
  }
}
