import Domain
import HTTPClient
import Locking
import Simulator
import TestSupport
import Testing
import VastMarketplace

/// The client of the service and the simulator read each other as meant, where money is concerned.
@Suite(.timeLimit(.minutes(5))) struct OurClientTests {
  private let simulator: Simulator
  private let folder: TemporaryFolder
  private let market: VastMarketplace
  private let http = HTTPClient(configuration: HTTPClientConfiguration(userAgent: "vastd/test"))

  init() throws {
    folder = try TemporaryFolder("sim")
    var configuration = SimulatorConfiguration(folder: folder.path, apiKey: "key") { Issue.record("\($0)") }
    configuration.hasMachines = false
    configuration.settings.boot = 0
    configuration.settings.pull = 0
    // An hour in each millisecond.
    configuration.settings.accrualSpeed = 3_600_000
    configuration.credit = 1_000_000
    simulator = try Simulator(configuration)
    market = VastMarketplace(
      client: VastClient(
        configuration: VastConfiguration(baseURL: simulator.url), credentials: VastCredentials(source: .key("key")),
        send: { [http] request async throws(HTTPClientError) in try await http.send(request) }))
  }

  private func rented() async throws -> MarketInstance {
    let id = try await market.create(
      RentalOrder(offerID: 31_018_400, label: "mine", image: "ubuntu:22.04", diskGigabytes: 10))
    while true {
      if let shown = try await market.readInstance(id), shown.actualStatus == "running" { return shown }
      try await ContinuousClock().pause(for: .milliseconds(5))
    }
  }

  private func control(_ path: String, _ body: String) async throws {
    let answer = try await http.send(
      HTTPClientRequest(method: "POST", url: "\(simulator.url)/sim/\(path)", body: Array(body.utf8)))
    try #require(answer.status == 200, "\(path): \(String(decoding: answer.body, as: UTF8.self))")
  }

  @Test func `what was used is what is charged, part by part`() async throws {
    let start = VastConfiguration().now()
    let instance = try await rented()
    try await control("instances/\(instance.id)/transfer", #"{"down": 700, "up": 1000}"#)
    try await market.destroy(instance.id)
    // A test that began before midnight may end after it.
    let charges = try await market.charges(from: start, to: VastConfiguration().now())
    #expect(charges.allSatisfy { $0.instanceID == instance.id && $0.label == "mine" })
    func sum(_ part: KeyPath<MarketCharge, Money>) -> Money { charges.reduce(.zero) { $0 + $1[keyPath: part] } }
    #expect(sum(\.gpu) > .zero)
    #expect(sum(\.disk) > .zero)
    #expect(sum(\.download) == Money(microdollars: 1_330_000))
    #expect(sum(\.upload) == Money(microdollars: 2_900_000))
    #expect(sum(\.other) == .zero)
    let credit = try await market.account().credit.microdollars
    // Each part of each day is rounded by itself.
    #expect(abs(1_000_000_000_000 - credit - sum(\.amount).microdollars) <= 1000)
    try await end()
  }

  @Test func `an increase is read, accepted, and the price that was told comes to be`() async throws {
    let instance = try await rented()
    #expect(try await market.priceIncreases() == [])
    let body = #"{"gpu_price": 0.36, "storage_cost": 0.3, "at_once": true}"#
    try await control("instances/\(instance.id)/price_increase", body)
    let increase = try #require(try await market.priceIncreases().first)
    #expect(increase.instanceID == instance.id)
    #expect(increase.gpuPerHour == .init(from: Money(microdollars: 290_000), to: Money(microdollars: 360_000)))
    let told = try #require(increase.pricePerHour(of: instance))
    #expect(told.old == instance.runningPricePerHour)
    try await market.answerPriceIncrease(increase.id, accept: true)
    await #expect(throws: MarketplaceError.notFound) {
      try await market.answerPriceIncrease(increase.id, accept: true)
    }
    let price = try await market.readInstance(instance.id)?.runningPricePerHour
    // One rounds the sum, the other the parts.
    #expect(abs((price?.microdollars ?? 0) - told.new.microdollars) <= 1)
    try await end()
  }

  private func end() async throws {
    http.shutdown()
    await simulator.stop()
  }
}
