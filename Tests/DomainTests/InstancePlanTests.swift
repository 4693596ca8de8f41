import Domain
import Testing

@Suite struct `The plan for an instance` {
  let start = Timestamp(seconds: 1_800_000_000)
  let settings = InstanceSettings()

  func instance(_ events: InstanceEvent..., edit: (inout Instance) -> Void = { _ in }) throws -> Instance {
    let id = ID<Instance>(at: start)
    let tag = InstanceTag(owner: try #require(Owner("test")), instanceID: id)
    let order = RentalOrder(offerID: 1, label: tag.label("x"), image: "i", diskGigabytes: 10)
    var row = Instance(id: id, order: order, label: "x", tag: tag, gpuCount: 1, createdAt: start)
    row.orderedAt = start
    row.acceptedAt = start
    row.marketID = MarketID(7)
    for event in events { try row.apply(event) }
    edit(&row)
    return row
  }

  func seen(_ edit: (inout MarketInstance) -> Void) -> MarketInstance {
    var seen = MarketInstance(id: MarketID(7))
    seen.intendedStatus = "running"
    edit(&seen)
    return seen
  }

  func step(
    _ row: Instance, _ list: [MarketInstance]?, after span: Duration, lastDestroy: Timestamp? = nil,
    spend witness: SpendWitness? = nil
  ) -> InstancePlan.Step {
    let observation = list.map { MarketObservation($0, startedAt: start + span, witness: witness) }
    return InstancePlan(
      for: row, observation: observation, lastDestroyCall: lastDestroy, now: start + span, settings: settings
    ).step
  }

  @Test func `a requested instance is ordered, unless it is unwanted already`() throws {
    #expect(step(try instance(), nil, after: .zero) == .create)
    #expect(step(try instance { $0.desired = .destroyed }, nil, after: .zero) == .cancel)
  }

  @Test func `an order of unknown outcome is adopted by its tag and by nothing else`() throws {
    let row = try instance(.orderSent) { $0.marketID = nil }
    let ours = seen { $0.label = row.order.label }
    let stranger = seen { $0.label = "x #vastd/other/\(row.id)" }
    #expect(step(row, [ours], after: .seconds(1)) == .adopt(ours))
    #expect(step(row, [stranger], after: .seconds(1)) == .wait)
  }

  /// Which lists count, and when the first of them may: by what else they hold, and by what the spend says.
  @Test(
    arguments: [
      (false, nil, 90), (false, .agrees, 90), (false, .contradicts, 1800), (true, nil, 270), (true, .agrees, 90),
      (true, .contradicts, 1800),
    ] as [(Bool, SpendWitness?, Int)])
  func `an order of unknown outcome is given up after two lists apart, both from after its time`(
    isEmpty: Bool, witness: SpendWitness?, seconds: Int
  ) throws {
    let row = try instance(.orderSent) { $0.marketID = nil }
    let list = isEmpty ? [] : [seen { $0.label = "somebody else's" }]
    func step(_ row: Instance, _ span: Int) -> InstancePlan.Step {
      self.step(row, list, after: .seconds(span), spend: witness)
    }
    #expect(step(row, seconds - 1) == .wait, "what is too early leaves no trace")
    #expect(step(row, seconds) == .noteAbsence, "one list proves nothing, however late")
    var once = row
    once.absences = 1
    once.absentSince = start + .seconds(seconds)
    #expect(step(once, seconds + 9) == .wait, "two lists of one lie are one witness")
    #expect(step(once, seconds + 10) == .giveUpSearching)
    once.absentSince = start + .seconds(seconds - 1)
    #expect(step(once, seconds + 60) == .noteAbsence, "a list from before its time does not count")
    #expect(self.step(once, nil, after: .seconds(4000)) == .wait, "no list is no information")
  }

  @Test func `after a restart the settling time begins anew, also for lists that counted before it`() throws {
    let row = try instance(.orderSent) { row in
      row.marketID = nil
      row.absences = 1
      row.absentSince = start + .seconds(95)
    }
    func step(after span: Int) -> InstancePlan.Step {
      let list = [seen { $0.label = "somebody else's" }]
      return InstancePlan(
        for: row, observation: MarketObservation(list, startedAt: start + .seconds(span)),
        watchedSince: start + .seconds(100), now: start + .seconds(span), settings: settings
      ).step
    }
    #expect(step(after: 189) == .wait)
    #expect(step(after: 190) == .noteAbsence)
  }

  @Test func `a destroy that came to nothing is asked for again, though lists hide the machine`() throws {
    let row = try instance(.orderSent, .created, .booted, .destroyAsked) { row in
      row.destroyAskedAt = start
      row.lastSeenAt = start + .seconds(6)
    }
    let call = start + .seconds(1)
    #expect(step(row, [], after: .seconds(8), lastDestroy: call) == .wait)
    #expect(step(row, [], after: .seconds(11), lastDestroy: call) == .destroy)
    #expect(step(row, [], after: .seconds(13), lastDestroy: start + .seconds(12)) == .confirmAbsence)
  }

  @Test func `a list begun before the order left proves nothing`() throws {
    let row = try instance(.orderSent) { $0.marketID = nil }
    #expect(step(row, [], after: .seconds(-1)) == .wait)
  }

  @Test func `a machine that came back with other ports is not looked for at the old ones`() throws {
    var row = try instance(.orderSent, .created, .booted)
    let old = SSHAddress(host: "192.0.2.1", port: 1001)
    row.directAddress = old
    row.proxyAddress = SSHAddress(host: "ssh4.vast.ai", port: 9)
    row.sshAddress = old
    #expect(row.currentSSHAddress == old)
    row.directAddress = SSHAddress(host: "192.0.2.1", port: 1002)
    #expect(row.currentSSHAddress == row.directAddress)
    row.directAddress = nil
    #expect(row.currentSSHAddress == row.proxyAddress)
    row.proxyAddress = nil
    #expect(row.currentSSHAddress == old, "while the provider names none, the last one is all there is")
  }

  @Test func `a loading instance boots when it is seen running`() throws {
    let row = try instance(.orderSent, .created)
    let up = seen { $0.actualStatus = "running" }
    #expect(step(row, [up], after: .seconds(5)) == .record(up, .booted, nil))
  }

  @Test func `an error in the status message counts when it is seen twice`() throws {
    let row = try instance(.orderSent, .created)
    let broken = seen {
      $0.actualStatus = "loading"
      $0.statusMessage = "Error response from daemon: manifest for x not found"
    }
    #expect(step(row, [broken], after: .seconds(5)) == .record(broken, nil, nil))
    var again = row
    again.errorSightings = 1
    guard case .fail(_, let failure) = step(again, [broken], after: .seconds(7)) else {
      Issue.record("the second sighting must fail it")
      return
    }
    #expect(failure.code == "image_pull_failed")
  }

  @Test func `an instance that does not start in time fails, even while lists fail`() throws {
    let row = try instance(.orderSent, .created)
    let loading = seen { $0.actualStatus = "loading" }
    for list in [[loading], nil] {
      guard case .fail(_, let failure) = step(row, list, after: .seconds(300)) else {
        Issue.record("it must fail after its start timeout")
        continue
      }
      #expect(failure.code == "start_timeout")
    }
    #expect(step(row, [loading], after: .seconds(299)) == .record(loading, nil, nil))
  }

  @Test func `after a long time down, an instance is looked at before its start counts as failed`() throws {
    let row = try instance(.orderSent, .created)
    func step(_ list: [MarketInstance]?, after span: Int) -> InstancePlan.Step {
      let now = start + .seconds(span)
      return InstancePlan(
        for: row, observation: list.map { MarketObservation($0, startedAt: now) }, watchedSince: start + .seconds(4000),
        now: now, settings: settings
      ).step
    }
    #expect(step(nil, after: 4000) == .wait)
    #expect(step(nil, after: 4299) == .wait)
    let up = seen { $0.actualStatus = "running" }
    #expect(step([up], after: 4001) == .record(up, .booted, nil))
    for list in [nil, [seen { $0.actualStatus = "loading" }]] {
      guard case .fail(_, let failure) = step(list, after: 4300) else {
        Issue.record("it had its time")
        continue
      }
      #expect(failure.code == "start_timeout")
    }
  }

  @Test func `a running instance that a list lacks is asked for only after the grace`() throws {
    let row = try instance(.orderSent, .created, .booted)
    #expect(step(row, [], after: .seconds(100)) == .noteAbsence)
    var missing = row
    missing.absentSince = start + .seconds(100)
    #expect(step(missing, [], after: .seconds(159)) == .noteAbsence)
    #expect(step(missing, [], after: .seconds(160)) == .confirmAbsence)
  }

  @Test func `an outbid instance is preempted, a stopped one was stopped from outside, a crash is seen twice`() throws {
    let running = try instance(.orderSent, .created, .booted)
    let stopped = seen {
      $0.actualStatus = "exited"
      $0.intendedStatus = "stopped"
    }
    var bid = running
    bid.order.bidPerHour = Money(microdollars: 100_000)
    guard case .record(_, .vanished, let preempted) = step(bid, [stopped], after: .seconds(50)) else {
      Issue.record("an outbid instance must be lost")
      return
    }
    #expect(preempted?.code == "preempted")
    guard case .record(_, .stopSeen, let outside) = step(running, [stopped], after: .seconds(50)) else {
      Issue.record("an on-demand instance that stops was stopped")
      return
    }
    #expect(outside?.code == "instance_stopped")
    let crashed = seen { $0.actualStatus = "exited" }
    #expect(step(running, [crashed], after: .seconds(50)) == .record(crashed, nil, nil))
  }

  @Test(arguments: [true, false])
  func `what stops under a job is started once more, and not at all when it is unwanted`(isIntended: Bool) throws {
    let over = seen {
      $0.actualStatus = "exited"
      if !isIntended { $0.intendedStatus = "stopped" }
    }
    let row = try instance(.orderSent, .created, .booted) { row in
      row.order.bidPerHour = Money(microdollars: 100_000)
      row.mayRevive = true
      row.errorSightings = 1
    }
    guard case .record(_, .stopSeen, let failure) = step(row, [over], after: .seconds(50)) else {
      Issue.record("it must be known as stopped before it is started")
      return
    }
    #expect(failure?.code == (isIntended ? "instance_exited" : "preempted"))
    let stopped = try instance(.orderSent, .created, .booted, .stopSeen) { $0.mayRevive = true }
    #expect(step(stopped, nil, after: .seconds(50)) == .start)
    var unwanted = stopped
    unwanted.desired = .destroyed
    #expect(step(unwanted, nil, after: .seconds(50)) == .destroy)
    var spent = stopped
    spent.mayRevive = false
    #expect(step(spent, [over], after: .seconds(50)) == .record(over, nil, nil))
  }

  @Test func `a start has two minutes, a first boot has five`() throws {
    let waiting = seen { $0.actualStatus = "exited" }
    for (events, edit, seconds) in [
      ([InstanceEvent.orderSent, .created], nil, 300),
      ([.orderSent, .created, .booted, .stopSeen, .startAsked], start, 120),
    ] as [([InstanceEvent], Timestamp?, Int)] {
      var row = try instance { $0.runningAt = edit }
      for event in events { try row.apply(event) }
      #expect(step(row, [waiting], after: .seconds(seconds - 1)) == .record(waiting, nil, nil))
      guard case .fail(_, let failure) = step(row, [waiting], after: .seconds(seconds)) else {
        Issue.record("it must be given up after \(seconds) s")
        return
      }
      #expect(failure.code == "start_timeout" && failure.detail.contains("\(seconds) s"))
    }
  }

  @Test(arguments: [InstanceState.loading, .running])
  func `an unwanted instance is destroyed`(state: InstanceState) throws {
    var row = try instance(.orderSent, .created)
    if state == .running { try row.apply(.booted) }
    row.desired = .destroyed
    #expect(step(row, nil, after: .seconds(1)) == .destroy)
  }

  @Test func `a destroy that was accepted is repeated while the instance is still listed`() throws {
    let row = try instance(.orderSent, .created, .destroyAsked) { $0.destroyAskedAt = start }
    let still = seen { $0.actualStatus = "running" }
    #expect(step(row, [still], after: .seconds(5), lastDestroy: start) == .wait)
    #expect(step(row, [still], after: .seconds(10), lastDestroy: start) == .destroy)
    #expect(step(row, nil, after: .seconds(60), lastDestroy: nil) == .destroy, "after a restart it is asked again")
  }

  @Test func `gone is confirmed by a read after each list that lacks it`() throws {
    let row = try instance(.orderSent, .created, .destroyAsked) { $0.destroyAskedAt = start }
    #expect(step(row, [], after: .seconds(2), lastDestroy: start) == .confirmAbsence)
    var once = row
    once.absences = 1
    once.absentSince = start + .seconds(2)
    for witness in [nil, SpendWitness.agrees] {
      let same = step(once, [], after: .seconds(2), lastDestroy: start, spend: witness)
      #expect(same == .wait, "the same list does not count twice")
    }
    #expect(step(once, [], after: .seconds(11), lastDestroy: start + .seconds(10)) == .wait, "a lie lasts some seconds")
    #expect(step(once, [], after: .seconds(12), lastDestroy: start + .seconds(10)) == .confirmAbsence)
    #expect(step(once, [], after: .seconds(3), lastDestroy: start, spend: .agrees) == .confirmAbsence)
  }

  @Test func `while money flows for what is not listed, a machine is not gone for five minutes`() throws {
    let row = try instance(.orderSent, .created, .destroyAsked) { $0.destroyAskedAt = start }
    func step(_ span: Int) -> InstancePlan.Step {
      self.step(row, [], after: .seconds(span), lastDestroy: start + .seconds(span - 1), spend: .contradicts)
    }
    #expect(step(299) == .wait)
    #expect(step(300) == .confirmAbsence)
    let running = try instance(.orderSent, .created, .booted) { $0.absentSince = start }
    #expect(self.step(running, [], after: .seconds(299), spend: .contradicts) == .noteAbsence)
    #expect(self.step(running, [], after: .seconds(300), spend: .contradicts) == .confirmAbsence)
  }

  @Test func `the spend contradicts a list when more flows than all that is listed may cost`() {
    var listed = MarketInstance(id: MarketID(7))
    listed.runningPricePerHour = Money(microdollars: 400_000)
    func unexplained(_ gpu: Int64, _ storage: Int64, by instances: [MarketInstance]) -> Money? {
      MarketSpend(
        gpuPerHour: Money(microdollars: gpu), storagePerHour: Money(microdollars: storage), asOf: start
      ).unexplained(by: instances)
    }
    #expect(unexplained(0, 0, by: []) == .zero)
    #expect(unexplained(0, 500, by: []) == .zero, "rounding")
    #expect(unexplained(0, 501, by: []) == Money(microdollars: 501), "a small disk")
    #expect(unexplained(390_000, 10_000, by: [listed]) == .zero)
    #expect(unexplained(394_500, 10_000, by: [listed]) == .zero, "a hundredth and the tolerance")
    #expect(unexplained(394_501, 10_000, by: [listed]) == Money(microdollars: 4_501))
    #expect(
      unexplained(0, 0, by: [MarketInstance(id: MarketID(8))]) == nil, "an instance without a price explains anything")
  }

