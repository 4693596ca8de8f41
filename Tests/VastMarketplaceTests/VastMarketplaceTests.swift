import Domain
import HTTPClient
import JSON
import Locking
import TestSupport
import Testing

@testable import VastMarketplace

struct VastMarketplaceTests {
  // MARK: Creating

  private static let order = RentalOrder(offerID: 31_415_926, label: "x", image: "i", diskGigabytes: 10)

  private func create(_ answer: FakeVast.Answer) async -> Result<MarketID, MarketplaceError> {
    let vast = FakeVast(answer)
    do throws(MarketplaceError) {
      let id = try await vast.marketplace.create(Self.order)
      #expect(vast.requests.count == 1)
      return .success(id)
    } catch {
      #expect(vast.requests.count == 1, "sent once, whatever comes back")
      return .failure(error)
    }
  }

  @Test(arguments: [
    ("create_ok", "48201337"), ("create_stopped_contract_exists", "created_unusable"),
    ("create_400_insufficient_credit", "insufficient_credit"), ("create_400_invalid_price", "provider_refused"),
    ("create_400_no_ssh_key_for_vm", "provider_refused"), ("create_400_no_such_ask_live_form", "offer_taken"),
    ("create_403_not_own_machine", "provider_refused"), ("create_404_no_such_ask_doc_form", "offer_taken"),
    ("create_410_no_such_ask", "offer_taken"), ("err_401_generic", "provider_unauthorized"),
    ("err_404_bad_key", "provider_unauthorized"), ("err_429_plain_text", "rate_limited"),
    ("err_429_retry_after", "rate_limited"), ("err_500", "outcome_unknown"), ("err_502_html", "outcome_unknown"),
    ("ok", "outcome_unknown"), ("start_queued", "outcome_unknown"),
  ])
  func `each answer to a rental has its meaning`(name: String, expected: String) async throws {
    switch await create(.success(try Recordings.response(name))) {
    case .success(let id): #expect(id.description == expected)
    case .failure(let error): #expect(error.code == expected)
    }
  }

