import Domain
import FleetService
import Locking
import Store
import TestSupport
import Testing

@Suite struct `Approving a job` {
  private func waiting(
    _ world: FleetWorld, _ edit: (inout JobSpecification) -> Void = { _ in }
  ) async throws -> Job {
    try await world.submit { specification in
      specification.approval = .required
      edit(&specification)
    }.made
  }

  /// Every offer costs this from now on.
  private func reprice(_ world: FleetWorld, _ dollars: Double) {
    world.market.change { $0.offers = [.make(id: 7, dollars: dollars)] }
  }

  @Test func `the quote names the storage, the transfer and the total`() async throws {
    var offer = Offer.make(dollars: 0.4)
    offer.uploadPricePerGigabyte = 0.02
    let job = try await waiting(try FleetWorld(offers: [offer])) { specification in
      specification.resources.diskGigabytes = 72
      specification.maximumDuration = .seconds(7200)
      specification.expectedTransfer.upGigabytes = 5
    }
    #expect(job.quote?.pricePerHour == Money(microdollars: 400_000))
    #expect(job.quote?.storagePerHour == Money(microdollars: 15_000))
    #expect(job.quote?.transfer == Money(microdollars: 100_000))
    #expect(job.quote?.total == Money(microdollars: 900_000))
    #expect(job.quote?.ceiling == nil, "nobody has approved it")
  }

  @Test func `within five minutes takes the quote as it is, and bounds the price a tenth above it`() async throws {
    let world = try FleetWorld()
    let job = try await waiting(world)
    reprice(world, 9)
    world.advance(by: .seconds(299))
    let approved = try await world.fleet.approve(job.id)
    #expect(approved.state == .queued)
    #expect(approved.quote?.offerID == 1)
    #expect(approved.quote?.ceiling == Money(microdollars: 440_000))
    #expect(world.market.count(.search) == 1, "one for the quote")
    #expect(try world.fleet.job(job.id) == approved)
  }

  @Test(arguments: [0.2, 0.4, 0.44]) func `renews a stale quote and accepts it within the tolerance`(dollars: Double)
    async throws
  {
    let world = try FleetWorld()
    let job = try await waiting(world)
    reprice(world, dollars)
    world.advance(by: .seconds(301))
    let approved = try await world.fleet.approve(job.id)
    #expect(approved.state == .queued)
    #expect(approved.quote?.offerID == 7)
    #expect(approved.quote?.pricePerHour == Money(dollars: dollars))
    #expect(approved.quote?.ceiling == Money(microdollars: 440_000), "what was seen bounds it, however often renewed")
  }

  @Test func `a price that rose is told with the one before, and a second approval accepts it`() async throws {
    let world = try FleetWorld()
    let job = try await waiting(world)
    reprice(world, 0.441)
    world.advance(by: .seconds(301))
    let before = world.surroundings.withLock { $0.jobWakings }
    guard case .conflict(let code, let detail) = try await fault(of: { try await world.fleet.approve(job.id) }) else {
      Issue.record("a dearer job was approved")
      return
    }
    #expect(code == "price_rose")
    #expect(detail.contains("$0.4 ") && detail.contains("$0.441 "))
    let kept = try world.fleet.job(job.id)
    #expect(kept.state == .awaitingApproval)
    #expect(kept.quote?.pricePerHour == Money(microdollars: 441_000))
    #expect(kept.quote?.ceiling == nil)
    #expect(world.surroundings.withLock { $0.jobWakings } == before)
    let approved = try await world.fleet.approve(job.id)
    #expect(approved.state == .queued)
    #expect(approved.quote?.ceiling == Money(microdollars: 485_100))
    #expect(world.market.count(.search) == 2)
  }

