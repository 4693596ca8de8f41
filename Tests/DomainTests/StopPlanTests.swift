import Domain
import Testing

@Suite struct `The plan for an idle machine` {
  let start = Timestamp(seconds: 1_800_000_000)

  /// It runs since the start and was idle at the looks of the seconds 0, 60 and 90.
  private func idle(_ edit: (inout Instance) -> Void = { _ in }) throws -> Instance {
    let id = ID<Instance>(at: start)
    let tag = InstanceTag(owner: try #require(Owner("test")), instanceID: id)
    let order = RentalOrder(offerID: 1, label: tag.label("x"), image: "i", diskGigabytes: 10)
    var row = Instance(id: id, order: order, label: "x", tag: tag, gpuCount: 1, createdAt: start)
    row.marketID = MarketID(7)
    row.acceptedAt = start - .seconds(60)
    for event in [InstanceEvent.orderSent, .created, .booted] { try row.apply(event) }
    for second in [0, 60, 90] { row.observe(seen(), at: start + .seconds(second)) }
    edit(&row)
    return row
  }

  /// The same, with a stop that was asked for in second 100.
  private func stopping() throws -> Instance {
    var row = try idle { $0.wantStopped(for: idleness) }
    try row.apply(.stopAsked)
    row.idleStop?.askedAt = start + .seconds(100)
    return row
  }

  private var idleness: Idleness { Idleness(span: .seconds(90), cost: .zero) }

  private func seen(
    _ utilization: Double? = 0, status: String = "running", intended: String? = "running"
  ) -> MarketInstance {
    var seen = MarketInstance(id: MarketID(7))
    seen.actualStatus = status
    seen.intendedStatus = intended
    seen.gpuUtilization = utilization
    return seen
  }

  /// - Parameter bound: nil for a service without one.
  private func step(
    _ row: Instance, _ seen: MarketInstance?, after second: Int, bound: Int? = 120, serves: Bool = false
  ) -> InstancePlan.Step {
    var settings = InstanceSettings()
    settings.idleGPUStop = bound.map { .seconds($0) }
    let now = start + .seconds(second)
    return InstancePlan(
      for: row, observation: seen.map { MarketObservation([$0], startedAt: now) },
      unusedSince: serves ? nil : row.createdAt, now: now, settings: settings
    ).step
  }

  @Test func `it is wanted stopped by the look that completes its time`() throws {
    let row = try idle()
    #expect(step(row, seen(), after: 119) == .record(seen(), nil, nil))
    #expect(
      step(row, seen(), after: 120) == .wantStopped(seen(), Idleness(span: .seconds(120), cost: .zero)))
    #expect(step(row, nil, after: 500) == .wait, "without a look nothing is known")
  }

  @Test func `it runs on without a policy, under a job, at work, and when nobody knows`() throws {
    let row = try idle()
    #expect(step(row, seen(), after: 120, bound: nil) == .record(seen(), nil, nil))
    #expect(step(row, seen(), after: 120, serves: true) == .record(seen(), nil, nil))
    for utilization in [50, nil] as [Double?] {
      #expect(step(row, seen(utilization), after: 120) == .record(seen(utilization), nil, nil))
    }
    #expect(step(row, seen(), after: 181) == .record(seen(), nil, nil), "nobody looked for too long")
  }

  @Test func `wanted stopped, it is asked to, with a new look or right after the last`() throws {
    let row = try idle { $0.wantStopped(for: idleness) }
    #expect(step(row, seen(), after: 120, bound: 90) == .stop)
    #expect(step(row, nil, after: 91, bound: 90) == .stop)
    #expect(step(row, nil, after: 181, bound: 90) == .wait, "an old wish waits for a look")
  }

  @Test func `a look that shows it at work calls the stop off before it was asked for`() throws {
    let row = try idle { $0.wantStopped(for: idleness) }
    #expect(step(row, seen(50), after: 120, bound: 90) == .wantRunning(seen(50)))
    #expect(step(row, seen(nil), after: 120, bound: 90) == .wantRunning(seen(nil)))
    #expect(step(row, seen(), after: 181, bound: 90) == .wantRunning(seen()), "after a gap its time begins anew")
    #expect(step(row, seen(), after: 120, bound: nil) == .wantRunning(seen()), "the policy was switched off")
    #expect(step(row, seen(), after: 120, bound: 90, serves: true) == .wantRunning(seen()))
  }

  @Test func `a stop that was not heard is asked for again, one that was is waited for`() throws {
    let row = try stopping()
    #expect(step(row, seen(), after: 109) == .record(seen(), nil, nil))
    #expect(step(row, seen(), after: 110) == .stop)
    #expect(step(row, nil, after: 500) == .wait)
    let heard = seen(intended: "stopped")
    #expect(step(row, heard, after: 200) == .record(heard, nil, nil))
    // Busy or not: what was asked for happens.
    #expect(step(row, seen(99, intended: "stopped"), after: 200) == .record(seen(99, intended: "stopped"), nil, nil))
  }

  @Test func `a row that tells no intention does not say that a stop was heard while the container is up`() throws {
    let row = try stopping()
    let mute = seen(intended: nil)
    #expect(step(row, mute, after: 109) == .record(mute, nil, nil))
    #expect(step(row, mute, after: 110) == .stop)
  }

  @Test(arguments: ["exited", "stopped"])
  func `it has stopped when the container is down and meant to be, and that is no failure`(status: String) throws {
    let row = try stopping()
    for intended in ["stopped", nil] {
      let down = seen(status: status, intended: intended)
      #expect(step(row, down, after: 105) == .record(down, .stopSeen, nil))
    }
    let crashed = seen(status: status)
    #expect(step(row, crashed, after: 105) == .record(crashed, nil, nil))
    #expect(step(row, crashed, after: 110) == .stop)
    var stopped = row
    try stopped.apply(.stopSeen)
    let down = seen(status: status, intended: "stopped")
    #expect(step(stopped, down, after: 200) == .record(down, nil, nil), "it stays")
    #expect(step(stopped, seen(), after: 200) == .record(seen(), .booted, nil), "somebody started it")
  }

  @Test func `who wants it destroyed is heard before and after`() throws {
    for var row in [try idle { $0.wantStopped(for: idleness) }, try stopping()] {
      row.desired = .destroyed
      #expect(step(row, seen(), after: 120) == .destroy)
    }
  }
}
