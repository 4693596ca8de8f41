import Domain
import FleetService

/// Whoever posts jobs: asks again under the same key until it is told yes, and remembers what it was told.
///
/// `@unchecked Sendable`: there is one thread.
final class Caller: @unchecked Sendable {
  /// `@unchecked Sendable`: there is one thread.
  final class Wish: @unchecked Sendable {
    let key: String
    let specification: JobSpecification
    let work: Machine.Work
    /// Nil until acknowledged.
    var id: ID<Job>?
    /// From the beginning, or since nobody waits any longer for a budget that has no room.
    fileprivate(set) var isCancelled: Bool
    var isCancelAcknowledged = false

    init(key: String, specification: JobSpecification, work: Machine.Work, isCancelled: Bool) {
      self.key = key
      self.specification = specification
      self.work = work
      self.isCancelled = isCancelled
    }
  }

  private(set) var wishes: [Wish] = []
  /// To be set one after the other, each tighter than the one before.
  private var budgets: [Budget] = []
  /// Jobs that wait for a budget while nothing is there, and since when.
  private var waiting: [ID<Job>: Duration] = [:]
  private(set) var givenUp = 0
  private let thread: OneThread
  private let vast: Vast
  private let life: () -> Life?

  init(thread: OneThread, vast: Vast, life: @escaping () -> Life?) {
    self.thread = thread
    self.vast = vast
    self.life = life
    if !vast.isKind, thread.dice.isIn(250) { drawBudgets() }
    let isBounded = !budgets.isEmpty
    for number in 0..<Int.random(in: isBounded ? 3...5 : 1...3, using: &thread.dice) {
      wishes.append(makeWish("key-\(number)", isBounded: isBounded))
    }
    if !isBounded, thread.dice.isIn(20) { wishes[0] = makeLongWish(wishes[0].key) }
    for wish in wishes { thread.after(thread.dice.seconds(0...30)) { self.submit(wish) } }
    if isBounded {
      for (number, budget) in budgets.enumerated() {
        thread.after(number == 0 ? .zero : thread.dice.seconds(20...80)) { self.set(budget) }
      }
      thread.after(vast.calmFrom + .seconds(60)) { self.giveUpWaiting() }
    }
  }

  private func drawBudgets() {
    let action: BudgetAction = thread.dice.isIn(600) ? .block : .stop
    func money(_ range: ClosedRange<Int64>) -> Money {
      Money(microdollars: Int64.random(in: range, using: &thread.dice))
    }
    guard thread.dice.isIn(700) else {
      budgets = [Budget(daily: money(2_000...20_000), action: action)]
      return
    }
    let bound = money(150_000...1_200_000)
    budgets = [Budget(burnRate: bound, action: action)]
    if thread.dice.isIn(400) {
      budgets.append(
        Budget(burnRate: money(100_000...bound.microdollars), action: thread.dice.isIn(500) ? action : .stop))
    }
  }

  private func set(_ budget: Budget) {
    // The first must hold before the second replaces it.
    guard budgets.first == budget || vast.budget != nil else { return thread.after(.seconds(5)) { self.set(budget) } }
    guard vast.budget != budget else { return }
    thread.after(.seconds(15)) { self.set(budget) }
    guard let life = life(), life.isAlive else { return }
    var all = Budgets()
    all.overall = budget
    let budgets = all
    Task {
      do throws(FleetError) {
        try await life.fleet.setBudgets(budgets)
        if vast.budget != budget { vast.hold(budget) }
      } catch {
        vast.note("budget not set: \(error)")
      }
    }
  }

  /// Nothing is there any more that could make room, and still there is none: whoever waits for it would wait for ever.
  /// A job leaves machines alone that failed it, so that only a bound that fits every offer has room for certain.
  private func giveUpWaiting() {
    thread.after(.seconds(20)) { self.giveUpWaiting() }
    guard let life = life(), life.isAlive, let budget = vast.budget else { return }
    let quietSince = vast.emptySince
    for wish in wishes where !wish.isCancelled {
      guard let id = wish.id else { continue }
      guard let quietSince, let job = life.job(id), job.state == .queued, job.failure?.code == "budget_exceeded" else {
        waiting[id] = nil
        continue
      }
      waiting[id] = waiting[id] ?? thread.time
      let since = max(waiting[id] ?? thread.time, quietSince)
      guard thread.time - since >= .seconds(100) else { continue }
      if let bound = budget.burnRate, !job.specification.resources.isInterruptible,
        vast.freeOffers().allSatisfy({ $0.pricePerHour <= bound })
      {
        vast.violate("\(id) waits for a budget that has room: \(String(describing: job.failure))")
      }
      wish.isCancelled = true
      givenUp += 1
      cancel(wish, id)
    }
  }

