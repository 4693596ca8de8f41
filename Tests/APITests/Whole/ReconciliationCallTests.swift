import Domain
import JSON
import Store
import TestSupport
import Testing

@testable import API

@Suite struct ReconciliationCallTests {
  private func items(_ json: JSONObject) throws -> [JSONValue] {
    guard case .array(let items) = json["items"] else { throw Unexpected(what: "no items") }
    return items
  }

  @Test func `an instance's day shows both sides, what explains their difference and what does not`() async throws {
    let world = try APIWorld()
    let instance = try await world.charge(days: 1)
    let answer = try await world.call("GET", "/v1/billing/reconciliation").json
    #expect(answer["from"] == .string("2027-01-09") && answer["to"] == .string("2027-01-16"))
    #expect(answer["last_run_at"] == .null)
    guard case .object(let error) = answer["error"] else { throw Unexpected(what: "no error") }
    #expect(error["code"] == .string("provider_unavailable") && error["retryable"] == .bool(true))
    let item = try #require(try items(answer).first)
    #expect(item["instance_id"] == .string(instance.rawValue))
    #expect(item["provider_id"] == .integer(41) && item["label"] == .string("train") && item["job_id"] == .null)
    #expect(item["day"] == .string("2027-01-15"))
    #expect(
      try item["ledger_usd"] == JSONValue.parse(Array(#"{"gpu":0.4,"storage":0.1,"transfer":0.25,"total":0.75}"#.utf8)))
    #expect(
      try item["charged_usd"]
        == JSONValue.parse(Array(#"{"gpu":0.4,"storage":0.05,"transfer":0.25,"other":0.02,"total":0.72}"#.utf8)))
    #expect(item["difference_usd"] == .number(0.03) && item["rest_usd"] == .number(0.048))
    #expect(item["explained_usd"] == .number(-0.018))
    #expect(item["settled"] == .bool(false) && item["within_tolerance"] == .bool(false))
    #expect(item["has_unseen_gap"] == .bool(true))
    guard case .object(let totals) = answer["totals"] else { throw Unexpected(what: "no totals") }
    for name in ["difference_usd", "rest_usd", "explained_usd"] { #expect(totals[name] == item[name]) }
    #expect(totals["ledger_usd"] == .number(0.75) && totals["charged_usd"] == .number(0.72))
    await world.close()
  }

  @Test func `pages go through the days from the newest, each with the totals of all`() async throws {
    let world = try APIWorld()
    _ = try await world.charge(days: 3)
    var days: [JSONValue?] = []
    var target: String? = "/v1/billing/reconciliation?limit=2"
    while let next = target {
      let answer = try await world.call("GET", next).json
      days += try items(answer).map { $0["day"] }
      guard case .object(let totals) = answer["totals"] else { throw Unexpected(what: "no totals") }
      #expect(totals["charged_usd"] == .number(2.16))
      target = nil
      if case .string(let cursor) = answer["next_cursor"] {
        target = "/v1/billing/reconciliation?limit=2&cursor=\(cursor)"
        let other = try await world.call("GET", "/v1/billing/reconciliation?from=2027-01-10&cursor=\(cursor)")
        #expect(other.status == 400, "of a list with other days")
      }
    }
    #expect(days == ["2027-01-15", "2027-01-14", "2027-01-13"].map { .string($0) })
    await world.close()
  }

  @Test(
    arguments: [
      ("from=2027-01-14", "2027-01-14", "2027-01-16"),
      ("to=2027-01-14", "2027-01-07", "2027-01-14"),
      ("from=2027-01-01&to=2027-02-01", "2027-01-01", "2027-02-01"),
      ("from=2027-01-14T23:59:59Z&to=2027-01-15T00:00:00.001Z", "2027-01-14", "2027-01-16"),
      ("from=2027-01-14T00:30:00%2B01:00&to=2027-01-14T23:30:00-01:00", "2027-01-13", "2027-01-16"),
    ])
  func `days and times are rounded outwards to whole days`(query: String, from: String, to: String) async throws {
    let world = try APIWorld()
    let answer = try await world.call("GET", "/v1/billing/reconciliation?\(query)").json
    #expect(answer["from"] == .string(from) && answer["to"] == .string(to))
    await world.close()
  }

  @Test(
    arguments: [
      ("from=2027-02-30", "from"), ("to=yesterday", "to"), ("from=2027-01-14T08:00", "from"), ("to=27-01-14", "to"),
      ("from=2027-01-14&to=2027-01-14", "from"), ("from=2027-03-01", "from"), ("from=2026-12-01&to=2027-01-02", "from"),
      ("days=3", "days"), ("cursor=x", "cursor"), ("limit=0", "limit"),
    ])
  func `what is wrong is named`(query: String, name: String) async throws {
    let world = try APIWorld()
    let answer = try await world.call("GET", "/v1/billing/reconciliation?\(query)")
    #expect(answer.status == 400)
    #expect(answer.text.contains("\(name)"), "\(answer.text)")
    await world.close()
  }

  @Test func `it takes a token`() async throws {
    let world = try APIWorld()
    #expect(try await world.call("GET", "/v1/billing/reconciliation", token: nil).status == 401)
    await world.close()
  }
}

extension APIWorld {
  /// An instance whose ledger has 0.75 and its charges 0.72 on each of the last days, the newest of which is the world's.
  @discardableResult
  func charge(days: Int) async throws -> ID<Instance> {
    let moment = Timestamp(seconds: 1_800_000_000)
    let id = ID<Instance>(at: moment)
    let tag = InstanceTag(owner: store.owner, instanceID: id)
    let order = RentalOrder(offerID: 7, label: tag.label("train"), image: "python:3.11", diskGigabytes: 64)
    var row = Instance(id: id, order: order, label: "train", tag: tag, gpuCount: 1, createdAt: moment)
    row.restore(state: .running)
    row.marketID = MarketID(41)
    let instance = row
    try await store.write { (tx) throws(StoreError) in
      try tx.insert(instance)
      for number in 0..<days {
        let at = moment - .seconds(86_400 * number)
        var cost = Cost.zero
        cost.gpu = Money(microdollars: 400_000)
        cost.storage = Money(microdollars: 100_000)
        cost.transfer = Money(microdollars: 250_000)
        try tx.append(
          BillingEvent(instanceID: id, jobID: nil, kind: .adjusted, at: at, amount: cost, discriminator: "1"))
        var charge = MarketCharge(
          instanceID: MarketID(41), dayStart: at.midnight, amount: Money(microdollars: 720_000))
        charge.gpu = Money(microdollars: 400_000)
        charge.disk = Money(microdollars: 50_000)
        charge.upload = Money(microdollars: 250_000)
        charge.other = Money(microdollars: 20_000)
        var charged = ChargedDay(instanceID: id, day: at.midnight)
        charged.add(charge, seenAt: at)
        try tx.keep(charged)
      }
      try tx.append(
        BillingEvent(
          instanceID: id, jobID: nil, kind: .stop, at: moment, gpuPerHour: .zero, storagePerHour: .zero,
          unseenSince: moment - .seconds(600)))
      var progress = ChargeProgress()
      progress.failure = Failure(code: "provider_unavailable", detail: "down", isRetryable: true)
      try tx.keep(progress)
    }
    return id
  }
}
