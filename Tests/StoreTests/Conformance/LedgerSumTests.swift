import Domain
import Store
import Testing

/// The sums that are kept beside the ledger, held against the lines themselves.
@Suite struct LedgerSumTests {
  private let world: World
  private let instances = (0..<3).map { number in
    var instance = Instance.make(state: .running)
    instance.gpuName = number == 0 ? "RTX 4090" : "H100"
    instance.label = number == 2 ? "eval" : "train"
    return instance
  }

  init() throws { world = try World() }

  /// Rates and amounts of some weeks, each instance's account closed or not.
  private func facts(_ generator: inout some RandomNumberGenerator) -> [BillingEvent] {
    instances.enumerated().flatMap { number, instance in
      var at = world.now + .seconds(Int.random(in: 0..<90_000, using: &generator))
      var lines = [rate(.start, instance, at, &generator)]
      for index in 0..<Int.random(in: 2..<12, using: &generator) {
        at = at + .microseconds(Int.random(in: 0..<200_000_000_000, using: &generator))
        guard Bool.random(using: &generator) else {
          lines.append(rate(.rateChanged, instance, at, &generator))
          continue
        }
        var amount = Cost.zero
        amount.transfer = Money(microdollars: .random(in: -500...9_000, using: &generator))
        amount.gpu = Money(microdollars: .random(in: -500...500, using: &generator))
        lines.append(
          BillingEvent(
            instanceID: instance.id, jobID: nil, kind: .adjusted, at: at, amount: amount, discriminator: "\(index)"))
      }
      if number > 0 {
        lines.append(
          BillingEvent(
            instanceID: instance.id, jobID: nil, kind: .stop, at: at + .seconds(1), gpuPerHour: .zero,
            storagePerHour: .zero))
      }
      return lines
    }
  }

  private func rate(
    _ kind: BillingEvent.Kind, _ instance: Instance, _ at: Timestamp, _ generator: inout some RandomNumberGenerator
  ) -> BillingEvent {
    BillingEvent(
      instanceID: instance.id, jobID: nil, kind: kind, at: at,
      gpuPerHour: Money(
        microdollars: Bool.random(using: &generator) ? 0 : .random(in: 1...3_000_000, using: &generator)),
      storagePerHour: Money(microdollars: .random(in: 0...20_000, using: &generator)))
  }

  private func open(_ backend: Backend) async throws -> Store {
    let store = try world.open(backend)
    let instances = instances
    try await store.edit { transaction in for instance in instances { try transaction.insert(instance) } }
    return store
  }

  @Test(arguments: Backend.allCases, [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64])
  func `lines in any order, twice and late, come to the same by day, instance and label as in theirs`(
    backend: Backend, seed: UInt64
  ) async throws {
    var generator = SeededGenerator(seed: seed)
    let facts = facts(&generator)
    let shuffled = (facts + facts).shuffled(using: &generator)
    let store = try await open(backend)
    for line in shuffled { try await store.edit { try $0.append(line) } }
    let now = world.now + .seconds(35 * 86_400)
    let range = try #require(DayRange(from: world.now, to: now))
    let expected = instances.map { instance in facts.filter { $0.instanceID == instance.id }.usage(until: now) }

    var days: [String: Usage] = [:]
    for usage in expected { for (day, usage) in usage { days[day.date, default: Usage()] += usage } }
    let byDay = try store.view { try $0.summary(range, by: .day, limit: 10, now: now) }
    #expect(
      Dictionary(uniqueKeysWithValues: byDay.items.map { ($0.key ?? "", $0.usage) }).filter { $0.value != Usage() }
        == days.filter { $0.value != Usage() })

