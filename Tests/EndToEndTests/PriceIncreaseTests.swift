import JSON
import Locking
import TestSupport
import Testing

@Suite(.serialized) struct `Hosts that raise their price` {
  @Test func `an increase is told once, accepted above the approval by who says so, and the price follows`()
    async throws
  {
    let rig = try await Rig()
    try await rig.startVastd(["VASTD_PRICE_INTERVAL_S": "1"])
    let id = try await rig.submit(#"{"command": "sleep 600", "approval": "required"}"#)
    #expect(try await rig.post("/v1/jobs/\(id)/approve", "{}").status == 200)
    let instance = try await rig.runningInstance(of: id)
    try await rig.raisePrice(of: instance, endsIn: 30)
    let increase = try await rig.announced()
    guard let old = increase.dollars("price_per_hour_usd"), let new = increase.dollars("new_price_per_hour_usd") else {
      throw Fault("the prices are not told: \(increase.bodyText)")
    }
    #expect(new > old * 1.1)
    #expect(increase.text("instance_id") == instance && increase.text("job_id") == id)

    // Known is known: another process tells of it no second time.
    try rig.killVastd()
    try await rig.startVastd(["VASTD_PRICE_INTERVAL_S": "1"])
    let path = "/v1/price-increases/\(increase.text("id") ?? "")"
    let bounded = try await rig.post(path + "/accept", "{}")
    #expect(bounded.status == 409 && bounded.text("code") == "above_approved_price", "\(bounded.bodyText)")
    let accepted = try await rig.post(path + "/accept", #"{"above_approval": true}"#)
    #expect(accepted.status == 200 && accepted.text("answer") == "accepted", "\(accepted.bodyText)")
    #expect(try await rig.price(of: instance) == old, "the old one holds to the end of the term")
    try await rig.waitForPrice(of: instance, toReach: new)
    #expect(try await rig.job(id).text("state") == "running")
    #expect(try await rig.get("/v1/price-increases").value("items") == .array([]))
    #expect(try await rig.events("billing.price_increase", of: instance) == 1)
    #expect(try await rig.events("billing.price_increase_closed", of: instance) == 1)
    try await rig.endJob(id)
  }

  @Test func `refused, the machine ends with its term and its job goes on on another one`() async throws {
    let rig = try await Rig()
    try await rig.startVastd(["VASTD_PRICE_INTERVAL_S": "1"])
    let id = try await rig.submit(#"{"command": "[ $VASTD_ATTEMPT = 2 ] || sleep 600; echo second"}"#)
    let instance = try await rig.runningInstance(of: id)
    try await rig.raisePrice(of: instance, endsIn: 20)
    let increase = try await rig.announced()
    let path = "/v1/price-increases/\(increase.text("id") ?? "")"
    for _ in 0..<2 {
      let refused = try await rig.post(path + "/refuse", "{}")
      #expect(refused.status == 200 && refused.text("answer") == "refused", "\(refused.bodyText)")
    }
    #expect(try await rig.post(path + "/accept", "{}").text("code") == "already_answered")
    let job = try await rig.ended(id, within: .seconds(120))
    #expect(job.text("state") == "succeeded" && job.value("attempt") == .integer(2), "\(job.bodyText)")
    #expect(try await rig.alive() == 0)
  }

  @Test func `an answer that is lost stays unknown, is not invented, and the price tells in the end`() async throws {
    let rig = try await Rig()
    try await rig.startVastd(["VASTD_PRICE_INTERVAL_S": "1"])
    let id = try await rig.submit(#"{"command": "sleep 600"}"#)
    let instance = try await rig.runningInstance(of: id)
    try await rig.raisePrice(of: instance, endsIn: 20)
    let increase = try await rig.announced()
    let path = "/v1/price-increases/\(increase.text("id") ?? "")"
    try await rig.control("POST", "fault", #"{"route": "accept_increase", "happens": true, "reply": "502"}"#)
    let lost = try await rig.post(path + "/accept", "{}")
    #expect(lost.status == 504 && lost.text("code") == "outcome_unknown", "\(lost.bodyText)")
    let again = try await rig.post(path + "/accept", "{}")
    #expect(again.status == 409 && again.text("code") == "answer_in_doubt", "\(again.bodyText)")
    let shown = try await rig.get(path)
    #expect(shown.value("answer") == .null && shown.text("accept_asked_at") != nil, "\(shown.bodyText)")
    guard let new = increase.dollars("new_price_per_hour_usd") else { throw Fault(increase.bodyText) }
    try await rig.waitForPrice(of: instance, toReach: new)
    try await rig.endJob(id)
  }
}

extension Rig {
  /// The instance of a job whose command runs.
  fileprivate func runningInstance(of job: String) async throws -> String {
    guard let instance = try await wait(for: job, "running").text("instance_id") else { throw Fault("no instance") }
    return instance
  }

  /// Its host announces twice the price, and more, once the present term ends.
  fileprivate func raisePrice(of instance: String, endsIn seconds: Int) async throws {
    let row = try await get("/v1/instances/\(instance)")
    guard case .integer(let number)? = row.value("provider_id"), let price = try await price(of: instance) else {
      throw Fault(row.bodyText)
    }
    try await control(
      "POST", "instances/\(number)/price_increase",
      #"{"gpu_price": \#(price * 2), "ends_in": \#(seconds), "extends": 86400}"#)
  }

  /// The one increase that waits, once it is shown.
  fileprivate func announced() async throws -> Answer {
    let end = ContinuousClock.now + .seconds(30)
    while true {
      let list = try await get("/v1/price-increases")
      if case .array(let items)? = list.json["items"], case .object(let item)? = items.first,
        case .string(let id)? = item["id"]
      {
        #expect(items.count == 1)
        return try await get("/v1/price-increases/\(id)")
      }
      guard ContinuousClock.now < end else { throw Fault("nothing is announced: \(list.bodyText)") }
      try await ContinuousClock().pause(for: .milliseconds(100))
    }
  }

  fileprivate func price(of instance: String) async throws -> Double? {
    try await get("/v1/instances/\(instance)").dollars("price_per_hour_usd")
  }

  fileprivate func waitForPrice(of instance: String, toReach dollars: Double) async throws {
    let end = ContinuousClock.now + .seconds(60)
    // One rounds the sum, the other the parts.
    while abs((try await price(of: instance) ?? 0) - dollars) > 0.0000015 {
      guard ContinuousClock.now < end else {
        throw Fault("\(dollars) is not \(try await get("/v1/instances/\(instance)").bodyText)")
      }
      try await ContinuousClock().pause(for: .milliseconds(200))
    }
  }

  /// How many events of a type an instance has.
  fileprivate func events(_ type: String, of instance: String) async throws -> Int {
    let list = try await get("/v1/events?type=\(type)&instance_id=\(instance)")
    guard case .array(let items)? = list.json["items"] else { throw Fault(list.bodyText) }
    return items.count
  }

  fileprivate func endJob(_ id: String) async throws {
    _ = try await post("/v1/jobs/\(id)/cancel", "{}")
    #expect(try await ended(id).text("state") == "cancelled")
    #expect(try await alive() == 0)
  }
}

extension Answer {
  fileprivate func dollars(_ name: String) -> Double? {
    switch value(name) {
    case .number(let number)?: number
    case .integer(let number)?: Double(number)
    default: nil
    }
  }
}
