import API
import Domain
import HTTPServer
import JSON
import Locking
import TestSupport
import Testing

/// The table of routes, the document and what is served, held against each other.
@Suite struct OperationTests {
  @Test func `the table and the document name the same operations, paths, methods and needs for a token`() async throws
  {
    let world = try APIWorld()
    let specification = try await world.specification()
    let table = Set(
      world.api.routes.map { "\($0.operation.rawValue) \($0.method.rawValue) \($0.template) \($0.scope == nil)" })
    let document = Set(specification.operations.map { "\($0.id) \($0.method) \($0.path) \($0.isOpen)" })
    #expect(table == document)
    #expect(Set(world.api.routes.map(\.operation)) == Set(Operation.allCases))
    #expect(world.api.routes.count == Operation.allCases.count, "an operation has one route")
    await world.close()
  }

  @Test func `the document as JSON is the document as YAML`() async throws {
    let world = try APIWorld()
    let yaml = try await world.call("GET", "/openapi.yaml", token: nil)
    #expect(yaml.status == 200 && yaml.header("content-type") == "application/yaml")
    let specification = try await world.specification()
    // Its own reader of YAML would be a program by itself; scripts/verify compares the two in full.
    for operation in specification.operations { #expect(yaml.text.contains("operationId: \(operation.id)\n")) }
    await world.close()
  }

  @Test func `the checker of answers sees what is missing, wrong, too much or not documented`() async throws {
    let world = try APIWorld()
    let specification = try await world.specification()
    func faults(_ body: String, _ operation: String = "createUpload", _ status: Int = 201) throws -> [String] {
      try specification.faults(operation, status: status, type: "application/json", body: Array(body.utf8))
    }
    let hash = String(repeating: "a", count: 64)
    let good = "{\"id\":\"upl_1\",\"sha256\":\"\(hash)\",\"size_bytes\":1,\"created_at\":\"2026-11-21T08:30:00.125Z\"}"
    #expect(try faults(good) == [])
    #expect(try faults(good.replacingFirst("\"size_bytes\":1,", with: "")) == ["/size_bytes: is missing"])
    #expect(try faults(good.replacingFirst(":1,", with: ":\"1\",")).count == 1)
    #expect(try faults(good.replacingFirst(hash, with: "xyz")).count == 1)
    #expect(try faults(good.replacingFirst("{", with: "{\"path\":\"/\",")) == ["/path: is not documented"])
    #expect(try faults(good, "createUpload", 200) != [], "a success that is not listed")
    #expect(try faults("{}", "getJob", 200).count > 30)
    #expect(try faults("{}", "noSuchOperation", 200) == ["no operation"])
    await world.close()
  }

  @Test func `every operation answers as the document says, and the test leaves none out`() async throws {
    let world = try APIWorld()
    let specification = try await world.specification()
    let exercised = try await exercise(world, specification)
    #expect(exercised == Set(Operation.allCases))
    await world.close()
  }

  @Test func `every path answers its methods only, and says which`() async throws {
    let world = try APIWorld()
    for (template, routes) in Dictionary(grouping: world.api.routes, by: \.template) {
      let allowed = Set(routes.flatMap { $0.method == .get ? ["GET", "HEAD"] : [$0.method.rawValue] })
      for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] where !allowed.contains(method) {
        let response = try await world.call(method, template.withID)
        #expect(response.status == 405, "\(method) \(template)")
        #expect(response.header("allow") == allowed.sorted().joined(separator: ", "))
        #expect(response.header("content-type") == "application/problem+json")
        #expect(try response.json["code"] == .string("method_not_allowed"))
      }
    }
    await world.close()
  }

