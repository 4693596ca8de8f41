import Domain
import FleetService
import HTTPServer
import JSON
import Testing

@testable import API

@Suite struct WireTests {
  @Test(
    arguments: [
      (0, "0"), (1, "0.000001"), (10, "0.00001"), (320_000, "0.32"), (1_000_000, "1"), (1_500_000, "1.5"),
      (-1, "-0.000001"), (-2_500_000, "-2.5"), (12_345_678_901, "12345.678901"), (100_000, "0.1"), (300_000, "0.3"),
      (Int64.max, "9223372036854.775807"), (Int64.min, "-9223372036854.775808"),
    ] as [(Int64, String)])
  func `money is written to the micro-dollar`(microdollars: Int64, text: String) {
    #expect(Money(microdollars: microdollars).decimal == text)
  }

  @Test func `a job shows no secret and no password, in its list or alone`() throws {
    var specification = JobSpecification(command: "python train.py")
    specification.environment = ["EPOCHS": "3"]
    specification.secrets = ["HF_TOKEN": "canary-secret"]
    specification.registryLogin = RegistryLogin(server: "ghcr.io", user: "ada", password: "canary-password")
    let job = Job.make(specification)
    let rendered = JobJSON.render(job)
    for bytes in [rendered.item, rendered.whole.withUnsafeBytes { Array($0) }] {
      let text = String(decoding: bytes, as: UTF8.self)
      #expect(!text.contains("canary"))
      #expect(text.contains(#""secrets":{"HF_TOKEN":"***"}"#))
      #expect(text.contains(#""registry_login":{"server":"ghcr.io","user":"ada"}"#))
      #expect(text.contains(#""env":{"EPOCHS":"3"}"#))
    }
  }

  @Test func `a job's page is its item and its history`() throws {
    let job = Job.make(JobSpecification(command: "c"))
    let rendered = JobJSON.render(job)
    let item = try rendered.item.parsed()
    let kept = rendered.whole.withUnsafeBytes { Array($0) }
    #expect(kept == JobJSON.whole(job), "kept or written anew, a page is the same")
    let whole = try kept.parsed()
    #expect(whole.members.dropLast(2) == item.members[...])
    #expect(whole.members.suffix(2).map(\.name) == ["attempts", "phases"])
    #expect(Set(whole.members.map(\.name)).count == whole.members.count, "no name stands twice")
  }

  @Test func `idle GPUs are shown with their time and their cost`() throws {
    let moment = Timestamp(seconds: 1_800_000_000)
    let id = ID<Instance>(at: moment)
    let tag = InstanceTag(owner: try #require(Owner("test")), instanceID: id)
    let order = RentalOrder(offerID: 1, label: tag.label("x"), image: "i", diskGigabytes: 10)
    var instance = Instance(id: id, order: order, label: "x", tag: tag, gpuCount: 1, createdAt: moment)
    var shown = try InstanceJSON.render(instance).parsed()
    #expect(shown["gpu_utilization"] == .null && shown["idle_since"] == .null)
    #expect(shown["idle_s"]?.double == 0 && shown["idle_cost_usd"]?.double == 0)
    instance.gpuUtilization = 3.5
    instance.idleSince = moment
    instance.idleTime = .milliseconds(90_500)
    instance.watchedTime = .seconds(120)
    instance.idleCost = Money(microdollars: 12_000)
    shown = try InstanceJSON.render(instance).parsed()
    #expect(shown["gpu_utilization"]?.double == 3.5 && shown["idle_since"] == .string(moment.rfc3339))
    #expect(shown["idle_s"]?.double == 90.5 && shown["watched_s"]?.double == 120)
    #expect(shown["idle_cost_usd"]?.double == 0.012)
  }

  @Test func `filters are shown as they came`() throws {
    var specification = JobSpecification(command: "c")
    specification.resources.filters = ["inet_down": #"{"gte":500}"#]
    let text = String(decoding: JobJSON.whole(Job.make(specification)), as: UTF8.self)
    #expect(text.contains(#""filters":{"inet_down":{"gte":500}}"#))
  }

  @Test func `hostile text stays text`() throws {
    var specification = JobSpecification(command: "echo '\"\u{1B}]0;x\u{7}<script>\u{202E}\0'")
    specification.name = "\"}],\\"
    let object = try JobJSON.whole(Job.make(specification)).parsed()
    #expect(object["command"] == .string(specification.command))
    #expect(object["name"] == .string("\"}],\\"))
  }

  @Test func `an older listing of offers says so`() throws {
    let offer = Offer(id: 7, machineID: 8, hostID: 9, gpuName: "RTX 4090", pricePerHour: Money(microdollars: 320_000))
    var listing = OfferListing(offers: [offer, offer, offer], asOf: Timestamp(microseconds: 0))
    var object = try OfferJSON.listing(listing, limit: 2).parsed()
    #expect(object["degraded"] == nil && object["as_of"] == .string("1970-01-01T00:00:00.000Z"))
    guard case .array(let items) = object["items"] else {
      Issue.record("no items")
      return
    }
    #expect(items.count == 2)
    listing.isDegraded = true
    object = try OfferJSON.listing(listing, limit: 2).parsed()
    #expect(object["degraded"] == .bool(true))
  }
}

extension Job {
  static func make(_ specification: JobSpecification) -> Job {
    Job(
      id: ID(at: Timestamp(microseconds: 0)), specification: specification, state: .queued,
      createdAt: Timestamp(microseconds: 0))
  }
}

extension [UInt8] {
  func parsed() throws -> JSONObject {
    guard case .object(let object) = try JSONValue.parse(self, limits: JSONLimits(refusesDuplicateNames: true)) else {
      throw NotAnObject()
    }
    return object
  }
}

struct NotAnObject: Error {}
