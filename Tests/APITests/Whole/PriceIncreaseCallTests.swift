@testable import API
import Domain
import JSON
import Store
import TestSupport
import Testing

@Suite struct PriceIncreaseCallTests {
  @Test func `an increase is shown with what becomes dearer, and what stays or is not known is null`() async throws {
    let world = try APIWorld()
    let id = try await world.announce(31) { increase in
      increase.terms.hostID = 9
      increase.terms.gpuPerHour = .init(from: Money(microdollars: 400_000), to: Money(microdollars: 500_000))
      increase.terms.storagePerGigabyteMonth = .init(from: nil, to: 0.25)
      increase.terms.deadline = Timestamp(seconds: 1_800_003_600)
      increase.pricePerHour = .init(from: Money(microdollars: 410_000), to: Money(microdollars: 510_000))
    }
    let shown = try await world.call("GET", "/v1/price-increases/\(id)").json
    #expect(shown["id"] == .string(id.rawValue))
    #expect(shown["provider_id"] == .integer(31))
    #expect(shown["host_id"] == .integer(9))
    #expect(shown["state"] == .string("open"))
    #expect(shown["is_listed"] == .bool(true))
    #expect(shown["price_per_hour_usd"] == .number(0.41))
    #expect(shown["new_price_per_hour_usd"] == .number(0.51))
    #expect(shown["deadline"] == .string("2027-01-15T09:00:00.000Z"))
    guard case .object(let changes) = shown["changes"], case .object(let gpu) = changes["gpu_usd_per_hour"],
      case .object(let storage) = changes["storage_usd_per_gb_month"]
    else { throw Unexpected(what: "no changes") }
    #expect(gpu["old"] == .number(0.4) && gpu["new"] == .number(0.5))
    #expect(storage["old"] == .null && storage["new"] == .number(0.25))
    for name in ["inet_down_usd_per_gb", "inet_up_usd_per_gb", "platform_fee"] { #expect(changes[name] == .null) }
    for name in ["job_id", "new_end", "announced_at", "accept_asked_at", "refuse_asked_at", "answer", "closed_at"] {
      #expect(shown[name] == .null, "\(name)")
    }
    await world.close()
  }

  @Test func `the list holds those that wait, or all, page by page`() async throws {
    let world = try APIWorld()
    var ids: [ID<AnnouncedIncrease>] = []
    for number in 1...3 as ClosedRange<Int64> { ids.append(try await world.announce(number)) }
    #expect(try await world.call("POST", "/v1/price-increases/\(ids[1])/refuse").status == 200)
    func listed(_ query: String) async throws -> (ids: [JSONValue], next: JSONValue?) {
      let answer = try await world.call("GET", "/v1/price-increases\(query)").json
      guard case .array(let items) = answer["items"] else { throw Unexpected(what: "no items") }
      return (items.compactMap { if case .object(let item) = $0 { item["id"] } else { nil } }, answer["next_cursor"])
    }
    func named(_ places: Int...) -> [JSONValue] { places.map { .string(ids[$0].rawValue) } }
    #expect(try await listed("").ids == named(2, 0))
    #expect(try await listed("?state=open").ids == named(2, 0))
    let first = try await listed("?state=all&limit=2")
    #expect(first.ids == named(2, 1))
    guard case .string(let cursor)? = first.next else { throw Unexpected(what: "no cursor") }
    #expect(try await listed("?state=all&limit=2&cursor=\(cursor)").ids == named(0))
    #expect(try await world.call("GET", "/v1/price-increases?cursor=\(cursor)").status == 400, "of another list")
    #expect(try await world.call("GET", "/v1/price-increases?state=closed").status == 400)
    await world.close()
  }

  @Test func `an answer is given once, and each refusal says why`() async throws {
    let world = try APIWorld()
    let id = try await world.announce(31)
    func code(_ answer: RawResponse) throws -> JSONValue? { try answer.json["code"] }
    world.market.change { $0.failures[.answerPriceIncrease] = [.unknownOutcome(detail: "timeout")] }
    let lost = try await world.call("POST", "/v1/price-increases/\(id)/accept")
    #expect(lost.status == 504 && lost.header("retry-after") != nil)
    #expect(try code(lost) == .string("outcome_unknown"))
    let doubtful = try await world.call("GET", "/v1/price-increases/\(id)").json
    #expect(doubtful["state"] == .string("open") && doubtful["answer"] == .null)
    #expect(doubtful["accept_asked_at"] != .null)
    for _ in 0..<2 {
      let accepted = try await world.call("POST", "/v1/price-increases/\(id)/accept", #"{"above_approval": false}"#)
      #expect(accepted.status == 200)
      #expect(try accepted.json["answer"] == .string("accepted"))
      #expect(try accepted.json["state"] == .string("closed"))
    }
    let other = try await world.call("POST", "/v1/price-increases/\(id)/refuse")
    #expect(other.status == 409)
    #expect(try code(other) == .string("already_answered"))
    let over = try await world.announce(32)
    world.market.change { $0.priceIncreases = [] }
    let late = try await world.call("POST", "/v1/price-increases/\(over)/refuse")
    #expect(late.status == 409)
    #expect(try code(late) == .string("increase_over"))
    await world.close()
  }

  @Test func `above what was approved only a caller who says so accepts`() async throws {
    let world = try APIWorld()
    let job = try await world.submit(#"{"command":"c","approval":"required"}"#)
    #expect(try await world.call("POST", "/v1/jobs/\(job)/approve").status == 200)
    let id = try await world.announce(31, for: job) { increase in
      increase.pricePerHour = .init(from: Money(microdollars: 400_000), to: Money(microdollars: 900_000))
    }
    let bounded = try await world.call("POST", "/v1/price-increases/\(id)/accept")
    #expect(bounded.status == 409)
    #expect(try bounded.json["code"] == .string("above_approved_price"))
    #expect(bounded.text.contains("$0.9 ") && bounded.text.contains("$0.44 "))
    let accepted = try await world.call("POST", "/v1/price-increases/\(id)/accept", #"{"above_approval": true}"#)
    #expect(accepted.status == 200)
    #expect(try accepted.json["job_id"] == .string(job.rawValue))
    await world.close()
  }

  @Test func `a body is checked where one may come, and ids and scopes as everywhere`() async throws {
    let world = try APIWorld()
    let id = try await world.announce(31)
    let accept = "/v1/price-increases/\(id)/accept"
    #expect(try await world.call("POST", accept, #"{"above":true}"#).status == 422)
    #expect(try await world.call("POST", accept, #"{"above_approval":"yes"}"#).status == 422)
    #expect(try await world.call("POST", accept, "[]").status == 422)
    #expect(try await world.call("POST", accept, "{", headers: []).status == 400)
    #expect(try await world.call("POST", accept, "{}", headers: [("Content-Type", "text/plain")]).status == 415)
    #expect(
      try await world.call("POST", "/v1/price-increases/\(id)/refuse", #"{"above_approval":true}"#).status == 422)
    #expect(try await world.call("POST", accept, token: nil).status == 401)
    #expect(try await world.call("POST", accept + "?x=1").status == 400)
    for target in ["31", "inc_00000000000000000000000000"] {
      #expect(try await world.call("GET", "/v1/price-increases/\(target)").status == 404)
      let answer = try await world.call("POST", "/v1/price-increases/\(target)/accept")
      #expect(answer.status == 404)
      #expect(answer.text.contains("no such price increase"))
    }
    #expect(world.market.count(.answerPriceIncrease) == 0)
    await world.close()
  }
}

extension APIWorld {
  /// What the watcher would record: an increase that waits at the marketplace, of an instance that runs.
  func announce(
    _ number: Int64, for job: ID<Job>? = nil, _ edit: (inout AnnouncedIncrease) -> Void = { _ in }
  ) async throws -> ID<AnnouncedIncrease> {
    let moment = Timestamp(seconds: 1_800_000_000) + .seconds(number)
    let instanceID = ID<Instance>(at: moment)
    let tag = InstanceTag(owner: store.owner, instanceID: instanceID)
    let order = RentalOrder(offerID: number, label: tag.label("train"), image: "python:3.11", diskGigabytes: 64)
    var instance = Instance(id: instanceID, order: order, label: "train", tag: tag, gpuCount: 1, createdAt: moment)
    instance.jobID = job
    instance.marketID = MarketID(4000 + number)
    instance.restore(state: .running)
    let terms = PriceIncrease(id: PriceIncreaseID(number), instanceID: MarketID(4000 + number))
    market.change { $0.priceIncreases.append(terms) }
    var increase = AnnouncedIncrease(
      id: ID(at: moment), instanceID: instanceID, jobID: job, terms: terms, firstSeenAt: moment)
    edit(&increase)
    let rows = (instance, increase)
    try await store.write { (tx) throws(StoreError) in
      try tx.insert(rows.0)
      try tx.insert(rows.1)
    }
    if let job { try await change(job) { $0.instanceID = instanceID } }
    return increase.id
  }
}
