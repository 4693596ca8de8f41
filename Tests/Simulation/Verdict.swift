import Domain
import Store

/// What must hold at rest, and was not noticed when it happened: read from the provider's truth and from the rows.
struct Verdict {
  private let vast: Vast
  private let caller: Caller
  private let receiver: Receiver
  private let jobs: [Job]
  private let instances: [Instance]
  private let events: [RecordedEvent]
  private let ledgers: [ID<Instance>: [BillingEvent]]
  /// Of each contract that a row knows.
  private(set) var audits: [Audit] = []
  private(set) var violations: [String] = []

  /// - Parameter log: what vastd has kept of a job's output.
  init(vast: Vast, caller: Caller, receiver: Receiver, store: Store, log: @escaping (ID<Job>) throws -> [UInt8]) throws
  {
    self.vast = vast
    self.caller = caller
    self.receiver = receiver
    (jobs, instances, events) = try store.read { (r) throws(StoreError) in
      (
        try r.jobs(JobFilter(), PageRequest(limit: 1000)).items,
        try r.instances(InstanceFilter(), PageRequest(limit: 1000)).items, try r.events(after: 0, limit: 100_000)
      )
    }
    let books = try Books(of: store, at: vast.thread.now)
    ledgers = books.lines
    violations = books.violations
    leaks()
    rentals()
    accounts()
    meters()
    dailyBudget()
    moves()
    deliveries()
    successors()
    checkpoints()
    promises()
    try logs(log)
  }

  private mutating func violate(_ text: String) { violations.append(text) }

  private mutating func leaks() {
    for contract in vast.alive { violate("leak: \(contract.id) \(contract.label) is alive") }
    for instance in instances where !instance.state.isFinal { violate("stuck: \(instance.id) is \(instance.state)") }
    for job in jobs where !job.state.isFinal {
      violate("stuck: \(job.id) is \(job.state), \(String(describing: job.failure))")
    }
    for contract in vast.contracts.values where !vast.isOurs(contract) && !contract.isAlive {
      violate("a stranger was harmed: \(contract.id) is gone")
    }
  }

  private mutating func rentals() {
    let rows = Dictionary(uniqueKeysWithValues: instances.map { ($0.id, $0) })
    for contract in vast.contracts.values.sorted(by: { $0.id < $1.id }) where vast.isOurs(contract) {
      guard let tag = InstanceTag(inLabel: contract.label), let row = rows[tag.instanceID] else {
        violate("no row: \(contract.id) \(contract.label)")
        continue
      }
      guard row.marketID == contract.id else { continue }
      if row.state == .destroyed, let gone = contract.destroyedAt, let said = row.destroyedAt,
        said < OneThread.epoch + gone
      {
        violate("gone too early: \(row.id) counts as destroyed before the provider destroyed it")
      }
      if ledgers[row.id]?.isEmpty ?? true { violate("no ledger: \(row.id) lived as \(contract.id)") }
    }
  }

  private mutating func accounts() {
    for (id, lines) in ledgers.sorted(by: { $0.key < $1.key }) where !lines.isEmpty {
      let kinds = lines.map(\.kind)
      let isWhole =
        kinds.first == .start && kinds.last == .stop && kinds.count(where: { $0 == .start }) == 1
        && kinds.count(where: { $0 == .stop }) == 1
      if !isWhole { violate("ledger of \(id) is \(kinds.map(\.rawValue))") }
      if lines.map(\.at) != lines.map(\.at).sorted() { violate("ledger of \(id) goes back in time") }
    }
    for job in jobs {
      let lines = instances.filter { $0.jobID == job.id }.compactMap { ledgers[$0.id] }
      let cost = lines.reduce(Money.zero) { $0 + $1.cost(until: Timestamp(microseconds: .max)) }
      if cost != job.cost { violate("\(job.id) says that it cost \(job.cost), its ledger \(cost)") }
    }
  }

  private mutating func meters() {
    for row in instances {
      guard let id = row.marketID, let contract = vast.contracts[id], let lines = ledgers[row.id] else { continue }
      let audit = Audit(of: lines, row: row, contract: contract, now: vast.thread.time)
      audits.append(audit)
      if let complaint = audit.complaint { violate("ledger of \(row.id) (\(id)) \(complaint)") }
    }
  }

  /// What was rented on a day under its budget cost no more on that day. What runs on after midnight had room the day before.
  private mutating func dailyBudget() {
    guard let budget = vast.budget, let bound = budget.daily else { return }
    let end = vast.thread.time
    var day = OneThread.epoch.midnight
    while day < vast.thread.now {
      let span = max(.zero, day - OneThread.epoch)..<max(.zero, min(end, day.nextMidnight - OneThread.epoch))
      let cost = instances.filter { $0.createdAt >= max(day, vast.budgetSince) && $0.createdAt < day.nextMidnight }
        .compactMap { $0.marketID.flatMap { vast.contracts[$0] } }.reduce(0) { $0 + $1.totalCost(in: span) }
      if cost > Double(bound.microdollars) {
        violate("what was rented on \(day.date) cost \(Int(cost)) micro-dollars, its budget is $\(bound.decimal)")
      }
      day = day.nextMidnight
    }
  }

