import Domain
import SQLiteDriver
@testable import Store
import Testing

@Suite struct `A ledger from before its sums` {
  @Test func `is added up by the migration as if every line had come after it`() async throws {
    let world = try World()
    let now = world.now
    let instances = (0..<2).map { _ in Instance.make(state: .running) }
    let old = try Store(
      driver: SQLiteDriver(path: world.path), owner: nil,
      migrations: Array(Migration.all(for: .sqlite).prefix { $0.version < 5 }), now: { now })
    await old.close()

    var lines: [BillingEvent] = []
    for (number, instance) in instances.enumerated() {
      for step in 0..<7 {
        lines.append(
          BillingEvent(
            instanceID: instance.id, jobID: nil, kind: step == 0 ? .start : .rateChanged,
            at: now + .microseconds(Int64(step) * 61_234_567_891),
            gpuPerHour: Money(microdollars: Int64(step % 3) * 412_347),
            storagePerHour: Money(microdollars: 9_871)))
      }
      if number == 1 {
        lines.append(
          BillingEvent(
            instanceID: instance.id, jobID: nil, kind: .stop, at: now + .seconds(500_000), gpuPerHour: .zero,
            storagePerHour: .zero))
      }
    }
    let raw = try RawDatabase(world.path)
    // As the release before wrote them, which knew no column of a later one.
    for instance in instances {
      try raw.run(
        """
        INSERT INTO instances (
          id, version, created_at, tag, state, desired, label, market_id, gpu_count, cost, has_secrets, rental_order)
        VALUES (
          '\(instance.id)', 0, \(now.microseconds), '\(instance.tag)', 'running', 'running', 'train',
          \(instance.marketID!.rawValue), 1, 0, 0, '{"offer_id":7,"label":"x","disk_gb":64}')
        """)
    }
    for line in lines {
      try raw.run(
        """
        INSERT INTO ledger (key, instance_id, kind, at, gpu_per_hour, storage_per_hour) VALUES (
          '\(line.key)', '\(line.instanceID)', '\(line.kind.rawValue)', \(line.at.microseconds),
          \(line.gpuPerHour.microdollars), \(line.storagePerHour.microdollars))
        """)
    }

    let store = try world.open()
    let end = now + .seconds(700_000)
    let range = try #require(DayRange(from: now, to: end))
    let summary = try store.view { try $0.summary(range, by: .day, limit: 99, now: end) }
    var expected: [String: Usage] = [:]
    for instance in instances {
      let own = lines.filter { $0.instanceID == instance.id }
      #expect(try store.view { try $0.billingEvents(of: instance.id) } == own)
      for (day, usage) in own.usage(until: end) { expected[day.date, default: Usage()] += usage }
    }
    #expect(Dictionary(uniqueKeysWithValues: summary.items.map { ($0.key ?? "", $0.usage) }) == expected)
    #expect(try store.view { try $0.burnRate() } == lines[6].gpuPerHour + lines[6].storagePerHour)
    await store.close()
  }
}