  /// Calls each operation so that it does its work, and checks each answer. Returns what was called.
  private func exercise(_ world: APIWorld, _ specification: Specification) async throws -> Set<Operation> {
    var exercised: Set<Operation> = []
    func call(
      _ operation: Operation, _ status: Int, _ target: String, _ body: String? = nil, headers: [(String, String)] = []
    ) async throws -> RawResponse {
      let route = try #require(world.api.routes.first { $0.operation == operation })
      let response = try await world.call(route.method.rawValue, target, body, headers: headers)
      #expect(response.status == status, "\(operation): \(response.text)")
      #expect(response.header("x-request-id") != nil, "\(operation)")
      let faults = try specification.faults(
        operation.rawValue, status: response.status, type: response.header("content-type"), body: response.body)
      #expect(faults == [], "\(operation)")
      exercised.insert(operation)
      return response
    }
    _ = try await call(.getHealth, 200, "/health")
    _ = try await call(.getLiveness, 200, "/livez")
    _ = try await call(.getReadiness, 200, "/readyz")
    _ = try await call(.getMetrics, 200, "/metrics")
    _ = try await call(.getOpenAPIYAML, 200, "/openapi.yaml")
    _ = try await call(.getOpenAPIJSON, 200, "/openapi.json")
    _ = try await call(.listOffers, 200, "/v1/offers?gpu_name=RTX_4090")
    _ = try await call(.searchOffers, 200, "/v1/offers/search", #"{"num_gpus":1}"#)
    _ = try await call(.getReconciliation, 200, "/v1/billing/reconciliation")
    _ = try await world.charge(days: 2)
    _ = try await call(.getReconciliation, 200, "/v1/billing/reconciliation?limit=1")
    _ = try await call(.getAccount, 200, "/v1/account")
    _ = try await call(.listOrphans, 200, "/v1/orphans")
    world.orphans.withLock { $0 = .two }
    _ = try await call(.listOrphans, 200, "/v1/orphans")
    let increase = try await world.announce(31) { $0.terms.platformFee = .init(from: nil, to: 0.15) }
    _ = try await call(.listPriceIncreases, 200, "/v1/price-increases")
    _ = try await call(.getPriceIncrease, 200, "/v1/price-increases/\(increase)")
    _ = try await call(.acceptPriceIncrease, 200, "/v1/price-increases/\(increase)/accept", "{}")
    _ = try await call(.refusePriceIncrease, 409, "/v1/price-increases/\(increase)/refuse")
    _ = try await call(.refusePriceIncrease, 200, "/v1/price-increases/\(try await world.announce(32))/refuse")
    _ = try await call(.getSettings, 200, "/v1/settings")
    _ = try await call(.updateSettings, 200, "/v1/settings", #"{"rate_limit_mode":"reject","poll_interval_s":0.5}"#)

    let upload = try await world.call(
      "POST", "/v1/uploads", bytes: Archives.good, headers: [("Content-Type", "application/gzip")])
    #expect(
      try specification.faults(
        "createUpload", status: upload.status, type: upload.header("content-type"), body: upload.body) == [])
    #expect(upload.status == 201)
    exercised.insert(.createUpload)
    guard case .string(let uploadID) = try upload.json["id"] else { throw Unexpected(what: upload.text) }

    let full = """
      {"command":"c","name":"train","kind":"pytorch","env":{"A":"1"},"secrets":{"S":"x"},"max_duration_s":3600,
       "registry_login":{"server":"s","user":"u","password":"p"},"input_upload_id":"\(uploadID)","approval":"required",
       "resources":{"filters":{"inet_down":{"gte":1}}}}
      """
    let waiting = try await call(.createJob, 201, "/v1/jobs", full)
    guard case .string(let waitingText) = try waiting.json["id"], let waitingID = ID<Job>(waitingText) else {
      throw Unexpected(what: waiting.text)
    }
    #expect(waiting.header("location") == "/v1/jobs/\(waitingID)")
    _ = try await call(.planJob, 200, "/v1/jobs/plan", full)
    _ = try await call(.planJob, 200, "/v1/jobs/plan", #"{"command":"c","resources":{"interruptible":true}}"#)
    _ = try await call(.approveJob, 200, "/v1/jobs/\(waitingID)/approve")
    _ = try await call(.cancelJob, 202, "/v1/jobs/\(waitingID)/cancel", "{}")

    let done = try await world.submit()
    _ = try await call(.getJobResults, 409, "/v1/jobs/\(done)/results")
    try world.appendLog(done, "hello\n")
    try await world.finish(done, results: Archives.good)
    _ = try await call(.listJobs, 200, "/v1/jobs?limit=1")
    _ = try await call(.getJob, 200, "/v1/jobs/\(done)")
    _ = try await call(.getJobLogs, 200, "/v1/jobs/\(done)/logs")
    _ = try await call(.getJobResults, 200, "/v1/jobs/\(done)/results")

    let failed = try await world.submit()
    try await world.move(failed, [.gaveUp, .finishedBadly]) { job in
      job.outcome = .failed
      job.failure = Failure(code: "no_offers", detail: "No offer fits.", isRetryable: true)
    }
    _ = try await call(.retryJob, 201, "/v1/jobs/\(failed)/retry")
    _ = try await call(.listCheckpoints, 200, "/v1/jobs/\(done)/checkpoints")
    let checkpoint = try await world.keepCheckpoint(of: done, Archives.good)
    _ = try await call(.listCheckpoints, 200, "/v1/jobs/\(done)/checkpoints")
    let copy = try await call(.getCheckpoint, 200, "/v1/jobs/\(done)/checkpoints/\(checkpoint)")
    #expect(copy.body == Archives.good)
    _ = try await call(.listExclusions, 200, "/v1/exclusions")
    let exclusion = try await world.exclude(machine: 7)
    _ = try await call(.listExclusions, 200, "/v1/exclusions")
    _ = try await call(.deleteExclusion, 204, "/v1/exclusions/\(exclusion)")
    _ = try await call(.getJobReport, 200, "/v1/jobs/\(failed)/report")

    _ = try await call(.planInstance, 200, "/v1/instances/plan", "{}")
    _ = try await call(
      .planInstance, 200, "/v1/instances/plan",
      #"{"offer_id":2,"interruptible":true,"registry_login":{"server":"s","user":"u","password":"p"},"ports":[80]}"#)
    _ = try await call(.planInstance, 200, "/v1/instances/plan", #"{"resources":{"gpu_name":"none"},"count":2}"#)
    let made = try await call(.createInstance, 202, "/v1/instances", #"{"offer_id":1,"image":"python:3.11"}"#)
    guard case .string(let instance) = try made.json["id"] else { throw Unexpected(what: made.text) }
    #expect(made.header("location") == "/v1/instances/\(instance)")
    _ = try await call(.createInstance, 202, "/v1/instances", #"{"resources":{},"image":"python:3.11","count":2}"#)
    _ = try await call(.listInstances, 200, "/v1/instances?state=requested")
    _ = try await call(.getInstance, 200, "/v1/instances/\(instance)")
    _ = try await call(.getInstanceSSH, 200, "/v1/instances/\(instance)/ssh")
    _ = try await call(.deleteInstance, 202, "/v1/instances/\(instance)")
    _ = try await call(.listBillingEvents, 200, "/v1/billing/events?job_id=\(done)")
    _ = try await call(.getBillingSummary, 200, "/v1/billing/summary")
    _ = try await call(
      .updateBudget, 200, "/v1/billing/budget", #"{"daily_usd":5,"labels":{"train":{"monthly_usd":1,"action":"stop"}}}"#
    )
    _ = try await call(.getBudget, 200, "/v1/billing/budget")
    try await exerciseEvents(world) { (operation, status, target, body, headers) in
      try await call(operation, status, target, body, headers: headers)
    }
    return exercised
  }

  private func exerciseEvents(
    _ world: APIWorld, _ call: (Operation, Int, String, String?, [(String, String)]) async throws -> RawResponse
  ) async throws {
    _ = try await call(.listEvents, 200, "/v1/events?limit=3", nil, [])
    let signed = try await world.signAsVast("{}", id: "n1")
    _ = try await call(.receiveVastNotification, 204, "/webhooks/vast", "{}", signed)
    let made = try await call(
      .createWebhook, 201, "/v1/webhooks", #"{"url":"https://a.example/x","types":["job.*"]}"#, [])
    guard case .string(let id) = try made.json["id"] else { throw Unexpected(what: made.text) }
    #expect(made.header("location") == "/v1/webhooks/\(id)")
    _ = try await call(.createWebhook, 201, "/v1/webhooks", #"{"url":"https://b.example","format":"slack"}"#, [])
    _ = try await call(.listWebhooks, 200, "/v1/webhooks", nil, [])
    _ = try await call(.getWebhook, 200, "/v1/webhooks/\(id)", nil, [])
    _ = try await call(.updateWebhook, 200, "/v1/webhooks/\(id)", #"{"rotate_secret":true}"#, [])
    let sent = try await call(.testWebhook, 202, "/v1/webhooks/\(id)/test", nil, [])
    guard case .string(let text) = try sent.json["id"], let delivery = ID<Delivery>(text) else {
      throw Unexpected(what: sent.text)
    }
    _ = try await call(.listDeliveries, 200, "/v1/webhooks/\(id)/deliveries?state=pending", nil, [])
    try await world.settle(delivery, as: .failed)
    _ = try await call(.replayDelivery, 202, "/v1/webhooks/\(id)/deliveries/\(delivery)/replay", nil, [])
    _ = try await call(.deleteWebhook, 204, "/v1/webhooks/\(id)", nil, [])
    // Goes on for ever: its head alone is asked for here.
    let head = try await world.call("HEAD", "/v1/events/stream")
    #expect(head.status == 200 && head.header("content-type") == "text/event-stream")
    _ = try await call(.streamEvents, 400, "/v1/events/stream?after=x", nil, [])
  }
}

extension APIWorld {
  func specification() async throws -> Specification {
    try Specification(try await call("GET", "/openapi.json", token: nil).body)
  }
}

extension String {
  /// A template with an id that could be one.
  var withID: String {
    guard let range = firstRange(of: "{id}") else { return self }
    let prefixes = [
      ("/v1/jobs", "job"), ("/v1/webhooks", "whk"), ("/v1/exclusions", "exc"), ("/v1/price-increases", "inc"),
    ]
    let prefix = prefixes.first { hasPrefix($0.0) }?.1 ?? "ins"
    let filled = replacingCharacters(in: range, with: prefix + "_00000000000000000000000000")
    for (name, id) in [("{delivery}", "dlv"), ("{checkpoint}", "chk")] {
      guard let part = filled.firstRange(of: name) else { continue }
      return filled.replacingCharacters(in: part, with: id + "_00000000000000000000000000")
    }
    return filled
  }

  private func replacingCharacters(in range: Range<String.Index>, with text: String) -> String {
    self[..<range.lowerBound] + text + self[range.upperBound...]
  }
}
