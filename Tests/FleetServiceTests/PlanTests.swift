import Domain
import FleetService
import TestSupport
import Testing

@Suite struct `Planning a job` {
  private func plan(_ world: FleetWorld, _ edit: (inout JobSpecification) -> Void = { _ in }) async throws -> JobPlan {
    var specification = JobSpecification(command: "true")
    edit(&specification)
    return try await world.fleet.plan(specification)
  }

  @Test func `shows the offers in their order, the chosen one and its price, and does nothing`() async throws {
    let world = try FleetWorld()
    let plan = try await plan(world) { $0.resources.diskGigabytes = 72 }
    #expect(plan.candidates.map(\.id) == [1, 2, 3])
    #expect(plan.chosen?.id == 1)
    #expect(plan.pricePerHour == Money(microdollars: 400_000))
    // 0.15 dollars for a gigabyte and 720 hours.
    #expect(plan.storagePerHour == Money(microdollars: 15_000))
    #expect(plan.total == nil, "an unbounded job has no total")
    #expect(try world.jobCount() == 0)
    #expect(world.market.snapshot.calls == [.search])
  }

  @Test func `has a total when the job bounds its time`() async throws {
    let plan = try await plan(try FleetWorld()) { $0.maximumDuration = .seconds(5400) }
    #expect(plan.total == Money(microdollars: 600_000))
  }

  @Test func `prices an interruptible job by its bid and its disk`() async throws {
    let plan = try await plan(try FleetWorld()) { specification in
      specification.resources.isInterruptible = true
      specification.resources.bidPerHour = Money(microdollars: 100_000)
      specification.resources.diskGigabytes = 72
    }
    #expect(plan.pricePerHour == Money(microdollars: 115_000))
  }

  @Test func `follows the selection`() async throws {
    #expect(try await plan(try FleetWorld()) { $0.resources.selection = .secondCheapest }.chosen?.id == 2)
  }

  @Test func `without an offer has no price, and is an answer all the same`() async throws {
    let plan = try await plan(try FleetWorld()) { $0.resources.gpuName = "RTX 9999" }
    #expect(plan.chosen == nil)
    #expect(plan.pricePerHour == nil)
    #expect(plan.storagePerHour == nil)
    #expect(plan.candidates.isEmpty)
  }

  @Test func `shows what runs already, and not what is gone`() async throws {
    let world = try FleetWorld()
    let live = try await world.instance(for: nil, [.orderSent, .created])
    _ = try await world.instance(for: nil, [.cancelled])
    #expect(try await plan(world).active.map(\.id) == [live.id])
  }

  @Test func `says that Vast cannot be asked`() async throws {
    let world = try FleetWorld()
    world.market.change { $0.failures[.search] = [.quotaExceeded(retryAfter: .seconds(60))] }
    let error = try await fault { try await plan(world) }
    #expect(error == .market(.quotaExceeded(retryAfter: .seconds(60))))
  }
}
