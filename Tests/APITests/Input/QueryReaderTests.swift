import Domain
import HTTPServer
import Testing

@testable import API

@Suite struct QueryReaderTests {
  private func offers(_ query: String) throws -> (OfferQuery, Int) {
    let head = try #require(RequestHead(method: .get, target: "/v1/offers?" + query))
    let wish = try OfferAnswers().wish(of: head)
    return (wish.query, wish.limit)
  }

  @Test func `every parameter of the offers is read`() throws {
    let (query, limit) = try offers(
      "gpu_name=RTX_4090&num_gpus=2&min_gpu_ram_gb=23.5&min_disk_gb=100&max_price_per_hour=0.75&min_reliability=0.95"
        + "&min_cuda=12.4&regions=us,CA&interruptible=true&verified=false&selection=best_value&limit=5")
    var expected = OfferQuery()
    expected.gpuName = "RTX 4090"
    expected.gpuCount = 2
    expected.minimumGPURAMGigabytes = 23.5
    expected.minimumDiskGigabytes = 100
    expected.maximumPricePerHour = Money(microdollars: 750_000)
    expected.minimumReliability = 0.95
    expected.minimumCUDA = 12.4
    expected.regions = ["US", "CA"]
    expected.isInterruptible = true
    expected.isVerified = false
    expected.selection = .bestValue
    #expect(query == expected)
    #expect(limit == 5)
  }

  @Test func `no parameters, and empty ones, ask for everything`() throws {
    #expect(try offers("").0 == OfferQuery())
    #expect(try offers("gpu_name=&regions=&limit=").0 == OfferQuery())
  }

  @Test(
    arguments: [
      ("num_gpus=0", "num_gpus"), ("num_gpus=65", "num_gpus"), ("num_gpus=two", "num_gpus"),
      ("num_gpus=1.5", "num_gpus"),
      ("num_gpus=%2B1", "num_gpus"), ("num_gpus=%D9%A3", "num_gpus"), ("num_gpus=99999999999999999999", "num_gpus"),
      ("max_price_per_hour=nan", "max_price_per_hour"), ("max_price_per_hour=inf", "max_price_per_hour"),
      ("max_price_per_hour=-1", "max_price_per_hour"), ("max_price_per_hour=0x10", "max_price_per_hour"),
      ("max_price_per_hour=1e400", "max_price_per_hour"), ("max_price_per_hour=10001", "max_price_per_hour"),
      ("min_reliability=1.1", "min_reliability"), ("min_cuda=12.4.1", "min_cuda"), ("regions=USA", "regions"),
      ("regions=US,,CA", "regions"), ("regions=U1", "regions"), ("interruptible=yes", "interruptible"),
      ("verified=1", "verified"), ("selection=dearest", "selection"), ("selection=Cheapest", "selection"),
      ("gpu_name=___", "gpu_name"), ("gpu_name=a%0Ab", "gpu_name"), ("limit=0", "limit"), ("limit=-1", "limit"),
      ("limit=1e9", "limit"), ("limit=%D9%A3", "limit"), ("limit=", nil), ("nope=1", "nope"),
      ("gpu_name=a&gpu_name=b", "gpu_name"), ("gpu_name=a&gpu_name=a", "gpu_name"), ("cursor=x", "cursor"),
      ("filters=%7B%7D", "filters"), ("token=x", "token"),
    ] as [(String, String?)])
  func `a parameter that is unknown, repeated or unusable is named`(query: String, name: String?) throws {
    guard let name else {
      #expect(throws: Never.self) { try offers(query) }
      return
    }
    let error = #expect(throws: APIError.self) { try offers(query) }
    guard case .queryParameter(name, _) = error else {
      Issue.record("\(String(describing: error)) does not name \(name)")
      return
    }
    #expect(error?.problem.status == 400)
  }

  @Test func `a limit above the maximum is granted the maximum`() throws {
    #expect(try offers("limit=65").1 == 64)
    #expect(try offers("limit=99999999999999999999999").1 == 64)
    #expect(try offers("limit=64").1 == 64)
  }

  private func jobs(_ query: String) throws -> ListInput<JobFilter> {
    let head = try #require(RequestHead(method: .get, target: "/v1/jobs?" + query))
    return try ListInput<JobFilter>(head, CursorCodec(secret: Array(repeating: 1, count: 16)))
  }

  @Test func `lists have a page size, filters and a cursor`() throws {
    #expect(try jobs("").page == PageRequest(limit: 50))
    let list = try jobs("state=running,failed&name=train&limit=1000")
    #expect(list.page.limit == 500)
    #expect(list.filter.states == [.running, .failed])
    #expect(list.filter.name == "train")
    #expect(try jobs("state=failed,running&name=train").scope == list.scope, "order does not make another list")
    #expect(try jobs("state=failed").scope != list.scope)
  }

  @Test(arguments: ["state=broken", "state=running,", "name=a%01b", "cursor=zzz", "limit=0", "label=x"])
  func `a list refuses what it cannot use`(query: String) {
    #expect(throws: APIError.self) { try jobs(query) }
  }

  @Test func `instances are listed by state, label, job and as managed only`() throws {
    let codec = CursorCodec(secret: Array(repeating: 1, count: 16))
    func list(_ query: String) throws -> ListInput<InstanceFilter> {
      try ListInput<InstanceFilter>(#require(RequestHead(method: .get, target: "/v1/instances?" + query)), codec)
    }
    let job = ID<Job>(at: Timestamp(microseconds: 0))
    let filter = try list("state=running&label=ada&job_id=\(job)&managed=true").filter
    #expect(filter.states == [.running] && filter.label == "ada" && filter.jobID == job)
    for query in ["job_id=ins_1", "managed=false", "managed=maybe", "state=up"] {
      #expect(throws: APIError.self) { try list(query) }
    }
  }
}
