import Domain
import JSON
import Locking
import TestSupport
import Testing

@Suite struct OrphanCallTests {
  @Test func `orphans are shown with their grace, and what Vast does not say is null`() async throws {
    let world = try APIWorld()
    let none = try await world.call("GET", "/v1/orphans").json
    #expect(none["items"] == .array([]) && none["as_of"] == .null)
    #expect(none["unlisted_spend_per_hour_usd"] == .null && none["spend_as_of"] == .null)
    world.orphans.withLock { $0 = .two }
    let answer = try await world.call("GET", "/v1/orphans").json
    guard case .array(let items) = answer["items"], items.count == 2 else { throw Unexpected(what: "no items") }
    #expect(answer["as_of"] == .string("1970-01-01T00:16:40.000Z"))
    #expect(answer["unlisted_spend_per_hour_usd"] == .number(0.5))
    #expect(answer["spend_as_of"] == .string("1970-01-01T00:16:39.000Z"))
    #expect(items[0]["provider_id"] == .integer(8))
    #expect(items[0]["label"] == .string("x #vastd/tests/ins_00000000000000000000000000"))
    #expect(items[0]["machine_id"] == .integer(5) && items[0]["gpu_name"] == .string("RTX 4090"))
    #expect(items[0]["price_per_hour_usd"] == .number(0.25))
    #expect(items[0]["first_seen_at"] == .string("1970-01-01T00:15:00.000Z"))
    #expect(items[0]["destroy_after"] == .string("1970-01-01T00:17:00.000Z"))
    #expect(items[0]["destroy_asked_at"] == .string("1970-01-01T00:17:01.000Z"))
    for name in ["label", "machine_id", "gpu_name", "price_per_hour_usd", "destroy_asked_at"] {
      #expect(items[1][name] == .null, "\(name)")
    }
    await world.close()
  }

  @Test func `orphans are for who has the token, and take no parameter`() async throws {
    let world = try APIWorld()
    #expect(try await world.call("GET", "/v1/orphans", token: nil).status == 401)
    #expect(try await world.call("GET", "/v1/orphans?limit=1").status == 400)
    await world.close()
  }
}

extension OrphanReport {
  /// One of which everything is known, and one of which nothing is.
  static var two: OrphanReport {
    var known = MarketInstance(id: MarketID(8))
    known.label = "x #vastd/tests/ins_00000000000000000000000000"
    known.machineID = 5
    known.gpuName = "RTX 4090"
    known.runningPricePerHour = Money(microdollars: 250_000)
    return OrphanReport(
      orphans: [
        Orphan(
          seen: known, firstSeenAt: Timestamp(seconds: 900), destroyAfter: Timestamp(seconds: 1020),
          destroyAskedAt: Timestamp(seconds: 1021)),
        Orphan(
          seen: MarketInstance(id: MarketID(7)), firstSeenAt: Timestamp(seconds: 800),
          destroyAfter: Timestamp(seconds: 920)),
      ], asOf: Timestamp(seconds: 1000),
      unlistedSpend: UnlistedSpend(perHour: Money(microdollars: 500_000), looks: 2, asOf: Timestamp(seconds: 999)))
  }
}
