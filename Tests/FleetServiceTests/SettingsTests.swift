import Domain
import FleetService
import Locking
import Logging
import Store
import TestSupport
import Testing

@Suite struct `Settings` {
  private let world: FleetWorld
  private let configured = ServiceSettings(rateLimitMode: .queue, isFallback: false, pollInterval: .seconds(30))

  init() throws { world = try FleetWorld() }

  /// As after a restart, with a configuration of its own.
  private func reopened(_ configured: ServiceSettings) throws -> LiveSettings {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return try LiveSettings(configured: configured, store: world.store, logger: logger)
  }

  @Test func `are those of the configuration until somebody changes them`() {
    #expect(world.fleet.settings().current == configured)
    #expect(world.fleet.settings().changed == SettingOverrides())
  }

  @Test func `change at once, wake the poller, and outlive a restart over any configuration`() async throws {
    var changes = SettingChanges()
    changes.rateLimitMode = .set(.reject)
    changes.pollInterval = .set(.milliseconds(1500))
    let wakings = world.surroundings.withLock { $0.instanceWakings }
    try await world.fleet.changeSettings(changes)
    let wanted = ServiceSettings(rateLimitMode: .reject, isFallback: false, pollInterval: .milliseconds(1500))
    #expect(world.fleet.settings().current == wanted)
    #expect(world.surroundings.withLock { $0.instanceWakings } == wakings + 1)
    let other = ServiceSettings(rateLimitMode: .queue, isFallback: true, pollInterval: .seconds(5))
    let again = try reopened(other)
    #expect(
      again.current == ServiceSettings(rateLimitMode: .reject, isFallback: true, pollInterval: .milliseconds(1500)))
    #expect(again.changed.isFallback == nil)
  }

  @Test func `that are given back follow the configuration again, and the others stay`() async throws {
    var changes = SettingChanges()
    changes.rateLimitMode = .set(.reject)
    changes.isFallback = .set(true)
    changes.pollInterval = .set(.seconds(1))
    try await world.fleet.changeSettings(changes)
    changes = SettingChanges()
    changes.rateLimitMode = .giveBack
    changes.pollInterval = .giveBack
    try await world.fleet.changeSettings(changes)
    #expect(
      world.fleet.settings().current
        == ServiceSettings(rateLimitMode: .queue, isFallback: true, pollInterval: .seconds(30)))
    #expect(try reopened(configured).changed.isFallback == true)
    #expect(try reopened(configured).changed.rateLimitMode == nil)
  }

  @Test func `that cannot be written stay as they were`() async throws {
    await world.store.close()
    var changes = SettingChanges()
    changes.isFallback = .set(true)
    await #expect(throws: FleetError.self) { try await world.fleet.changeSettings(changes) }
    #expect(world.fleet.settings().current == configured)
  }

  @Test func `that this version cannot read are as if they were not there`() async throws {
    try await world.store.write { (tx) throws(StoreError) in
      try tx.setSetting("api.rate_limit_mode", "shrug")
      try tx.setSetting("api.fallback", "perhaps")
      try tx.setSetting("api.poll_interval", "0")
    }
    #expect(try reopened(configured).current == configured)
  }

  @Test func `of many who change them at once the last one written applies, also after a restart`() async throws {
    await withTaskGroup(of: Void.self) { group in
      for second in 1...40 {
        group.addTask { [world] in
          var changes = SettingChanges()
          changes.pollInterval = .set(.seconds(second))
          do { try await world.fleet.changeSettings(changes) } catch { Issue.record("\(error)") }
        }
      }
    }
    #expect(world.fleet.settings().current == (try reopened(configured).current))
    #expect(world.fleet.settings().changed.pollInterval != nil)
  }
}
