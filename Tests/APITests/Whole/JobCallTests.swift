import Domain
import HTTPServer
import JSON
import TestSupport
import Testing

@Suite struct JobCallTests {
  @Test func `a job is shown as it was asked for, with its defaults`() async throws {
    let world = try APIWorld()
    let id = try await world.submit(#"{"command":"python train.py","name":"train","env":{"A":"1"}}"#)
    let job = try await world.call("GET", "/v1/jobs/\(id)").json
    #expect(job["state"] == .string("queued") && job["attempt"] == .integer(0) && job["cost_usd"] == .integer(0))
    #expect(job["command"] == .string("python train.py") && job["name"] == .string("train"))
    #expect(job["outputs"] == .array([.string("output/"), .string("job_output.log")]))
    #expect(job["resources"]?["min_reliability"] == .number(0.9) && job["resources"]?["disk_gb"] == .integer(64))
    #expect(job["max_attempts"] == .integer(3) && job["approval"] == .string("auto"))
    await world.close()
  }

  @Test func `a kept rendering is never older than the job`() async throws {
    let world = try APIWorld()
    let id = try await world.submit()
    func state() async throws -> (JSONValue?, JSONValue?) {
      let list = try await world.call("GET", "/v1/jobs").json
      guard case .array(let items) = list["items"] else { return (nil, nil) }
      return (try await world.call("GET", "/v1/jobs/\(id)").json["state"], items.first?["state"])
    }
    for _ in 0..<2 { #expect(try await state() == (.string("queued"), .string("queued"))) }
    try await world.move(id, [.placed])
    for _ in 0..<2 { #expect(try await state() == (.string("provisioning"), .string("provisioning"))) }
    _ = try await world.call("POST", "/v1/jobs/\(id)/cancel")
    #expect(try await world.call("GET", "/v1/jobs/\(id)").json["cancel_requested"] == .bool(true))
    await world.close()
  }

  @Test func `every wrong value of a job is told, and nothing is left behind`() async throws {
    let world = try APIWorld()
    let response = try await world.call(
      "POST", "/v1/jobs", #"{"command":"","env":{"LD-PATH":"1"},"resources":{"num_gpus":0},"state":"succeeded"}"#)
    #expect(response.status == 422)
    #expect(Set(try response.pointers) == ["/command", "/env/LD-PATH", "/resources/num_gpus", "/state"])
    #expect(try await world.call("GET", "/v1/jobs").json["items"] == .array([]))
    await world.close()
  }

  @Test func `an upload that is not there is named`() async throws {
    let world = try APIWorld()
    let response = try await world.call(
      "POST", "/v1/jobs", #"{"command":"c","input_upload_id":"upl_00000000000000000000000000"}"#)
    #expect(response.status == 422)
    #expect(try response.pointers == ["/input_upload_id"])
    await world.close()
  }

  @Test func `pages follow each other without a gap or a repetition`() async throws {
    let world = try APIWorld()
    var made: [String] = []
    for _ in 0..<7 { made.append(try await world.submit().rawValue) }
    var seen: [String] = []
    var target = "/v1/jobs?limit=3"
    var pages = 0
    while pages < 5 {
      let page = try await world.call("GET", target).json
      guard case .array(let items) = page["items"] else { throw Unexpected(what: "no items") }
      for case .string(let id) in items.map({ $0["id"] ?? .null }) { seen.append(id) }
      pages += 1
      guard case .string(let cursor) = page["next_cursor"] else { break }
      target = "/v1/jobs?limit=3&cursor=\(cursor)"
    }
    #expect(seen == made.reversed() && pages == 3)
    await world.close()
  }

  @Test func `a cursor is good for its own filters only, and not when changed`() async throws {
    let world = try APIWorld()
    for _ in 0..<3 { _ = try await world.submit() }
    guard case .string(let cursor) = try await world.call("GET", "/v1/jobs?state=queued&limit=1").json["next_cursor"]
    else {
      throw Unexpected(what: "no cursor")
    }
    #expect(try await world.call("GET", "/v1/jobs?state=queued&limit=2&cursor=\(cursor)").status == 200)
    #expect(try await world.call("GET", "/v1/jobs?limit=1&cursor=\(cursor)").status == 400)
    #expect(try await world.call("GET", "/v1/instances?cursor=\(cursor)").status == 400)
    #expect(try await world.call("GET", "/v1/jobs?state=queued&cursor=B\(cursor.dropFirst())").status == 400)
    await world.close()
  }

  @Test(arguments: [
    "limit=-1", "limit=0", "limit=%D9%A3", "limit=1e9", "limit=1&limit=2", "x=1", "state=on", "cursor=a",
  ])
  func `a query that cannot be meant is refused by name`(query: String) async throws {
    let world = try APIWorld()
    let response = try await world.call("GET", "/v1/jobs?\(query)")
    #expect(response.status == 400)
    #expect(response.text.contains(query.split(separator: "=")[0]))
    await world.close()
  }

  @Test func `ten thousand parameters cost one refusal`() async throws {
    let world = try APIWorld()
    let query = (0..<1500).map { "a\($0)=1" }.joined(separator: "&")
    let response = try await world.call("GET", "/v1/jobs?\(query)")
    #expect([400, 414, 431].contains(response.status))
    await world.close()
  }

  @Test func `a limit beyond the maximum is granted the maximum`() async throws {
    let world = try APIWorld()
    _ = try await world.submit()
    #expect(try await world.call("GET", "/v1/jobs?limit=1000000000").status == 200)
    await world.close()
  }

  @Test func `approval, cancellation and retry are refused in the wrong state, and say why`() async throws {
    let world = try APIWorld()
    let waiting = try await world.submit(#"{"command":"c","approval":"required"}"#)
    #expect(try await world.call("GET", "/v1/jobs/\(waiting)").json["quote"]?["offer_id"] == .integer(1))
    #expect(try await world.call("POST", "/v1/jobs/\(waiting)/retry").status == 409)
    #expect(try await world.call("POST", "/v1/jobs/\(waiting)/approve").status == 200)
    #expect(try await world.call("POST", "/v1/jobs/\(waiting)/approve").status == 200, "twice is harmless")
    let done = try await world.submit()
    try await world.finish(done, results: Archives.good)
    let late = try await world.call("POST", "/v1/jobs/\(done)/cancel")
    #expect(late.status == 409)
    #expect(try late.json["code"] == .string("job_ended"))
    #expect(try await world.call("POST", "/v1/jobs/\(done)/approve", "{\"x\":1}").status == 422)
    #expect(try await world.call("POST", "/v1/jobs/job_00000000000000000000000000/cancel").status == 404)
    await world.close()
  }

  @Test func `secrets and passwords come back nowhere`() async throws {
    let world = try APIWorld()
    let body = """
      {"command":"c","env":{"SHOWN":"visible-value"},"secrets":{"HF_TOKEN":"canary-secret-value"},
       "registry_login":{"server":"ghcr.io","user":"ada","password":"canary-password"},"approval":"required"}
      """
    let key = [("Idempotency-Key", "k1")]
    let made = try await world.call("POST", "/v1/jobs", body, headers: key)
    guard case .string(let id) = try made.json["id"] else { throw Unexpected(what: made.text) }
    var texts = [made.text, try await world.call("POST", "/v1/jobs", body, headers: key).text]
    for target in ["/v1/jobs", "/v1/jobs/\(id)", "/v1/jobs/\(id)/report", "/metrics", "/health"] {
      texts.append(try await world.call("GET", target).text)
    }
    texts.append(try await world.call("POST", "/v1/jobs/plan", body).text)
    texts.append(try await world.call("POST", "/v1/jobs", body.replacingFirst("\"c\"", with: "7")).text)
    let instance =
      #"{"offer_id":1,"image":"a","env":{"K":"v"},"registry_login":{"server":"s","user":"u","password":"canary-password"}}"#
    texts.append(try await world.call("POST", "/v1/instances", instance).text)
    texts.append(try await world.call("POST", "/v1/instances/plan", instance).text)
    texts.append(try await world.call("GET", "/v1/instances").text)
    texts.append(try world.logText())
    #expect(texts.allSatisfy { !$0.contains("canary") })
    #expect(texts[0].contains("visible-value") && texts[0].contains("HF_TOKEN"))
    await world.close()
  }

  @Test func `a report adds up what happened`() async throws {
    let world = try APIWorld()
    let id = try await world.submit()
    try await world.move(id, [.gaveUp, .finishedBadly]) { job in
      job.outcome = .failed
      job.failure = Failure(code: "no_offers", detail: "No offer fits.", isRetryable: true)
    }
    let report = try await world.call("GET", "/v1/jobs/\(id)/report").json
    #expect(report["state"] == .string("failed") && report["instances_destroyed"] == .bool(true))
    #expect(report["cost_usd"] == .integer(0) && report["instances"] == .array([]))
    guard case .array(let errors) = report["errors"] else { throw Unexpected(what: "no errors") }
    #expect(errors.first?["code"] == .string("no_offers") && errors.first?["retryable"] == .bool(true))
    await world.close()
  }
}

extension String {
  func replacingFirst(_ part: String, with other: String) -> String {
    guard let range = firstRange(of: part) else { return self }
    return self[..<range.lowerBound] + other + self[range.upperBound...]
  }
}
