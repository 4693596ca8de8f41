import Domain
import FleetService
import Locking
import Store
import TestSupport
import Testing

@Suite struct Health {
  private func makeWorld() throws -> FleetWorld {
    let world = try FleetWorld()
    world.surroundings.withLock { $0.poller.lastPollAt = $0.time }
    return world
  }

  @Test func `is good when everything answers, and counts the jobs`() async throws {
    let world = try makeWorld()
    for state in [JobState.queued, .running, .collecting, .succeeded] {
      try await world.bring(try await world.job(), to: state)
    }
    _ = try await world.job { $0.approval = .required }
    let report = world.fleet.health()
    #expect(report.status == .healthy)
    #expect(report.runningJobs == 2)
    #expect(report.queuedJobs == 2, "what waits for approval waits too")
    #expect(report.databaseLatency != nil)
    #expect(report.uptime > .zero)
  }

  @Test func `is degraded while Vast fails, with its words`() throws {
    let world = try makeWorld()
    let failure = Failure(code: "provider_unavailable", detail: "down", isRetryable: true)
    world.surroundings.withLock { $0.provider.error = failure }
    let report = world.fleet.health()
    #expect(report.status == .degraded)
    #expect(report.providerStatus == .degraded)
    #expect(report.provider.error == failure)
    #expect(report.databaseStatus == .healthy)
  }

  @Test(arguments: [CircuitState.open, .halfOpen])
  func `is degraded while the circuit is not closed, also without an error`(circuit: CircuitState) throws {
    let world = try makeWorld()
    world.surroundings.withLock { $0.provider.circuit = circuit }
    #expect(world.fleet.health().providerStatus == .degraded)
    #expect(world.fleet.health().status == .degraded)
  }

  @Test func `is degraded when the list is late or failed`() throws {
    let world = try makeWorld()
    world.advance(by: .seconds(99))
    #expect(world.fleet.health().pollerStatus == .healthy, "one list may fail and the next may wait for its turn")
    world.advance(by: .seconds(2))
    let late = world.fleet.health()
    #expect(late.pollerStatus == .degraded)
    #expect(late.status == .degraded)
    #expect((late.pollLag ?? .zero) > .seconds(100))
    world.surroundings.withLock { state in
      state.poller.lastPollAt = state.time
      state.poller.error = Failure(code: "malformed_answer", detail: "half a list")
    }
    #expect(world.fleet.health().pollerStatus == .degraded)
  }

  @Test func `gives a first list its time after the start`() throws {
    let world = try FleetWorld()
    #expect(world.fleet.health().pollerStatus == .healthy)
    #expect(world.fleet.health().pollLag == nil)
    world.advance(by: .seconds(101))
    #expect(world.fleet.health().pollerStatus == .degraded)
  }

  @Test func `is bad without the store, whatever else is well, and then nothing is ready`() async throws {
    let world = try makeWorld()
    #expect(world.fleet.isReady)
    await world.store.close()
    let report = world.fleet.health()
    #expect(report.status == .unhealthy)
    #expect(report.databaseStatus == .unhealthy)
    #expect(report.databaseError != nil)
    #expect(!world.fleet.isReady)
  }

  @Test func `of a service that drains is good, and it is not ready`() throws {
    let world = try makeWorld()
    world.fleet.beginDraining()
    #expect(!world.fleet.isReady)
    #expect(world.fleet.health().status == .healthy)
  }
}
