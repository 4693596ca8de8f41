import Domain
import Store
import TestSupport
import Testing

/// What happens to machines under their jobs.
extension World {
  /// A running job on its first machine.
  func runningJob(_ edit: (inout JobSpecification) -> Void = { _ in }) async throws -> (job: ID<Job>, market: MarketID)
  {
    shell.change { shell in
      shell.endsAs = nil
      shell.isNewOnEachMachine = true
    }
    let id = try await submit(edit)
    _ = try await turn {
      bootAll()
      return try job(id).state == .running
    }
    let market = try #require(try instances(of: id).last?.marketID)
    return (id, market)
  }

  /// - Parameter isLost: whoever bid more stays, so that a start waits for the GPUs.
  func outbid(_ id: MarketID, isLost: Bool = true) {
    market.set(id) { instance in
      instance.actualStatus = "exited"
      instance.intendedStatus = "stopped"
    }
    if isLost { market.change { _ = $0.occupied.insert(id) } }
  }

  /// Its container ends by itself.
  func crash(_ id: MarketID, isLost: Bool = true) {
    market.set(id) { $0.actualStatus = "exited" }
    if isLost { market.change { _ = $0.occupied.insert(id) } }
  }

  func events() throws -> [RecordedEvent] {
    try store.read { (r) throws(StoreError) in try r.events(after: 0, limit: 1000) }
  }

  func runsAgain(_ id: ID<Job>, attempt: Int) async throws -> Bool {
    try await turn(rounds: 1500) {
      bootAll()
      return try job(id).state == .running && job(id).attempt == attempt
    }
  }
}
