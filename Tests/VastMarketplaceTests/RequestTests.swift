import Domain
import HTTPClient
import JSON
import Testing

@testable import VastMarketplace

/// What we send, against what the official client was recorded to send.
struct RequestTests {
  /// Headers that belong to the transport; `HTTPClient` sends its own.
  private static let transportHeaders: Set = ["host", "user-agent", "accept-encoding", "connection", "content-length"]

  /// Method, path, query (but for `elsewise`) and headers must be equal; gives back where the bodies differ.
  private func differences(
    _ sent: HTTPClientRequest, _ recorded: JSONValue, elsewise: [String] = []
  ) throws -> [String] {
    #expect(sent.method == recorded["method"]?.text)
    #expect(sent.path == recorded["path"]?.text)
    #expect(sent.query.differences(from: recorded["query"]) == elsewise)
    let recordedHeaders = (recorded["headers"]?.members ?? [])
      .filter { !Self.transportHeaders.contains($0.name.lowercased()) }
    #expect(Set(sent.headers.map { $0.name.lowercased() }) == Set(recordedHeaders.map { $0.name.lowercased() }))
    for header in recordedHeaders where header.name != "Authorization" {
      #expect(sent.headers.first { $0.name == header.name }?.value == header.value.text)
    }
    if recordedHeaders.contains(where: { $0.name == "Authorization" }) {
      #expect(sent.headers.first { $0.name == "Authorization" }?.value == "Bearer \(FakeVast.key)")
    }
    #expect(!sent.url.contains(FakeVast.key))
    guard let body = sent.body else {
      #expect(recorded["body"] == .null)
      return []
    }
    return try JSONValue.parse(body).differences(from: recorded["body"])
  }

  // MARK: Search

