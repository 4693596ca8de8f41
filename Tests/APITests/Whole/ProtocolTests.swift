import API
import Domain
import FleetService
import HTTPServer
import JSON
import Locking
import TestSupport
import Testing

/// Ids, types, limits and refusals, over real sockets.
@Suite struct ProtocolTests {
  @Test func `a request id is taken or made, returned on every answer and logged`() async throws {
    let world = try APIWorld()
    for target in ["/livez", "/v1/jobs", "/nothing", "/v1/jobs?x=1", "/health", "/metrics", "/openapi.json"] {
      let given = try await world.call("GET", target, headers: [("X-Request-Id", "caller-1.A_z")])
      #expect(given.header("x-request-id") == "caller-1.A_z", "\(target)")
      let made = try await world.call("GET", target)
      #expect(try #require(made.header("x-request-id")).utf8.count == 15)
    }
    let hostile = try await world.call("GET", "/v1/jobs", headers: [("X-Request-Id", "\"><script>")])
    #expect(hostile.header("x-request-id") != "\"><script>")
    let log = try world.logText()
    #expect(log.contains(#""request_id":"caller-1.A_z""#) && !log.contains("<script>"))
    await world.close()
  }

  @Test func `a trace id is logged when it is valid, and junk is ignored`() async throws {
    let world = try APIWorld()
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    #expect(
      try await world.call("GET", "/v1/jobs", headers: [("traceparent", "00-\(trace)-00f067aa0ba902b7-01")]).status
        == 200)
    #expect(try await world.call("GET", "/v1/jobs", headers: [("traceparent", "00-junk")]).status == 200)
    let log = try world.logText()
    #expect(log.contains("\"trace_id\":\"\(trace)\"") && !log.contains("junk"))
    await world.close()
  }

  @Test func `the log tells each call, but not probes, queries or the token`() async throws {
    let world = try APIWorld()
    let id = try await world.submit()
    _ = try await world.call("GET", "/v1/jobs/\(id)?secret=hunter2")
    _ = try await world.call("GET", "/livez")
    _ = try await world.call("GET", "/metrics")
    await eventually { (try? world.logText().contains("\"status\":400")) ?? false }
    let log = try world.logText()
    #expect(log.contains(#""route":"/v1/jobs/{id}""#) && log.contains(#""principal":"bootstrap""#))
    #expect(!log.contains("hunter2") && !log.contains(APIWorld.token) && !log.contains("/livez"))
    let metrics = try await world.call("GET", "/metrics").text
    #expect(metrics.contains(#"vastd_http_requests_total{route="/livez",method="GET",status="200"} 1"#))
    #expect(metrics.contains(#"vastd_http_requests_total{route="/v1/jobs",method="POST",status="201"} 1"#))
    #expect(metrics.contains(#"route="/v1/jobs/{id}",method="GET",status="400"} 1"#))
    await world.close()
  }

  @Test func `what the server refuses itself is a problem too`() async throws {
    let world = try APIWorld()
    let client = try RawClient(port: world.server.port)
    await client.send("GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    let response = try await client.response()
    #expect(response.status == 400 && response.closes)
    #expect(response.header("content-type") == "application/problem+json")
    #expect(try response.json["status"] == .integer(400))
    #expect(response.header("x-request-id") != nil)
    await world.close()
  }

  @Test func `HEAD is GET without the body`() async throws {
    let world = try APIWorld()
    let id = try await world.submit()
    for target in [
      "/livez", "/health", "/v1/jobs", "/v1/jobs/\(id)", "/openapi.yaml", "/v1/jobs/\(id)/logs?follow=true",
    ] {
      let response = try await world.call("HEAD", target)
      #expect(response.status == 200 && response.body.isEmpty, "\(target)")
    }
    #expect(try await world.call("HEAD", "/v1/jobs/nope").status == 404)
    await world.close()
  }

  @Test func `bodies are JSON, plain, and of moderate size`() async throws {
    let world = try APIWorld()
    func status(_ body: String, _ headers: [(String, String)]) async throws -> Int {
      try await world.call("POST", "/v1/jobs", bytes: Array(body.utf8), headers: headers).status
    }
    let good = #"{"command":"true"}"#
    #expect(try await status(good, [("Content-Type", "application/json; charset=utf-8")]) == 201)
    #expect(try await status(good, [("Content-Type", "text/plain")]) == 415)
    #expect(try await status(good, []) == 415)
    #expect(
      try await status(good, [("Content-Type", "application/json"), ("Content-Encoding", "gzip")]) == 415)
    #expect(try await status("{\"command\":", [("Content-Type", "application/json")]) == 400)
    let large = "{\"command\":\"\(String(repeating: "x", count: 1 << 20))\"}"
    #expect(try await status(large, [("Content-Type", "application/json")]) == 413)
    await world.close()
  }

  @Test func `a chunked body beyond the limit is cut off while it comes`() async throws {
    let world = try APIWorld()
    let client = try RawClient(port: world.server.port)
    await client.send(
      world.request(
        "POST", "/v1/jobs", headers: [("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")]))
    let chunk = Array("10000\r\n".utf8) + [UInt8](repeating: 0x20, count: 65536) + Array("\r\n".utf8)
    for _ in 0..<20 { await client.send(chunk) }
    let response = try await client.response()
    #expect(response.status == 413 && response.closes)
    #expect(try response.json["retryable"] == .bool(false))
    await world.close()
  }

  @Test(arguments: [
    "/v1/jobs/job_1", "/v1/jobs/ins_00000000000000000000000000", "/v1/jobs/job_0000000000000000000000000A",
    "/v1/jobs/%2e%2e%2fetc", "/v1/jobs/job_00000000000000000000000000%2Flogs", "/v1/jobs//logs", "/v1//jobs",
    "/v1/jobs/..;/", "/v1/jobs/%C0%AE", "/V1/jobs", "/v1/jobs.", "/v1/jobs/", "/v1/jobs/%00",
    "/v1/jobs/" + String(repeating: "a", count: 7000),
  ])
  func `a path that leads nowhere is 404, or 400 where it cannot be read`(path: String) async throws {
    let world = try APIWorld()
    let response = try await world.call("GET", path)
    #expect([400, 404].contains(response.status), "\(response.status)")
    #expect(response.header("content-type") == "application/problem+json")
    await world.close()
  }

  @Test func `an unknown parameter is refused wherever none is taken`() async throws {
    let world = try APIWorld()
    for route in world.api.routes where route.scope != nil {
      let body = [.post, .put, .patch].contains(route.method) ? "{}" : nil
      var headers: [(String, String)] = []
      if route.operation == .createUpload { headers.append(("Content-Type", "application/gzip")) }
      let response = try await world.call(
        route.method.rawValue, route.template.withID + "?surely_unknown=1", body, headers: headers)
      // Where the thing is looked up first, it is not there.
      #expect([400].contains(response.status), "\(route.operation) \(response.status) \(response.text)")
      #expect(try response.json["code"] == .string("invalid_query_parameter"), "\(route.operation)")
    }
    await world.close()
  }

  @Test func `answers of the API are not kept or sniffed by anybody`() async throws {
    let world = try APIWorld()
    let id = try await world.submit()
    for target in ["/v1/jobs", "/v1/jobs/\(id)", "/v1/jobs/\(id)/logs", "/v1/offers", "/v1/nothing"] {
      let response = try await world.call("GET", target)
      #expect(response.header("cache-control") == "no-store", "\(target)")
      #expect(response.header("x-content-type-options") == "nosniff", "\(target)")
    }
    await world.close()
  }

  @Test func `readiness ends when the service drains, liveness does not`() async throws {
    let world = try APIWorld()
    #expect(try await world.call("GET", "/readyz", token: nil).text == "ok\n")
    world.fleet.beginDraining()
    let response = try await world.call("GET", "/readyz", token: nil)
    #expect(response.status == 503 && response.text == "not ready\n")
    #expect(try await world.call("GET", "/livez", token: nil).status == 200)
    await world.close()
  }

  @Test func `health is told in parts, and a provider's failure makes it degraded, not dead`() async throws {
    let world = try APIWorld()
    let well = try await world.call("GET", "/health", token: nil)
    #expect(well.status == 200)
    #expect(try well.json["status"] == .string("healthy"))
    world.provider.withLock { $0.error = Failure(code: "provider_unauthorized", detail: "Check VAST_API_KEY.") }
    let ill = try await world.call("GET", "/health", token: nil)
    #expect(ill.status == 200)
    #expect(try ill.json["status"] == .string("degraded"))
    #expect(ill.text.contains("Check VAST_API_KEY."))
    await world.close()
  }
}
