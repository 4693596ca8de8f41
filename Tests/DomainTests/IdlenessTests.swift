import Domain
import Testing

@Suite struct `Idle GPUs` {
  let start = Timestamp(seconds: 1_800_000_000)

  /// A machine that runs at $0.36 an hour for its GPUs, a hundred micro-dollars a second.
  private func running() throws -> Instance {
    let id = ID<Instance>(at: start)
    let tag = InstanceTag(owner: try #require(Owner("test")), instanceID: id)
    let order = RentalOrder(offerID: 1, label: tag.label("x"), image: "i", diskGigabytes: 10)
    var row = Instance(id: id, order: order, label: "x", tag: tag, gpuCount: 1, createdAt: start)
    row.storagePerHour = Money(microdollars: 40_000)
    row.pricePerHour = Money(microdollars: 400_000)
    for event in [InstanceEvent.orderSent, .created, .booted] { try row.apply(event) }
    return row
  }

  /// Looks at it after so many seconds.
  private func look(
    _ row: inout Instance, at second: Int, _ utilization: Double?, status: String = "running", dollars: Double? = nil
  ) {
    var seen = MarketInstance(id: MarketID(7))
    seen.actualStatus = status
    seen.gpuUtilization = utilization
    seen.runningPricePerHour = dollars.flatMap { Money(dollars: $0) }
    row.observe(seen, at: start + .seconds(second))
  }

  private func looked(_ looks: (Int, Double?)...) throws -> Instance {
    var row = try running()
    for (second, utilization) in looks { look(&row, at: second, utilization) }
    return row
  }

  @Test func `the time between two looks that show them idle is idle time, at the GPUs' price`() throws {
    let row = try looked((0, 0), (30, 4.9), (60, 0))
    #expect(row.idleTime == .seconds(60) && row.watchedTime == .seconds(60))
    #expect(row.idleCost == Money(microdollars: 6000))
    #expect(row.idleSince == start && row.gpuUtilization == 0)
  }

  @Test func `from five per cent on they are busy, and the time around a busy look is not idle`() throws {
    let row = try looked((0, 0), (30, 5), (60, 0), (90, 1))
    #expect(row.idleTime == .seconds(30) && row.watchedTime == .seconds(90))
    #expect(row.idleSince == start + .seconds(60))
    #expect(try looked((0, 0), (30, 99)).idleSince == nil)
  }

  @Test(arguments: [nil, -1, Double.nan])
  func `what a look does not tell is unknown and never idle`(utilization: Double?) throws {
    var row = try looked((0, 0), (30, utilization))
    #expect(row.idleSince == nil && row.gpuUtilization == nil)
    look(&row, at: 60, 0)
    #expect(row.idleTime == .zero && row.watchedTime == .zero && row.idleCost == .zero)
    #expect(row.idleSince == start + .seconds(60))
  }

  @Test func `time that nobody watched counts as nothing, and idleness begins anew after it`() throws {
    var row = try looked((0, 0), (90, 0))
    #expect(row.idleTime == .seconds(90))
    look(&row, at: 181, 0)
    #expect(row.idleTime == .seconds(90) && row.watchedTime == .seconds(90))
    #expect(row.idleSince == start + .seconds(181))
  }

  @Test func `looks that come twice or late add nothing twice`() throws {
    let seconds = [0, 30, 30, 20, 60, 0, 60, 45, 90, 90]
    var row = try running()
    for second in seconds { look(&row, at: second, 0) }
    #expect(row.idleTime == .seconds(90) && row.watchedTime == .seconds(90))
    #expect(row.idleCost == Money(microdollars: 9000))
    #expect(row.idleSince == start)
    // A late look does not say how busy they are now.
    look(&row, at: 80, 77)
    #expect(row.gpuUtilization == 0 && row.idleSince == start)
  }

  @Test func `idle time costs what the GPUs cost in it, not what they cost by now`() throws {
    var row = try looked((0, 0))
    look(&row, at: 60, 0, dollars: 40)
    #expect(row.idleCost == Money(microdollars: 6000))
  }

  @Test func `what a machine shows that is not up says nothing`() throws {
    var row = try looked((0, 0), (30, 0))
    look(&row, at: 60, 0, status: "exited")
    #expect(row.gpuUtilization == nil && row.idleSince == nil)
    look(&row, at: 90, 0)
    #expect(row.idleTime == .seconds(30))
  }

  @Test func `a machine that is asked to stop or to go is idle no longer, and keeps what it has wasted`() throws {
    for event in [InstanceEvent.stopAsked, .destroyAsked, .vanished, .stopSeen] {
      var row = try looked((0, 0), (30, 0))
      try row.apply(event)
      #expect(row.gpuUtilization == nil && row.idleSince == nil && row.idleTime == .seconds(30), "\(event)")
      look(&row, at: 60, 0)
      #expect(row.idleTime == .seconds(30), "\(event)")
    }
  }

  @Test func `the look that shows it up is the first, not the end of a span`() throws {
    var row = try running()
    row.restore(state: .loading)
    look(&row, at: 0, 0)
    try row.apply(.booted)
    look(&row, at: 30, 0)
    #expect(row.watchedTime == .zero && row.idleSince == start + .seconds(30))
  }

  // MARK: Too long

  @Test func `idleness is long enough at the last look or not at all, and counts from a start`() throws {
    let row = try looked((0, 0), (60, 0), (120, 0))
    let idle = row.idleness(ofAtLeast: .seconds(120), since: row.createdAt)
    #expect(idle == Idleness(span: .seconds(120), cost: Money(microdollars: 12_000)))
    #expect(row.idleness(ofAtLeast: .seconds(121), since: start) == nil)
    #expect(row.idleness(ofAtLeast: .seconds(60), since: start + .seconds(60))?.span == .seconds(60))
    #expect(row.idleness(ofAtLeast: .seconds(60), since: start + .seconds(61)) == nil)
    #expect(try looked((0, 0), (60, 0), (120, 50)).idleness(ofAtLeast: .seconds(1), since: start) == nil)
  }

  @Test(
    arguments: [
      // its own bound, the service's, whether it is ended after 120 s
      (nil, nil, false), (120, nil, true), (121, nil, false), (nil, 120, true), (nil, 121, false), (121, 60, false),
      (60, 600, true),
    ] as [(Int?, Int?, Bool)])
  func `a command is ended by its own bound, else by the service's`(own: Int?, standard: Int?, isEnded: Bool) throws {
    let row = try looked((0, 0), (60, 0), (120, 0))
    var job = job(.running)
    job.specification.maximumGPUIdle = own.map { .seconds($0) }
    let failure = job.idleFailure(on: row, unlessSaid: standard.map { .seconds($0) })
    #expect((failure != nil) == isEnded)
    guard let failure else { return }
    #expect(failure.code == "gpu_idle" && !failure.isRetryable && !failure.isLossOfWork && !failure.warnsOthers)
    #expect(failure.detail == "The GPUs were idle for 120 s, which cost $0.012, and the command was ended.")
  }

  @Test func `only the time since the command began counts, and only while it runs`() throws {
    let row = try looked((0, 0), (60, 0), (120, 0))
    var running = job(.running)
    running.startedAt = start + .seconds(61)
    #expect(running.idleFailure(on: row, unlessSaid: .seconds(60)) == nil)
    for state in [JobState.provisioning, .starting, .collecting, .cleaningUp] {
      #expect(job(state).idleFailure(on: row, unlessSaid: .seconds(60)) == nil)
    }
  }

  @Test func `what was decided once stands, whatever later looks show`() throws {
    let busy = try looked((0, 0), (60, 50))
    var job = job(.running)
    job.failure = Idleness(span: .seconds(60), cost: .zero).failure
    #expect(job.idleFailure(on: busy, unlessSaid: nil) == job.failure)
  }

  private func job(_ state: JobState) -> Job {
    var job = Job(
      id: ID(at: start), specification: JobSpecification(command: "c"), state: state, createdAt: start)
    job.startedAt = start
    return job
  }
}