  /// Work of more than an hour, without a bound.
  private func makeLongWish(_ key: String) -> Wish {
    let work = Machine.Work(seconds: Int.random(in: 3700...5000, using: &thread.dice), code: 0, lines: 5)
    var specification = JobSpecification(command: work.command)
    specification.name = key
    specification.secrets = ["TOKEN": "secret"]
    specification.maximumAttempts = 12
    specification.lease = .seconds(90)
    return Wish(key: key, specification: specification, work: work, isCancelled: false)
  }

  /// - Parameter isBounded: a budget holds. A job whose own bounds are part of what it counts for has to clear up beyond them.
  private func makeWish(_ key: String, isBounded: Bool) -> Wish {
    let dice = { (perMille: Int) in self.thread.dice.isIn(perMille) }
    let seconds = Int.random(in: 1...15, using: &thread.dice)
    let work = Machine.Work(seconds: seconds, code: dice(150) ? 3 : 0, lines: dice(100) ? seconds / 3 : seconds)
    var specification = JobSpecification(command: work.command)
    specification.name = key
    specification.secrets = ["TOKEN": "secret"]
    specification.maximumAttempts = 12
    specification.lease = .seconds(90)
    specification.resources.isInterruptible = dice(250)
    if dice(100), !isBounded { specification.maximumDuration = .seconds(10) }
    if dice(200) { specification.idleTimeout = .seconds(8) }
    if dice(100), !isBounded { specification.maximumCost = Money(microdollars: 20_000) }
    if dice(350) { specification.checkpoint = CheckpointPolicy(interval: .seconds(3)) }
    return Wish(key: key, specification: specification, work: work, isCancelled: dice(120))
  }

  private func submit(_ wish: Wish) {
    guard wish.id == nil else { return }
    // A budget that is to hold for it is set first.
    guard budgets.isEmpty || vast.budget != nil else { return thread.after(.seconds(1)) { self.submit(wish) } }
    // Nobody answered within 15 s: once more.
    thread.after(.seconds(15)) { self.submit(wish) }
    ask(wish)
  }

  private func ask(_ wish: Wish) {
    guard let life = life(), life.isAlive else { return }
    let request = IdempotentRequest<Job>(
      key: IdempotencyKey(principal: "caller", route: "createJob", key: wish.key, fingerprint: wish.key),
      encode: { StoredAnswer(status: 201, location: nil, body: Array($0.id.rawValue.utf8)) })
    Task {
      do throws(FleetError) {
        switch try await life.fleet.submit(wish.specification, idempotency: request) {
        case .made(let job): acknowledged(wish, as: job.id)
        case .replayed(let answer):
          if let id = ID<Job>(String(decoding: answer.body, as: UTF8.self)) { acknowledged(wish, as: id) }
        }
      } catch {
        vast.note("submit of \(wish.key) failed: \(error)")
      }
    }
  }

  private func acknowledged(_ wish: Wish, as id: ID<Job>) {
    if let known = wish.id, known != id { vast.violate("key \(wish.key) made \(known) and \(id)") }
    guard wish.id == nil else { return }
    wish.id = id
    vast.note("acknowledged \(wish.key) as \(id)")
    if wish.isCancelled { thread.after(thread.dice.seconds(0...60)) { self.cancel(wish, id) } }
  }

  private func cancel(_ wish: Wish, _ id: ID<Job>) {
    guard !wish.isCancelAcknowledged else { return }
    thread.after(.seconds(15)) { self.cancel(wish, id) }
    guard let life = life(), life.isAlive else { return }
    Task {
      do throws(FleetError) {
        _ = try await life.fleet.cancel(id)
        vast.note("cancel of \(id) acknowledged")
      } catch {
        // Too late is an answer too.
        guard case .conflict = error else { return }
      }
      wish.isCancelAcknowledged = true
    }
  }

  /// The same keys once more at the end: each names the job that it named.
  func askAgain() { for wish in wishes { ask(wish) } }
}
