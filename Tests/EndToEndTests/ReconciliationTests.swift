import JSON
import TestSupport
import Testing

@Suite(.serialized) struct `What Vast charged` {
  @Test func `a job's traffic comes into the ledger with the first look after a restart, and both sides agree`()
    async throws
  {
    let rig = try await Rig()
    try await rig.startVastd()
    let id = try await rig.submit(#"{"command": "sleep 3", "outputs": []}"#)
    try await rig.wait(for: id, "running")
    let instance = try #require(try await rig.job(id).text("instance_id"))
    guard case .integer(let contract)? = try await rig.get("/v1/instances/\(instance)").value("provider_id") else {
      throw Fault("no contract")
    }
    try await rig.control("POST", "instances/\(contract)/transfer", #"{"down": 70, "up": 14}"#)
    let job = try await rig.ended(id)
    #expect(job.text("state") == "succeeded", "\(job.bodyText)")
    #expect(try await rig.alive() == 0)

    for life in 1...2 {
      let former = try await rig.get("/v1/billing/reconciliation").text("last_run_at")
      try rig.killVastd()
      try await rig.startVastd()
      await eventually { (try? await rig.get("/v1/billing/reconciliation").text("last_run_at")) ?? former != former }
      let report = try await rig.get("/v1/billing/reconciliation")
      #expect(report.value("error") == .null && report.text("last_run_at") != nil, "\(report.bodyText)")
      let item = try await rig.item()
      guard case .object(let ledger)? = item["ledger_usd"], case .object(let charged)? = item["charged_usd"] else {
        throw Fault("not both sides: \(report.bodyText)")
      }
      #expect(item["instance_id"] == .string(instance) && item["job_id"] == .string(id))
      #expect(item["provider_id"] == .integer(contract))
      #expect(ledger["transfer"] == charged["transfer"], "\(report.bodyText)")
      #expect(dollars(ledger["transfer"]) > 0.1, "life \(life): \(report.bodyText)")
      #expect(item["within_tolerance"] == .bool(true), "\(report.bodyText)")
      #expect(item["has_unseen_gap"] == .bool(false))
      // The job's cost has it too, once.
      #expect(dollars(try await rig.job(id).value("cost_usd")) >= dollars(ledger["transfer"]))
      #expect(dollars(try await rig.job(id).value("cost_usd")) < 2 * dollars(ledger["transfer"]))
    }
  }

  private func dollars(_ value: JSONValue?) -> Double {
    switch value {
    case .number(let number): number
    case .integer(let integer): Double(integer)
    default: -1
    }
  }
}

extension Rig {
  /// The one instance and day of the report.
  fileprivate func item() async throws -> JSONObject {
    guard case .array(let items)? = try await get("/v1/billing/reconciliation").json["items"], items.count == 1,
      case .object(let item) = items[0]
    else { throw Fault("not one item") }
    return item
  }
}