  @Test func `a second approval that comes late meets a price that rose again`() async throws {
    let world = try FleetWorld()
    let job = try await waiting(world)
    for dollars in [0.6, 0.9] {
      reprice(world, dollars)
      world.advance(by: .seconds(301))
      #expect(try await fault { try await world.fleet.approve(job.id) }?.conflictCode == "price_rose")
    }
    #expect(try await world.fleet.approve(job.id).quote?.pricePerHour == Money(microdollars: 900_000))
  }

  @Test func `a job without a quote gets one, and is bound to it`() async throws {
    let world = try FleetWorld()
    world.market.change { $0.failures[.search] = [.unavailable(detail: "down")] }
    let job = try await waiting(world)
    #expect(job.quote == nil)
    let approved = try await world.fleet.approve(job.id)
    #expect(approved.state == .queued)
    #expect(approved.quote?.pricePerHour == Money(microdollars: 400_000))
    #expect(approved.quote?.ceiling == Money(microdollars: 440_000))
  }

  @Test func `is refused when nothing fits any more, and the job goes on waiting with its quote`() async throws {
    let world = try FleetWorld()
    let job = try await waiting(world)
    world.market.change { $0.offers = [] }
    world.advance(by: .seconds(301))
    #expect(try await fault { try await world.fleet.approve(job.id) }?.conflictCode == "no_offers")
    #expect(try world.fleet.job(job.id) == job)
  }

  @Test(arguments: [
    MarketplaceError.unavailable(detail: "down"), .unauthorized(detail: "no"), .rateLimited(retryAfter: .seconds(3)),
  ])
  func `says that Vast cannot be asked, and the job goes on waiting`(error: MarketplaceError) async throws {
    let world = try FleetWorld()
    let job = try await waiting(world)
    world.advance(by: .seconds(301))
    world.market.change { $0.failures[.search] = [error] }
    #expect(try await fault { try await world.fleet.approve(job.id) } == .market(error))
    #expect(try world.fleet.job(job.id) == job)
    #expect(try await world.fleet.approve(job.id).state == .queued)
  }

  @Test func `a cancel that comes while offers are looked for is not undone`() async throws {
    let world = try FleetWorld()
    let job = try await waiting(world)
    world.advance(by: .seconds(301))
    world.market.change { state in
      state.duringSearch = { _ = try? await world.fleet.cancel(job.id) }
    }
    #expect(try await fault { try await world.fleet.approve(job.id) }?.conflictCode == "job_ended")
    #expect(try world.fleet.job(job.id).state == .cancelled)
    world.market.change { $0.duringSearch = nil }
  }

  @Test func `of two at once, each is held to the price that it began with`() async throws {
    let world = try FleetWorld()
    let job = try await waiting(world)
    reprice(world, 0.6)
    world.advance(by: .seconds(301))
    // While the first one's search is under way a second is refused, and has the new quote kept.
    world.market.change { state in
      state.duringSearch = {
        let error = try? await fault { try await world.fleet.approve(job.id) }
        #expect(error?.conflictCode == "price_rose")
      }
    }
    #expect(try await fault { try await world.fleet.approve(job.id) }?.conflictCode == "price_rose")
    #expect(try world.fleet.job(job.id).state == .awaitingApproval)
  }

  @Test func `a retry of an approved job asks again`() async throws {
    let world = try FleetWorld()
    let job = try await waiting(world)
    _ = try await world.fleet.approve(job.id)
    try await world.bring(job.id, to: .failed)
    let again = try await world.fleet.retry(job.id, idempotency: nil).made
    #expect(again.state == .awaitingApproval)
    #expect(again.quote != nil && again.quote?.ceiling == nil)
  }

  @Test func `the event that asks for it names the price`() async throws {
    let world = try FleetWorld()
    _ = try await waiting(world) { $0.maximumDuration = .seconds(3600) }
    let events = try world.store.read { (r) throws(StoreError) in try r.events(after: 0, limit: 10) }
    #expect(events.last?.event.data["price_per_hour_usd"] == .money(Money(microdollars: 400_000)))
    #expect(events.last?.event.data["total_usd"] == .money(Money(microdollars: 400_000)))
  }
}