  @Test func `a search for a GPU asks what the official client asks`() async throws {
    let vast = try FakeVast.recorded("offers_ondemand")
    var query = OfferQuery()
    query.gpuName = "RTX 4090"
    query.gpuCount = 1
    query.minimumDiskGigabytes = 100
    _ = try await vast.marketplace.searchOffers(query)
    // The recording asks besides for memory and reliability, in its own operators, and for ten.
    #expect(
      try differences(vast.requests[0], Recordings.request("search_offers_gpu")) == ["gpu_ram", "limit", "reliability"])
  }

  @Test func `a search for bids differs by its type`() async throws {
    let vast = try FakeVast.recorded("offers_bid")
    var query = OfferQuery()
    query.gpuName = "RTX 3090"
    query.isInterruptible = true
    query.minimumDiskGigabytes = 50
    query.filters = ["num_gpus": #"{"gte": 2}"#]
    _ = try await vast.marketplace.searchOffers(query)
    #expect(
      try differences(vast.requests[0], Recordings.request("search_offers_bid")) == ["disk_space", "limit"])
  }

  @Test func `regions and excluded machines go as lists`() async throws {
    let vast = try FakeVast.recorded("offers_ondemand")
    var query = OfferQuery()
    query.regions = ["US", "CA"]
    query.filters = ["gpu_name": #"{"in": ["RTX 4090", "RTX 3090"]}"#, "host_id": #"{"notin": [1, 2]}"#]
    query.excludedMachines = [12, 3]
    _ = try await vast.marketplace.searchOffers(query)
    #expect(
      try differences(vast.requests[0], Recordings.request("search_offers_in_lists")) == [
        "limit", "machine_id", "order.0.0", "order.0.1",
      ])
    let body = try JSONValue.parse(try #require(vast.requests[0].body))
    #expect(body["machine_id"]?["notin"] == .array([.integer(3), .integer(12)]))
  }

  @Test func `a search for anything differs from the official one by its order and limit`() async throws {
    let vast = try FakeVast.recorded("offers_ondemand")
    _ = try await vast.marketplace.searchOffers(OfferQuery())
    #expect(
      try differences(vast.requests[0], Recordings.request("search_offers_default")) == [
        "limit", "order.0.0", "order.0.1",
      ])
  }

  @Test(arguments: [
    (OfferSelection.cheapest, "dph_total", "asc"), (.secondCheapest, "dph_total", "asc"),
    (.bestValue, "dlperf_per_dphtotal", "desc"), (.mostReliable, "reliability", "desc"),
  ])
  func `the server orders by what is wanted, since only its first 64 come`(
    selection: OfferSelection, field: String, direction: String
  ) async throws {
    let vast = try FakeVast.recorded("offers_empty")
    var query = OfferQuery()
    query.selection = selection
    _ = try await vast.marketplace.searchOffers(query)
    let body = try JSONValue.parse(try #require(vast.requests[0].body))
    guard case .array(let order) = body["order"] else { throw Recordings.Missing(name: "order") }
    #expect(order.first == .array([.string(field), .string(direction)]))
    #expect(body["limit"] == .integer(64))
  }

  @Test func `every limit of a query becomes a filter`() async throws {
    let vast = try FakeVast.recorded("offers_empty")
    var query = OfferQuery()
    query.minimumGPURAMGigabytes = 24
    query.maximumPricePerHour = Money(microdollars: 450_000)
    query.minimumReliability = 0.95
    query.minimumCUDA = 12.4
    query.offerID = 77
    query.isVerified = false
    query.filters = ["dph_total": #"{"gte": 0.1}"#]
    _ = try await vast.marketplace.searchOffers(query)
    let body = try JSONValue.parse(try #require(vast.requests[0].body))
    // 24 GB in MB, less what some cards hold back.
    #expect(body["gpu_ram"] == object("gte", .number(24 * 1024 * 0.93)))
    #expect(body["reliability"] == object("gte", .number(0.95)))
    #expect(body["cuda_max_good"] == object("gte", .number(12.4)))
    #expect(body["ask_contract_id"] == object("eq", .integer(77)))
    #expect(body["dph_total"]?["lte"] == .number(0.45))
    #expect(body["dph_total"]?["gte"] == .number(0.1))
    #expect(body["verified"] == nil)
    #expect(body["rentable"] == object("eq", .bool(true)))
    #expect(body["rented"] == nil)
    #expect(body["allocated_storage"] == .integer(5))
  }

  @Test(arguments: [
    ("rentable", #"{"eq": false}"#), ("rented", #"{"eq": true}"#), ("limit", "3"), ("order", "[]"),
    ("type", #""bid""#), ("inet_down", "500"), ("inet_down", #"{"atleast": 5}"#), ("inet_down", "{}"),
    ("inet_down", "{"), ("inet_down", ""),
  ])
  func `a filter that is none, or takes over what is decided here, is refused and nothing is sent`(
    field: String, text: String
  ) async {
    let vast = FakeVast()
    var query = OfferQuery()
    query.filters = [field: text]
    guard
      case .refused(code: "invalid_filter", _) = await failure({ () async throws(MarketplaceError) in
        try await vast.marketplace.searchOffers(query)
      })
    else {
      Issue.record("not refused")
      return
    }
    #expect(vast.requests.isEmpty)
  }

  // MARK: Create

  private var order: RentalOrder {
    RentalOrder(offerID: 31_415_926, label: "x", image: "ubuntu:22.04", diskGigabytes: 10)
  }

  @Test func `a rental sends what the official client sends, but cancels when there is no room`() async throws {
    let vast = try FakeVast.recorded("create_ok")
    var order = RentalOrder(
      offerID: 31_415_926, label: "trainer-7", image: "pytorch/pytorch:2.4.0-cuda12.4-cudnn9-runtime",
      diskGigabytes: 40)
    order.environment = ["HF_HOME": "/workspace/hf", "MSG": "hello world"]
    order.ports = ["8000/tcp", "9000/udp"]
    order.onStart = "env >> /etc/environment; touch ~/.no_auto_tmux"
    _ = try await vast.marketplace.create(order)
    // A host name and a volume we do not ask for.
    #expect(
      try differences(vast.requests[0], Recordings.request("create_instance_ssh_direct"))
        == ["cancel_unavail", "env.-h", "env.-v vol1:/data"])
    #expect(vast.requests[0].mayBeRepeated == false)
  }

  @Test func `a bid sends its price and may wait for its turn`() async throws {
    let vast = try FakeVast.recorded("create_ok")
    var order = order
    order.bidPerHour = Money(microdollars: 170_000)
    _ = try await vast.marketplace.create(order)
    #expect(try differences(vast.requests[0], Recordings.request("create_instance_bid")) == ["label"])
  }

  @Test func `a registry login goes along`() async throws {
    let vast = try FakeVast.recorded("create_ok")
    var order = order
    order.image = "registry.example.com/org/app:1"
    order.registryLogin = "-u bob -p s3cret registry.example.com"
    _ = try await vast.marketplace.create(order)
    #expect(
      try differences(vast.requests[0], Recordings.request("create_instance_login")) == ["cancel_unavail", "label"])
  }

  @Test func `a template brings its own way to connect`() async throws {
    let vast = try FakeVast.recorded("create_ok")
    var order = RentalOrder(offerID: 31_415_926, label: "x", image: nil, diskGigabytes: 64)
    order.templateHash = "00112233445566778899aabbccddeeff"
    _ = try await vast.marketplace.create(order)
    #expect(
      try differences(vast.requests[0], Recordings.request("create_instance_template")) == ["cancel_unavail", "label"])
  }

  @Test(arguments: ["-p 22:22", "-v", "", "A B", "A=B", "A\nB", "A\0"])
  func `a variable that could become a docker flag is refused and nothing is sent`(name: String) async {
    let vast = FakeVast()
    var order = order
    order.environment = [name: "1"]
    let refusal = await failure { () async throws(MarketplaceError) in try await vast.marketplace.create(order) }
    #expect(refusal?.code == "provider_refused")
    #expect(vast.requests.isEmpty)
  }

  @Test(arguments: ["0/tcp", "100000/tcp", "80/sctp", "80/tcp/x", "8 0", "-1", "", "80:22", "+80", "080"])
  func `a port that is none is refused and nothing is sent`(port: String) async {
    let vast = FakeVast()
    var order = order
    order.ports = [port]
    let refusal = await failure { () async throws(MarketplaceError) in try await vast.marketplace.create(order) }
    #expect(refusal?.code == "provider_refused")
    #expect(vast.requests.isEmpty)
  }

  // MARK: The rest

  @Test func `the list asks page by page as the official client does`() async throws {
    let vast = try FakeVast.recorded("instances_v1_page1", "instances_v1_page2")
    _ = try await vast.marketplace.listInstances()
    try #require(vast.requests.count == 2)
    for page in 0..<2 {
      #expect(try differences(vast.requests[page], Recordings.request("show_instances_raw", page)) == [])
    }
  }

  @Test func `reading, starting, stopping, destroying, keys and account ask as the official client does`() async throws
  {
    let vast = try FakeVast.recorded(
      "instance_running_direct", "ok", "ok", "destroy_ok", "ssh_keys_list_404_none", "ssh_key_created", "ssh_attach_ok",
      "user_current")
    vast.add(.success(.json(#"{"gpu_names": ["RTX 4090"]}"#)))
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEX svc@example"
    let id = MarketID(48_201_337)
    _ = try await vast.marketplace.readInstance(id)
    try await vast.marketplace.start(id)
    try await vast.marketplace.stop(id)
    try await vast.marketplace.destroy(id)
    try await vast.marketplace.registerKey(key)
    try await vast.marketplace.attachKey(key, to: id)
    _ = try await vast.marketplace.account()
    _ = try await vast.marketplace.gpuNames()
    let names = [
      "show_instance", "start_instance", "stop_instance", "destroy_instance", "show_ssh_keys", "create_ssh_key",
      "attach_ssh", "show_user", "cold_start",
    ]
    try #require(vast.requests.count == names.count)
    for (request, name) in zip(vast.requests, names) {
      #expect(try differences(request, Recordings.request(name)) == [], "\(name)")
    }
  }

  @Test func `charges are asked for as the official client does, but a day at a time, in large pages and of instances`()
    async throws
  {
    let vast = try FakeVast.recorded("charges")
    // 2026-11-20, from within.
    _ = try await vast.marketplace.charges(
      from: Timestamp(seconds: 1_795_132_801), to: Timestamp(seconds: 1_795_219_199))
    try #require(vast.requests.count == 1)
    #expect(
      try differences(
        vast.requests[0], Recordings.request("show_invoices_v1_charges"),
        elsewise: ["limit", "select_filters.day.gte", "select_filters.day.lte", "select_filters.type.in"]) == [])
    let query = vast.requests[0].query
    #expect(query["limit"] == .integer(500))
    #expect(query["select_filters"]?["day"]?["gte"] == .integer(1_795_132_800))
    #expect(query["select_filters"]?["day"]?["lte"] == .integer(1_795_219_199))
    #expect(query["select_filters"]?["type"]?["in"] == .array([.string("instance")]))
  }

  @Test func `price increases are listed, accepted and refused as the official client does`() async throws {
    let vast = try FakeVast.recorded("pending_price_increases", "ok", "ok")
    _ = try await vast.marketplace.priceIncreases()
    try await vast.marketplace.answerPriceIncrease(PriceIncreaseID(31), accept: true)
    try await vast.marketplace.answerPriceIncrease(PriceIncreaseID(31), accept: false)
    try #require(vast.requests.count == 3)
    #expect(try differences(vast.requests[0], Recordings.request("show_pending_price_increases")) == [])
    #expect(try differences(vast.requests[1], Recordings.request("accept_price_increase", 1)) == [])
    #expect(try differences(vast.requests[2], Recordings.request("reject_price_increase", 1)) == [])
  }

  @Test func `the id of our request is sent on when it is a plain word`() async throws {
    for (id, sent) in [("req-1.x_~", "req-1.x_~"), ("a b", nil), ("a\r\nX: y", nil), ("", nil)] as [(String, String?)] {
      let vast = try FakeVast.recorded("offers_empty")
      _ = try await vast.marketplace { $0.requestID = { id } }.searchOffers(OfferQuery())
      #expect(vast.requests[0].headers.first { $0.name == "X-Request-Id" }?.value == sent)
    }
  }

  @Test func `a base URL may end in a slash`() async throws {
    #expect(VastConfiguration(baseURL: "http://127.0.0.1:8080//").baseURL == "http://127.0.0.1:8080")
  }

  private func object(_ name: String, _ value: JSONValue) -> JSONValue {
    .object(JSONObject([.init(name: name, value: value)]))
  }
}
