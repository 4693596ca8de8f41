import Domain
import Locking
import Logging
import Reconcilers
import Store
import TestSupport
import Testing

@Suite struct `The watcher of the provider` {
  private let world: World
  private let watcher: ProviderWatcher
  private let status = Locked(ProviderStatus(lastSuccessAt: Timestamp(seconds: 1_800_000_000)))
  private let counted = Locked<[String]>([])

  init() throws {
    world = try World()
    let (world, status, counted) = (world, status, counted)
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    watcher = ProviderWatcher(
      store: world.store, status: { status.withLock { $0 } },
      counted: { event in counted.withLock { $0.append(event.type) } },
      now: { world.now }, logger: logger)
  }

  private func events() throws -> [FleetEvent] {
    try world.store.read { (r) throws(StoreError) in try r.events(after: 0, limit: 100) }.map(\.event)
  }

  private func see(_ circuit: CircuitState, _ failure: Failure? = nil) async -> Outcome {
    status.withLock { status in
      status.circuit = circuit
      status.error = failure
    }
    return await watcher.activate()
  }

  @Test func `tells once that the provider fails and once that it is back`() async throws {
    #expect(await see(.closed).changed == 0)
    #expect(await see(.open, Failure(code: "provider_unavailable", detail: "down")).changed == 1)
    world.clock.advance(by: .seconds(10))
    #expect(await see(.halfOpen).changed == 0)
    #expect(await see(.open).changed == 0)
    world.clock.advance(by: .seconds(20))
    #expect(await see(.closed).changed == 1)
    #expect(await see(.closed).changed == 0)
    #expect(try events().map(\.type) == ["provider.degraded", "provider.recovered"])
    #expect(try events().map(\.subject) == ["vastai", "vastai"])
    #expect(try events().map(\.data) == [["code": "provider_unavailable"], ["degraded_for_s": 30]])
    #expect(counted.withLock { $0 } == ["provider.degraded", "provider.recovered"])
  }

  @Test func `after a restart in an outage tells of the end once somebody was answered, and of no second beginning`()
    async throws
  {
    _ = await see(.open)
    // A new process: its circuit is closed because nobody has asked yet.
    status.withLock { $0.lastSuccessAt = nil }
    #expect(await see(.closed).changed == 0)
    #expect(await see(.open).changed == 0)
    #expect(await see(.closed).changed == 0)
    status.withLock { $0.lastSuccessAt = world.now }
    #expect(await see(.closed).changed == 1)
    #expect(try events().map(\.type) == ["provider.degraded", "provider.recovered"])
  }

  @Test func `says so when the store fails, and tells it later`() async throws {
    await world.store.close()
    #expect(await see(.open).failures == 1)
    #expect(counted.withLock { $0.isEmpty })
  }
}
