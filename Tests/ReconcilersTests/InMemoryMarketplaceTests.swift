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
}
