import Domain
import Glibc
import Locking
import Logging
import Store
import TestSupport

/// One seed from its first request to rest: some jobs, some deaths, some weather.
struct Run {
  /// What came of it.
  struct Outcome {
    var violations: [String]
    /// The provider's truth and everything recorded, in one text.
    var history: String
    var deaths: Int
    /// Of them while something was under way.
    var openDeaths: Int
    var faults: Int
    var steps: Int
    var jobs: Int
    /// Simulated.
    var span: Duration
    /// Contracts whose ledger was held against the provider's meter, and what both come to in micro-dollars.
    var audited: Int
    var ledger: Double
    var meter: Double
    /// Of them those that ran for an hour or more without a gap.
    var longRuns: Int
    var isBudgeted: Bool
    /// Jobs for which a budget never had room.
    var givenUp: Int
  }

  private let seed: UInt64

  init(seed: UInt64) { self.seed = seed }

  func play() throws -> Outcome {
    let thread = OneThread(seed: seed)
    return try BlockingWork.$present.withValue(BlockingWork { thread.schedule($0) }) {
      try Chance.$present.withValue(Chance { thread.dice.next() }) { try Play(seed: seed, thread: thread).play() }
    }
  }
}

private final class Play {
  /// A world in which everything goes well needs no more; what takes longer is stuck.
  private static let limit = Duration.seconds(4 * 3600)

  private let thread: OneThread
  private let vast: Vast
  private let receiver: Receiver
  private let folder: TemporaryFolder
  private let logger: Logger
  private var life: Life?
  private var deaths = 0
  private var openDeaths = 0
  /// At which step the next death comes.
  private var deathAt: Int?

  init(seed: UInt64, thread: OneThread) throws {
    self.thread = thread
    folder = try TemporaryFolder("sim", in: access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp")
    var logger = Logger(label: "simulation")
    logger.logLevel = .critical
    self.logger = logger
    // One world in ten is kind: whatever fails there fails by our own doing.
    let isKind = thread.dice.isIn(100)
    vast = Vast(thread: thread, owner: Owner("sim")!, isKind: isKind, calmFrom: thread.dice.seconds(40...160))
    receiver = Receiver(vast)
  }

  func play() throws -> Run.Outcome {
    let caller = Caller(thread: thread, vast: vast) { [unowned self] in life }
    vast.row = { [unowned self] contract in life?.row(of: contract.label) }
    try live()
    drawDeath(soonAfterStart: false)
    var lookAt = vast.calmFrom
    while true {
      if let deathAt, thread.steps >= deathAt {
        try dieAndComeBack()
        continue
      }
      if thread.step() { continue }
      if thread.time >= lookAt {
        if try isAtRest(caller) { break }
        lookAt = thread.time + .seconds(5)
      }
      guard thread.jump(noFurtherThan: Self.limit) else { break }
    }
    caller.askAgain()
    while thread.step() {}
    let verdict = try Verdict(vast: vast, caller: caller, receiver: receiver, store: life!.store) { [folder] id in
      try folder.read("\(folder.path)/jobs/\(id)/output.log")
    }
    let outcome = Run.Outcome(
      violations: vast.violations + verdict.violations, history: vast.history + verdict.record, deaths: deaths,
      openDeaths: openDeaths, faults: vast.faults, steps: thread.steps, jobs: caller.wishes.count, span: thread.time,
      audited: verdict.audits.count, ledger: verdict.audits.reduce(0) { $0 + $1.ledger },
      meter: verdict.audits.reduce(0) { $0 + $1.meter }, longRuns: verdict.audits.count { $0.isLongAndSeen },
      isBudgeted: vast.budget != nil, givenUp: caller.givenUp)
    life?.die()
    return outcome
  }

  private func live() throws {
    let life = try Life(folder.path, thread: thread, vast: vast, receiver: receiver, quietly: logger)
    self.life = life
    life.begin()
    // What arrived while nobody lived.
    vast.checkBudget()
  }

  private func dieAndComeBack() throws {
    guard let life else { return }
    deaths += 1
    if try isSomethingOpen(life.store) { openDeaths += 1 }
    for violation in try Books(of: life.store, at: thread.now).violations { vast.violate(violation) }
    vast.note("vastd dies")
    life.die()
    self.life = nil
    // Mostly restarted at once, sometimes so late that leases run out.
    let downtime = !vast.isKind && thread.dice.isIn(150) ? thread.dice.seconds(60...200) : thread.dice.seconds(0...5)
    let end = thread.time + downtime
    while thread.jump(noFurtherThan: end) {}
    try live()
    drawDeath(soonAfterStart: thread.dice.isIn(250))
  }

  private func drawDeath(soonAfterStart: Bool) {
    let mayDie = thread.time < vast.calmFrom && deaths < 6 && thread.dice.isIn(800)
    guard mayDie else { return deathAt = nil }
    deathAt = thread.steps + Int.random(in: soonAfterStart ? 0...60 : 30...2500, using: &thread.dice)
  }

  private func isSomethingOpen(_ store: Store) throws -> Bool {
    try store.read { (r) throws(StoreError) in
      if try !r.activeJobs().isEmpty { return true }
      return try !r.liveInstances().isEmpty
    }
  }

  private func isAtRest(_ caller: Caller) throws -> Bool {
    guard let life, caller.wishes.allSatisfy({ $0.id != nil && (!$0.isCancelled || $0.isCancelAcknowledged) }),
      vast.alive.isEmpty
    else { return false }
    guard try !isSomethingOpen(life.store) else { return false }
    return try life.store.read { (r) throws(StoreError) in try r.pendingDeliveries() } == 0
  }
}
