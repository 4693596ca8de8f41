import Domain
import Store
import TestSupport
import Testing

extension World {
  /// A machine by hand that runs, with GPUs that are this busy.
  func rentedByHand(_ utilization: Double?) async throws -> (id: ID<Instance>, market: MarketID) {
    let id = ID<Instance>(at: now)
    let tag = InstanceTag(owner: store.owner, instanceID: id)
    let order = RentalOrder(offerID: 1, label: tag.label("hand"), image: "i", diskGigabytes: 10)
    let row = Instance(id: id, order: order, label: "hand", tag: tag, gpuCount: 1, createdAt: now)
    try await store.write { (tx) throws(StoreError) in try tx.insert(row) }
    _ = try await turn {
      bootAll()
      return try instance(id).state == .running
    }
    let market = try #require(try instance(id).marketID)
    self.utilize(market, utilization)
    return (id, market)
  }

  func instance(_ id: ID<Instance>) throws -> Instance {
    guard let row = try store.read({ (r) throws(StoreError) in try r.instance(id) }) else { throw Missing() }
    return row
  }

  /// In per cent, from the next list on.
  func utilize(_ id: MarketID, _ utilization: Double?) {
    market.set(id) { $0.gpuUtilization = utilization }
  }

  func edit(_ id: ID<Job>, _ body: @escaping @Sendable (inout Job) -> Void) async throws {
    _ = try await store.write { (tx) throws(StoreError) in
      guard var job = try tx.job(id) else { return false }
      body(&job)
      return try tx.update(&job)
    }
  }
}