    let byInstance = try store.view { try $0.summary(range, by: .instance, limit: 10, now: now) }
    for (instance, usage) in zip(instances, expected) {
      let sum = usage.values.reduce(into: Usage()) { $0 += $1 }
      #expect(byInstance.items.first { $0.key == instance.id.rawValue }?.usage == sum)
      #expect(try store.view { try $0.usage(of: instance.id, now: now) } == sum)
      #expect(facts.filter { $0.instanceID == instance.id }.cost(until: now) == sum.cost.total)
    }
    let labels = try store.view { try $0.summary(range, by: .label, limit: 10, now: now) }
    for label in ["train", "eval"] {
      let cost = try store.view { try $0.cost(since: world.now.midnight, label: label, now: now) }
      #expect(labels.items.first { $0.key == label }?.usage.cost.total == cost)
    }
    #expect(byDay.total == byInstance.total && byInstance.total == labels.total)
    #expect(
      try store.view { try $0.cost(since: world.now.midnight, label: nil, now: now) } == byDay.total.cost.total)
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `what flows now is the rate of the last lines, and nothing after a stop`(backend: Backend) async throws {
    let store = try await open(backend)
    let (now, instances) = (world.now, instances)
    func line(_ kind: BillingEvent.Kind, _ instance: Instance, _ gpu: Int64, _ seconds: Int) -> BillingEvent {
      BillingEvent(
        instanceID: instance.id, jobID: nil, kind: kind, at: now + .seconds(seconds),
        gpuPerHour: Money(microdollars: gpu), storagePerHour: Money(microdollars: kind == .stop ? 0 : 5))
    }
    for line in [
      line(.start, instances[0], 0, 0), line(.rateChanged, instances[0], 100, 9),
      line(.rateChanged, instances[0], 70, 5),
      line(.start, instances[2], 30, 0), line(.start, instances[1], 7, 0), line(.stop, instances[1], 0, 20),
    ] {
      try await store.edit { try $0.append(line) }
    }
    #expect(try store.view { try $0.burnRate() } == Money(microdollars: 140))
    #expect(try store.view { try $0.burnRate(label: "eval") } == Money(microdollars: 35))
    #expect(try store.view { try $0.burnRate(label: "nobody") } == .zero)
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `a summary says what its limit leaves out`(backend: Backend) async throws {
    let store = try await open(backend)
    for (index, instance) in instances.enumerated() {
      var amount = Cost.zero
      amount.transfer = Money(microdollars: Int64(index + 1) * 10)
      let line = BillingEvent(
        instanceID: instance.id, jobID: nil, kind: .transfer, at: world.now, amount: amount, discriminator: "up")
      try await store.edit { try $0.append(line) }
    }
    let range = try #require(DayRange(from: world.now, to: world.now + .seconds(1)))
    let summary = try store.view { try $0.summary(range, by: .instance, limit: 1, now: world.now) }
    #expect(summary.items.map(\.key) == [instances[2].id.rawValue], "the dearest")
    #expect(summary.otherCount == 2 && summary.others.cost.total == Money(microdollars: 30))
    #expect(summary.total.cost.total == Money(microdollars: 60))
    let jobs = try store.view { try $0.summary(range, by: .job, limit: 5, now: world.now) }
    #expect(jobs.items.map(\.key) == [nil] && jobs.items[0].instances == 3, "none of them serves a job")
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `a page of the ledger shows what each line came to, newest first`(backend: Backend) async throws {
    let store = try await open(backend)
    let (now, instance, other) = (world.now, instances[0], instances[1])
    func line(_ kind: BillingEvent.Kind, _ instance: Instance, _ hours: Int, _ gpu: Int64) -> BillingEvent {
      BillingEvent(
        instanceID: instance.id, jobID: nil, kind: kind, at: now + .seconds(hours * 3600),
        gpuPerHour: Money(microdollars: gpu), storagePerHour: .zero)
    }
    var amount = Cost.zero
    amount.transfer = Money(microdollars: 11)
    let transfer = BillingEvent(
      instanceID: instance.id, jobID: nil, kind: .transfer, at: now + .seconds(7200), amount: amount,
      discriminator: "down/11")
    let lines = [
      line(.start, instance, 0, 0), line(.rateChanged, instance, 1, 500), transfer, line(.start, other, 2, 9),
      line(.rateChanged, instance, 3, 700),
    ]
    for line in lines { try await store.edit { try $0.append(line) } }
    var filter = LedgerFilter()
    filter.instanceID = instance.id
    let later = now + .seconds(5 * 3600)
    let page = try store.view { try $0.ledger(filter, PageRequest(limit: 2), now: later) }
    #expect(page.items.map(\.event) == [lines[4], transfer])
    #expect(page.items.map(\.cost.total.microdollars) == [1400, 11])
    #expect(page.items.map(\.until) == [nil, nil])
    let rest = try store.view { try $0.ledger(filter, PageRequest(limit: 9, before: page.next), now: later) }
    #expect(rest.items.map(\.event) == [lines[1], lines[0]] && rest.next == nil)
    #expect(rest.items.map(\.cost.total.microdollars) == [1000, 0])
    #expect(rest.items.map(\.until) == [lines[4].at, lines[1].at])
    filter = LedgerFilter()
    filter.from = now + .seconds(3600)
    filter.to = now + .seconds(3 * 3600)
    let between = try store.view { try $0.ledger(filter, PageRequest(limit: 9), now: later) }
    #expect(Set(between.items.map(\.event)) == [lines[1], transfer, lines[3]], "without the end")
    await store.close()
  }
}

/// SplitMix64.
private struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}