  @Test(arguments: [
    (200, ""), (200, "<html>"), (200, #"{"success": true, "new_con"#), (200, #"{"success": true}"#), (200, "[]"),
    (200, #"{"success": true, "new_contract": null}"#), (200, #"{"success": true, "new_contract": 0}"#),
    (200, #"{"success": false}"#), (204, ""), (404, "<html>"), (400, ""), (408, "{}"), (503, "{}"), (504, "<html>"),
  ])
  func `an unclear answer to a rental is an unknown outcome`(status: Int, body: String) async {
    let outcome = await create(.success(.json(body, status: status)))
    #expect(outcome.code == "outcome_unknown")
  }

  @Test(arguments: [
    (HTTPClientError.notSent(reason: "refused"), "provider_unavailable"), (.broken(reason: "reset"), "outcome_unknown"),
    (.timedOut, "outcome_unknown"), (.tooLarge(limit: 1), "outcome_unknown"),
    (.cancelled(wasSent: true), "outcome_unknown"), (.cancelled(wasSent: false), "cancelled"),
  ])
  func `a rental that was surely not sent is told from one that may have been`(
    error: HTTPClientError, expected: String
  ) async {
    let outcome = await create(.failure(error))
    #expect(outcome.code == expected)
  }

  @Test(arguments: [
    (200, #"{"success": false, "new_contract": "77", "msg": "queued"}"#),
    (410, #"{"error": "no_such_ask", "new_contract": 77}"#), (500, #"{"new_contract": 77.0}"#),
  ])
  func `a contract in any answer is something that costs money`(status: Int, body: String) async {
    let outcome = await create(.success(.json(body, status: status)))
    guard case .failure(.createdUnusable(let id, _)) = outcome else {
      Issue.record("\(outcome)")
      return
    }
    #expect(id == MarketID(77))
  }

  @Test func `a rental under way is not given up when its task is cancelled, and its answer counts`() async throws {
    let gate = Signal()
    let started = Signal()
    let client = VastClient(
      configuration: VastConfiguration(), credentials: VastCredentials(source: .key("k")),
      send: { _ async throws(HTTPClientError) in
        started.raise()
        await gate.wait(after: 0)
        return Task.isCancelled ? .json("{}", status: 500) : .json(#"{"success": true, "new_contract": 5}"#)
      })
    let marketplace = VastMarketplace(client: client)
    let task = Task { try await marketplace.create(Self.order) }
    await started.wait(after: 0)
    task.cancel()
    gate.raise()
    #expect(try await task.value == MarketID(5))
  }

  @Test func `a rental whose task was cancelled beforehand is not sent`() async {
    let vast = FakeVast()
    let gate = Signal()
    let task = Task {
      await gate.wait(after: 0)
      return await failure { () async throws(MarketplaceError) in try await vast.marketplace.create(Self.order) }
    }
    task.cancel()
    #expect(await task.value == .cancelled)
    #expect(vast.requests.isEmpty)
  }

  // MARK: Listing

  private func list(_ answers: FakeVast.Answer...) async -> Result<[MarketInstance], MarketplaceError> {
    let vast = FakeVast()
    for answer in answers { vast.add(answer) }
    do throws(MarketplaceError) { return .success(try await vast.marketplace.listInstances()) } catch {
      return .failure(error)
    }
  }

  @Test func `a list has the instances of all its pages`() async throws {
    let vast = try FakeVast.recorded("instances_v1_page1", "instances_v1_page2")
    let instances = try await vast.marketplace.listInstances()
    #expect(instances.map(\.id.rawValue) == [48_201_337, 48_201_338, 48_201_339])
    #expect(instances[0].label == "trainer-7")
  }

  @Test func `an empty list that says so is no instances`() async throws {
    let vast = try FakeVast.recorded("instances_v1_empty")
    #expect(try await vast.marketplace.listInstances() == [])
  }

  @Test func `every page but the first waits for its turn`() async throws {
    let turns = Locked<[MarketplaceOperation]>([])
    let vast = try FakeVast.recorded("instances_v1_page1", "instances_v1_page2")
    let marketplace = vast.marketplace(turn: { operation async throws(MarketplaceError) in
      turns.withLock { $0.append(operation) }
    })
    _ = try await marketplace.listInstances()
    #expect(turns.withLock { $0 } == [.listInstances])
  }

  @Test func `a turn that is refused ends the list`() async throws {
    let vast = try FakeVast.recorded("instances_v1_page1", "instances_v1_page2")
    let marketplace = vast.marketplace(turn: { _ async throws(MarketplaceError) in throw .rateLimited(retryAfter: nil) }
    )
    let error = await failure { () async throws(MarketplaceError) in try await marketplace.listInstances() }
    #expect(error == .rateLimited(retryAfter: nil))
    #expect(vast.requests.count == 1)
  }

  @Test(arguments: [
    "", "<html>", "[]", "null", "{}", #"{"success": true}"#, #"{"instances": null, "total_instances": 0}"#,
    #"{"instances": {}, "total_instances": 0}"#, #"{"instances": []}"#,
    #"{"instances": [], "total_instances": 3}"#, #"{"instances": [{"id": 1}], "total_instances": 2}"#,
    #"{"instances": [{"id": 1}], "total_instances": 1, "instances_found": 2}"#,
    #"{"instances": [{"label": "no id"}], "total_instances": 1}"#, #"{"instances": [7], "total_instances": 1}"#,
    #"{"instances": [{"id": 9223372036854775808}], "total_instances": 1}"#,
    #"{"instances": [{"id": 1}, {"id": 1}], "total_instances": 2}"#,
    #"{"instances": [{"id": 1}], "total_instances": 1, "next"#,
  ])
  func `half a list, or what is no list, proves nothing`(body: String) async {
    let outcome = await list(.success(.json(body)))
    #expect(outcome.code == "malformed_answer")
  }

  @Test func `a list that fails on its second page is a failure`() async throws {
    let first = FakeVast.Answer.success(try Recordings.response("instances_v1_page1"))
    for (answer, code) in [
      (.success(try Recordings.response("err_502_html")), "provider_unavailable"),
      (.success(try Recordings.response("err_429_plain_text")), "rate_limited"),
      (.success(try Recordings.response("err_410_deprecated")), "provider_refused"),
      (.success(try Recordings.response("instances_v1_empty")), "malformed_answer"),
      (.success(.json(#"{"success": false, "instances": [], "total_instances": 0}"#)), "provider_refused"),
      (.failure(.timedOut), "provider_unavailable"), (.failure(.notSent(reason: "x")), "provider_unavailable"),
      (.failure(.cancelled(wasSent: true)), "cancelled"),
    ] as [(FakeVast.Answer, String)] {
      #expect(await list(first, answer).code == code)
    }
  }

  @Test(arguments: ["instances_v0_list_410", "err_404_bad_key", "err_410_deprecated", "manage_404_no_such_instance"])
  func `an error that a naive client takes for an empty list is an error`(name: String) async throws {
    let outcome = await list(.success(try Recordings.response(name)))
    guard case .failure = outcome else {
      Issue.record("taken for a list")
      return
    }
  }

  @Test func `a list whose token comes again does not go on for ever`() async {
    let page = #"{"instances": [{"id": 1}], "total_instances": 1, "next_token": "again"}"#
    #expect(await list(.success(.json(page)), .success(.json(page))).code == "malformed_answer")
  }

  @Test func `a list that never ends is given up`() async {
    let count = Locked(0)
    let client = VastClient(
      configuration: VastConfiguration(), credentials: VastCredentials(source: .key("k")),
      send: { _ async throws(HTTPClientError) in
        let number = count.withLock { count in
          count += 1
          return count
        }
        return .json(#"{"instances": [{"id": \#(number)}], "total_instances": 1, "next_token": "\#(number)"}"#)
      })
    let error = await failure { () async throws(MarketplaceError) in
      try await VastMarketplace(client: client).listInstances()
    }
    #expect(error?.code == "malformed_answer")
    #expect(count.withLock { $0 } <= 5000)
  }

  @Test func `an instance that moved between two pages is there once, as it was last`() async throws {
    let outcome = await list(
      .success(
        .json(
          #"{"instances": [{"id": 1, "actual_status": "loading"}, {"id": 2}], "total_instances": 2, "next_token": "t"}"#
        )),
      .success(.json(#"{"instances": [{"id": 1, "actual_status": "running"}], "total_instances": 2}"#)))
    let instances = try outcome.get()
    #expect(instances.map(\.id.rawValue) == [1, 2])
    #expect(instances[0].actualStatus == "running")
  }

  @Test(arguments: [1, 4]) func `a list whose count changes while it is read is not taken for whole`(count: Int) async {
    let outcome = await list(
      .success(.json(#"{"instances": [{"id": 1}, {"id": 2}], "total_instances": 3, "next_token": "t"}"#)),
      .success(.json(#"{"instances": [], "total_instances": \#(count)}"#)))
    #expect(outcome.code == "malformed_answer")
  }

  // MARK: Reading and destroying

  private func read(_ answer: FakeVast.Answer) async -> Result<MarketInstance?, MarketplaceError> {
    let vast = FakeVast(answer)
    do throws(MarketplaceError) { return .success(try await vast.marketplace.readInstance(MarketID(48_201_337))) } catch
    {
      return .failure(error)
    }
  }

  @Test func `an instance is read with what is needed of it`() async throws {
    let vast = try FakeVast.recorded("instance_running_direct")
    let instance = try #require(try await vast.marketplace.readInstance(MarketID(48_201_337)))
    #expect(instance.actualStatus == "running")
    #expect(instance.intendedStatus == "running")
    #expect(instance.currentState == "running")
    #expect(instance.label == "trainer-7")
    #expect(instance.machineID == 27_182)
    #expect(instance.hostID == 16_180)
    #expect(instance.gpuName == "RTX 4090")
    #expect(instance.gpuUtilization == 37)
    #expect(instance.isBid == false)
    #expect(instance.runningPricePerHour == Money(microdollars: 348_333))
    #expect(instance.gpuPricePerHour == Money(microdollars: 340_000))
    #expect(instance.storagePricePerHour == Money(microdollars: 8_333))
    #expect(instance.region == "Sweden, SE")
    #expect(instance.diskGigabytes == 40)
    #expect(instance.startedAt == Timestamp(seconds: 1_795_192_800))
    #expect(instance.directAddress == SSHAddress(host: "203.0.113.10", port: 41_022))
    #expect(instance.proxyAddress == SSHAddress(host: "ssh5.vast.ai", port: 11_336))
  }

  @Test func `with Jupyter the proxy listens one port further`() async throws {
    let instance = try await read(.success(try Recordings.response("instance_running_jupyter_proxy"))).get()
    #expect(instance?.proxyAddress == SSHAddress(host: "ssh5.vast.ai", port: 11_337))
    #expect(instance?.directAddress == nil)
  }

  @Test func `without ports there is no direct address`() async throws {
    let instance = try await read(.success(try Recordings.response("instance_running_ports_null"))).get()
    #expect(instance?.directAddress == nil)
    #expect(instance?.proxyAddress != nil)
  }

  @Test(arguments: [
    (#""-oProxyCommand=x""#, #""22""#), (#""a b""#, #""22""#), (#""""#, #""22""#), (#""h""#, #""0""#),
    (#""h""#, #""65536""#), (#""h""#, #""-1""#), (#""h""#, #""22 -o x""#), (#""h""#, "null"), ("null", #""22""#),
    (#""h\u0000""#, #""22""#), ("[1]", #""22""#), (#""h""#, "{}"),
  ])
  func `an address that a host could abuse is no address`(host: String, port: String) async throws {
    let body = """
      {"instances": {"id": 48201337, "public_ipaddr": \(host), "ports": {"22/tcp": [{"HostPort": \(port)}]},
       "ssh_host": \(host), "ssh_port": \(port)}}
      """
    let instance = try #require(try await read(.success(.json(body))).get())
    #expect(instance.directAddress == nil)
    #expect(instance.proxyAddress == nil)
  }

  @Test(arguments: ["instance_gone", "manage_404_no_such_instance"])
  func `an instance that Vast says is gone reads as none`(name: String) async throws {
    let instance = try await read(.success(try Recordings.response(name))).get()
    #expect(instance == nil)
  }

  @Test(arguments: [
    (200, "{}", "malformed_answer"), (200, "", "malformed_answer"), (200, #"{"instances": []}"#, "malformed_answer"),
    (200, #"{"instances": {"id": 1}}"#, "malformed_answer"), (200, "null", "malformed_answer"),
    (404, "<html>", "malformed_answer"), (404, #"{"detail": "Not Found"}"#, "provider_refused"),
    (404, #"{"error": "auth_error", "msg": "Invalid user key"}"#, "provider_unauthorized"),
    (500, "", "provider_unavailable"), (410, #"{"error": "deprecated_endpoint"}"#, "provider_refused"),
  ])
  func `anything short of Vast's own word is no absence`(status: Int, body: String, code: String) async {
    #expect(await read(.success(.json(body, status: status))).code == code)
  }

  @Test func `every field may be missing, null or of another type`() throws {
    let whole = try #require(JSONValue.parse(try Recordings.response("instance_running_direct").body)["instances"])
    let wrong: [JSONValue?] = [
      nil, .null, .bool(true), .integer(-1), .number(1e300), .string(""), .string("x"), .array([]), .array([.null]),
      .object(JSONObject()), .object(JSONObject([.init(name: "22/tcp", value: .string("x"))])),
    ]
    for member in whole.members where member.name != "id" {
      for value in wrong {
        var changed = JSONObject(whole.members.filter { $0.name != member.name })
        if let value { changed.members.append(.init(name: member.name, value: value)) }
        #expect(MarketInstance(row: .object(changed))?.id == MarketID(48_201_337), "\(member.name)")
      }
    }
  }

  @Test func `destroying is accepted, or there is nothing to destroy, or it failed`() async throws {
    for (name, code) in [
      ("destroy_ok", nil), ("manage_404_no_such_instance", "not_found"), ("err_404_bad_key", "provider_unauthorized"),
      ("err_429_error_msg", "rate_limited"), ("err_502_html", "provider_unavailable"),
      ("logs_result_not_ready", "malformed_answer"),
    ] as [(String, String?)] {
      let vast = try FakeVast.recorded(name)
      let error = await failure { () async throws(MarketplaceError) in try await vast.marketplace.destroy(MarketID(1)) }
      #expect(error?.code == code, "\(name)")
    }
  }

  @Test func `a start is accepted, waits for its GPUs, has nothing to start, or failed`() async throws {
    for (name, code) in [
      ("ok", nil), ("start_queued", "start_queued"), ("start_400_missing_billing", "insufficient_credit"),
      ("manage_404_no_such_instance", "not_found"), ("err_404_bad_key", "provider_unauthorized"),
      ("err_429_plain_text", "rate_limited"), ("err_502_html", "provider_unavailable"),
    ] as [(String, String?)] {
      let vast = try FakeVast.recorded(name)
      let error = await failure { () async throws(MarketplaceError) in try await vast.marketplace.start(MarketID(1)) }
      #expect(error?.code == code, "\(name)")
    }
  }

  @Test func `a stop is accepted, has nothing to stop, or failed`() async throws {
    for (name, code) in [
      ("ok", nil), ("manage_404_no_such_instance", "not_found"), ("err_404_bad_key", "provider_unauthorized"),
      ("err_429_plain_text", "rate_limited"), ("err_502_html", "provider_unavailable"),
    ] as [(String, String?)] {
      let vast = try FakeVast.recorded(name)
      let error = await failure { () async throws(MarketplaceError) in try await vast.marketplace.stop(MarketID(1)) }
      #expect(error?.code == code, "\(name)")
    }
  }

  @Test func `a start or a stop that was lost may be sent again, since a second one changes nothing`() async throws {
    let vast = try FakeVast.recorded("ok", "ok")
    try await vast.marketplace.start(MarketID(1))
    try await vast.marketplace.stop(MarketID(1))
    #expect(vast.requests.map(\.mayBeRepeated) == [true, true])
    #expect(MarketplaceOperation.start.isRepeatable && MarketplaceOperation.stop.isRepeatable)
  }

  // MARK: Offers

  @Test func `an offer is read with what is needed of it`() async throws {
    let vast = try FakeVast.recorded("offers_ondemand")
    let listing = try await vast.marketplace.searchOffers(OfferQuery())
    let offer = try #require(listing.offers.first { $0.id == 31_415_926 })
    #expect(offer.machineID == 27_182)
    #expect(offer.hostID == 16_180)
    #expect(offer.gpuName == "RTX 4090")
    #expect(offer.gpuCount == 1)
    #expect(offer.gpuRAMMegabytes == 24_564)
    #expect(offer.cpuCores == 16)
    #expect(abs(offer.ramMegabytes - 515_789 / 8) < 1)
    #expect(offer.gpuPricePerHour == Money(microdollars: 340_000))
    #expect(offer.pricePerHour == Money(microdollars: 348_333))
    #expect(offer.minimumBidPerHour == Money(microdollars: 160_000))
    #expect(offer.storagePricePerGigabyteMonth == 0.15)
    #expect(offer.reliability == 0.9973)
    #expect(offer.cudaVersion == 12.8)
    #expect(offer.region == "Sweden, SE")
    #expect(offer.isVerified)
    #expect(listing.asOf == FakeVast.now)
    #expect(listing.offers == listing.offers.sorted { $0.pricePerHour < $1.pricePerHour })
  }

  @Test func `no offers is an answer and not an error`() async throws {
    let vast = try FakeVast.recorded("offers_empty")
    #expect(try await vast.marketplace.searchOffers(OfferQuery()).offers == [])
  }

  private func offers(_ rows: String, _ query: OfferQuery = OfferQuery()) async throws -> [Int64] {
    let vast = FakeVast(.success(.json(#"{"offers": [\#(rows)]}"#)))
    return try await vast.marketplace.searchOffers(query).offers.map(\.id)
  }

  @Test(arguments: [
    #"{"id": 2}"#, #"{"id": 2, "machine_id": 1}"#, #"{"id": 2, "machine_id": 1, "dph_total": -0.1}"#,
    #"{"id": 2, "machine_id": 1, "dph_total": "NaN"}"#, #"{"id": 2, "machine_id": 1, "dph_total": 1e300}"#,
    #"{"id": 2, "dph_total": 0.2}"#, #"{"machine_id": 1, "dph_total": 0.2}"#, "7", "null", "[]",
    #"{"id": 2, "machine_id": 1, "dph_total": 0.2, "verification": "verified", "rentable": false}"#,
    #"{"id": 2, "machine_id": 1, "dph_total": 0.2, "verification": "verified", "rented": true}"#,
    #"{"id": 2, "machine_id": 1, "dph_total": 0.2, "verification": "unverified"}"#,
  ])
  func `a row that cannot be rented, or has no price, is left out and the others stay`(row: String) async throws {
    let good = #"{"id": "1", "machine_id": 9, "dph_total": "0.3", "verification": "verified"}"#
    #expect(try await offers(row + "," + good) == [1])
  }

  @Test func `what the server let through in spite of a filter is left out`() async throws {
    var query = OfferQuery()
    query.regions = ["se"]
    query.maximumPricePerHour = Money(microdollars: 500_000)
    func row(_ id: Int, _ price: Double, _ region: String) -> String {
      #"{"id": \#(id), "machine_id": 1, "dph_total": \#(price), "verification": "verified", "geolocation": \#(region)}"#
    }
    let rows = [
      row(1, 0.6, #""Sweden, SE""#), row(2, 0.5, #""Sweden, SE""#), row(3, 0.4, #"", US""#), row(4, 0.3, "null"),
    ]
    #expect(try await offers(rows.joined(separator: ","), query) == [4, 2])
  }

  @Test(arguments: ["{}", "[]", #"{"offers": null}"#, #"{"offers": {}}"#, "x"])
  func `a search without a list of offers is malformed`(body: String) async {
    let vast = FakeVast(.success(.json(body)))
    let error = await failure { () async throws(MarketplaceError) in
      try await vast.marketplace.searchOffers(OfferQuery())
    }
    #expect(error?.code == "malformed_answer")
  }

  // MARK: Keys and account

  private static let publicKey =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEX other@comment"

  @Test func `a key that the account has is not added again, whatever its comment`() async throws {
    let vast = try FakeVast.recorded("ssh_keys_list")
    try await vast.marketplace.registerKey(Self.publicKey)
    #expect(vast.requests.count == 1)
  }

  @Test func `a key that was deleted is added again`() async throws {
    let vast = FakeVast(
      .success(.json(#"[{"key": "\#(Self.publicKey)", "deleted_at": "2026-01-01T00:00:00Z"}]"#)),
      .success(try Recordings.response("ssh_key_created")))
    try await vast.marketplace.registerKey(Self.publicKey)
    #expect(vast.requests.count == 2)
  }

  @Test func `a list of keys that cannot be read adds none`() async throws {
    for name in ["err_502_html", "err_404_bad_key", "ok"] {
      let vast = try FakeVast.recorded(name)
      let error = await failure { () async throws(MarketplaceError) in
        try await vast.marketplace.registerKey(Self.publicKey)
      }
      #expect(error != nil)
      #expect(vast.requests.count == 1)
    }
  }

  @Test func `a key that is attached already is fine`() async throws {
    let vast = try FakeVast.recorded("ssh_attach_already")
    try await vast.marketplace.attachKey(Self.publicKey, to: MarketID(1))
  }

  @Test func `a key that cannot be attached is an error`() async throws {
    for (name, code) in [("manage_404_no_such_instance", "not_found"), ("err_400_invalid_json", "provider_refused")] {
      let vast = try FakeVast.recorded(name)
      let error = await failure { () async throws(MarketplaceError) in
        try await vast.marketplace.attachKey(Self.publicKey, to: MarketID(1))
      }
      #expect(error?.code == code)
    }
  }

  @Test func `the account has credit and a name, and not its key`() async throws {
    let vast = try FakeVast.recorded("user_current")
    let account = try await vast.marketplace.account()
    #expect(account.credit == Money(microdollars: 57_310_000))
    #expect(account.balance == .zero)
    #expect(account.defaultLabel == "svc")
    #expect(!"\(account)".contains("REDACTED"))
  }

  @Test(arguments: ["{}", #"{"credit": null}"#, #"{"credit": "much"}"#, "[]"])
  func `an account without credit is malformed and not poor`(body: String) async {
    let vast = FakeVast(.success(.json(body)))
    let error = await failure { () async throws(MarketplaceError) in try await vast.marketplace.account() }
    #expect(error?.code == "malformed_answer")
  }

  @Test func `the spend is that of GPUs and of the disks of instances`() async throws {
    let vast = try FakeVast.recorded("spend_rate")
    let spend = try await vast.marketplace.spend()
    #expect(spend.gpuPerHour == Money(microdollars: 680_000))
    #expect(spend.storagePerHour == Money(microdollars: 16_700))
    #expect(vast.requests.map(\.url) == ["https://console.vast.ai/api/v0/users/spend-rate/"])
  }

  @Test(arguments: [
    "{}", "[]", #"{"gpu_cost_per_hour": 0}"#, #"{"gpu_cost_per_hour": null, "container_storage_cost_per_hour": 0}"#,
    #"{"gpu_cost_per_hour": 0, "container_storage_cost_per_hour": "some"}"#,
    #"{"gpu_cost_per_hour": -1, "container_storage_cost_per_hour": 0}"#,
  ])
  func `a spend without its figures is malformed and not nothing`(body: String) async {
    let vast = FakeVast(.success(.json(body)))
    let error = await failure { () async throws(MarketplaceError) in try await vast.marketplace.spend() }
    #expect(error?.code == "malformed_answer")
  }

  @Test func `each call is told with its status, or none`() async throws {
    let seen = Locked<[String]>([])
    let vast = FakeVast(.success(try Recordings.response("err_502_html")), .failure(.timedOut))
    let marketplace = vast.marketplace(observe: { operation, status, duration in
      #expect(duration >= .zero)
      seen.withLock { $0.append("\(operation.rawValue) \(status.map(String.init) ?? "none")") }
    })
    for _ in 0..<2 { _ = await failure { () async throws(MarketplaceError) in try await marketplace.account() } }
    #expect(seen.withLock { $0 } == ["account 502", "account none"])
  }
}

extension Result where Failure == MarketplaceError {
  var code: String? {
    switch self {
    case .success: nil
    case .failure(let error): error.code
    }
  }
}
