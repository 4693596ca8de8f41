import Domain
import TestSupport
import Testing

/// What tests lean on: a stand-in that does not behave like Vast proves nothing.
@Suite struct InMemoryMarketplaceTests {
  private let market = InMemoryMarketplace(offers: [.make()], now: { Timestamp(seconds: 1_800_000_000) })

  private func stopped() async throws -> MarketID {
    let id = try await market.create(RentalOrder(offerID: 1, label: "x", image: "i", diskGigabytes: 10))
    market.boot(id)
    market.set(id) { instance in
      instance.intendedStatus = "stopped"
      instance.actualStatus = "exited"
    }
    return id
  }

  @Test func `a stopped instance loads when it is started, and runs after its boot`() async throws {
    let id = try await stopped()
    try await market.start(id)
    var shown = try #require(try await market.readInstance(id))
    #expect(shown.intendedStatus == "running" && shown.actualStatus == "loading" && shown.directAddress == nil)
    market.boot(id)
    // Starting what runs changes nothing.
    try await market.start(id)
    shown = try #require(try await market.readInstance(id))
    #expect(shown.actualStatus == "running" && shown.directAddress != nil)
  }

  @Test func `a start whose GPUs are taken waits, and one of nothing finds nothing`() async throws {
    let id = try await stopped()
    market.change { _ = $0.occupied.insert(id) }
    await #expect(throws: MarketplaceError.startQueued(detail: "the GPUs are taken")) { try await market.start(id) }
    let shown = try await market.readInstance(id)
    #expect(shown?.intendedStatus == "running" && shown?.actualStatus == "exited")
    market.change { _ = $0.occupied.remove(id) }
    try await market.start(id)
    #expect(try await market.readInstance(id)?.actualStatus == "loading")
    await #expect(throws: MarketplaceError.notFound) { try await market.start(MarketID(1)) }
  }

  @Test func `a stop ends the container, also when its answer is lost`() async throws {
    let id = try await market.create(RentalOrder(offerID: 1, label: "x", image: "i", diskGigabytes: 10))
    market.boot(id)
    market.change { $0.lostStops = [.unavailable(detail: "cut")] }
    await #expect(throws: MarketplaceError.unavailable(detail: "cut")) { try await market.stop(id) }
    let shown = try await market.readInstance(id)
    #expect(shown?.intendedStatus == "stopped" && shown?.actualStatus == "exited")
    await #expect(throws: MarketplaceError.notFound) { try await market.stop(MarketID(1)) }
  }

  @Test func `charges are those of the days asked for, and fail when told to`() async throws {
    let day = Timestamp(seconds: 1_795_132_800)
    let second = MarketCharge(instanceID: MarketID(1), dayStart: day.nextMidnight, amount: Money(microdollars: 2000))
    let first = MarketCharge(instanceID: MarketID(1), dayStart: day, amount: Money(microdollars: 1000))
    market.change { $0.charges = [second, first] }
    #expect(try await market.charges(from: day, to: day.nextMidnight) == [first])
    #expect(try await market.charges(from: day, to: second.dayEnd) == [first, second])
    market.change { $0.failures[.charges] = [.unavailable(detail: "x")] }
    await #expect(throws: MarketplaceError.unavailable(detail: "x")) {
      try await market.charges(from: day, to: day.nextMidnight)
    }
    #expect(market.count(.charges) == 3)
  }

  @Test func `a price increase waits for one answer`() async throws {
    let increase = PriceIncrease(id: PriceIncreaseID(5), instanceID: MarketID(1))
    market.change { $0.priceIncreases = [increase] }
    #expect(try await market.priceIncreases() == [increase])
    try await market.answerPriceIncrease(increase.id, accept: true)
    #expect(try await market.priceIncreases() == [])
    #expect(market.snapshot.priceAnswers == [increase.id: true])
    await #expect(throws: MarketplaceError.notFound) {
      try await market.answerPriceIncrease(increase.id, accept: false)
    }
  }
}