  private mutating func moves() {
    var told: [String: [RecordedEvent]] = [:]
    var last: Int64 = 0
    for event in events {
      if event.position <= last { violate("position \(event.position) comes after \(last)") }
      last = event.position
      told[event.event.subject, default: []].append(event)
      if event.sequence != Int64(told[event.event.subject]!.count) {
        violate("\(event.event.subject): event \(told[event.event.subject]!.count) has the number \(event.sequence)")
      }
    }
    for job in jobs {
      let moves = (told[job.id.rawValue] ?? []).map { String($0.event.type.dropFirst(4)) }
        .filter { JobState(rawValue: $0) != nil }
      let legal = zip(moves, moves.dropFirst()).allSatisfy { from, to in
        JobState(rawValue: from).map { from in
          JobEvent.allCases.contains { JobState.transitions.destination(from: from, on: $0)?.rawValue == to }
        } ?? false
      }
      if !legal || moves.last != job.state.rawValue { violate("\(job.id) is \(job.state), its events say \(moves)") }
    }
  }

  /// Whatever was recorded after the receiver was there has come to it.
  private mutating func deliveries() {
    var recorded: [String: Int64] = [:]
    for event in events { recorded[event.event.subject] = event.sequence }
    for (subject, sequence) in recorded.sorted(by: { $0.key < $1.key }) {
      if let got = receiver.last[subject], got != sequence {
        violate("\(subject): the receiver has \(got) of \(sequence) events")
      } else if receiver.last[subject] == nil {
        violate("\(subject): the receiver has none of \(sequence) events")
      }
    }
  }

  /// Each lost machine has one successor at the most, and a job no more machines than it may have.
  private mutating func successors() {
    let replaced = events.filter { $0.event.type == "instance.recovered" }.compactMap {
      $0.event.data["replaces"]?.text
    }
    for (id, all) in Dictionary(grouping: replaced, by: { $0 }).sorted(by: { $0.key < $1.key }) where all.count > 1 {
      violate("\(id) has \(all.count) successors")
    }
    for job in jobs where job.attempts.count > job.specification.maximumAttempts {
      violate("\(job.id) had \(job.attempts.count) attempts")
    }
  }

  /// Each attempt began with the last checkpoint that was told of before its command started, and none without one.
  private mutating func checkpoints() {
    for job in jobs {
      var last: String?
      for event in events where event.event.subject == job.id.rawValue {
        if event.event.type == "job.checkpoint" { last = event.event.data["checkpoint_id"]?.text }
        guard event.event.type == "job.running", case .integer(let number) = event.event.data["attempt"] else {
          continue
        }
        let began = job.attempts.first { $0.number == Int(number) }?.checkpointID?.rawValue
        if began != last {
          violate(
            "\(job.id): attempt \(number) began with \(began ?? "nothing"), the last checkpoint was \(last ?? "none")")
        }
      }
    }
  }

  private mutating func promises() {
    for wish in caller.wishes {
      guard let id = wish.id, let job = jobs.first(where: { $0.id == id }) else {
        violate("\(wish.key) was never accepted")
        continue
      }
      let isCut = wish.isCancelled || wish.specification.maximumDuration != nil || wish.specification.maximumCost != nil
      let isSilent = wish.specification.idleTimeout != nil && wish.work.lines < wish.work.seconds
      if vast.isKind, !isCut, !isSilent, job.state != (wish.work.code == 0 ? .succeeded : .failed) {
        violate("\(id) is \(job.state), though nothing went wrong: \(String(describing: job.failure))")
      }
      if job.state == .succeeded {
        if job.exitCode != 0 || wish.work.code != 0 { violate("\(id) succeeded with \(wish.work.command)") }
        if job.results == nil { violate("\(id) succeeded without results") }
        if !vast.launches.contains("\(id)/\(job.attempt)") { violate("\(id) succeeded, but its command never ran") }
      }
      if job.state == .cancelled, !wish.isCancelled { violate("\(id) was cancelled by nobody") }
      if job.state == .failed, job.failure == nil { violate("\(id) failed and does not say why") }
    }
    if jobs.count != caller.wishes.count { violate("\(caller.wishes.count) wishes made \(jobs.count) jobs") }
  }

  /// The output came home whole and once, behind what earlier attempts had written.
  private mutating func logs(_ log: (ID<Job>) throws -> [UInt8]) throws {
    for wish in caller.wishes {
      guard let id = wish.id, let job = jobs.first(where: { $0.id == id }), job.state == .succeeded else { continue }
      let kept = try log(id)
      let isOwn =
        job.attempt == 1 ? kept == wish.work.log : kept.suffix(wish.work.log.count).elementsEqual(wish.work.log)
      if !isOwn {
        violate("\(id) did \(wish.work.command), its log is \(String(decoding: kept, as: UTF8.self).debugDescription)")
      }
    }
  }

  /// Everything that was recorded, in one text: the same for the same seed.
  var record: String {
    var text = ""
    for event in events {
      text +=
        "\(event.position) \(event.sequence) \(event.event.time.microseconds) \(event.event.id) \(event.event.type) "
      text += "\(event.event.subject) \(event.event.data.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" })\n"
    }
    for (id, lines) in ledgers.sorted(by: { $0.key < $1.key }) {
      for line in lines {
        text += "\(id) \(line.kind.rawValue) \(line.at.microseconds) \(line.gpuPerHour) \(line.storagePerHour)\n"
      }
    }
    return text
  }
}