  @Test(
    arguments: [
      // status of the one that is listed, spent on GPUs, usual, what is said
      ("running", 390_000, 0, .agrees), ("running", 395_000, 0, .contradicts),
      ("exited", 0, 0, .agrees), ("exited", 300_000, 0, nil), ("exited", 395_000, 0, .contradicts),
      (nil, 300_000, 0, nil), ("running", 690_000, 300_000, .agrees), ("running", 691_000, 300_000, .contradicts),
    ] as [(String?, Int64, Int64, SpendWitness?)])
  func `the spend agrees only with what the listed machines cost as they are`(
    status: String?, gpu: Int64, usual: Int64, said: SpendWitness?
  ) {
    var listed = MarketInstance(id: MarketID(7))
    listed.actualStatus = status
    listed.runningPricePerHour = Money(microdollars: 400_000)
    listed.storagePricePerHour = Money(microdollars: 10_000)
    let spend = MarketSpend(
      gpuPerHour: Money(microdollars: gpu), storagePerHour: Money(microdollars: 10_000), asOf: start)
    #expect(spend.witness(to: [listed], usual: Money(microdollars: usual)) == said)
    #expect(spend.witness(to: [listed, MarketInstance(id: MarketID(8))], usual: .zero) == nil)
  }

  @Test func `a row answers for its own machine while either lives, and for one without a number while it orders`()
    throws
  {
    let (own, other) = (MarketID(7), MarketID(8))
    let creating = try instance(.orderSent) { $0.marketID = nil }
    #expect(creating.claims(own), "the search by tag will adopt it")
    let live: [[InstanceEvent]] = [
      [.orderSent, .created], [.orderSent, .created, .booted], [.orderSent, .created, .booted, .stopSeen],
      [.orderSent, .created, .vanished], [.orderSent, .created, .destroyAsked],
    ]
    for events in live {
      var row = try instance()
      for event in events { try row.apply(event) }
      #expect(row.claims(own))
      #expect(!row.claims(other), "a second rental under one tag")
    }
    for row in [
      try instance(.orderSent, .neverCreated), try instance(.orderSent, .created, .destroyAsked, .goneProven),
    ] {
      #expect(!row.claims(own))
    }
  }

  @Test func `SSH is looked for where the provider says and nowhere beside`() throws {
    let direct = SSHAddress(host: "192.0.2.7", port: 40_022)
    let proxy = SSHAddress(host: "ssh5.example", port: 17_000)
    let row = try instance(.orderSent, .created, .booted) { row in
      row.directAddress = direct
      row.proxyAddress = proxy
    }
    #expect(row.sshCandidates == [direct, proxy])
    let odd = try instance(.orderSent, .created, .booted) { $0.proxyAddress = SSHAddress(host: "-oX", port: 22) }
    #expect(odd.sshCandidates.isEmpty)
  }
}
