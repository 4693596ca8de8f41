import Domain
import Testing

@Suite struct `A budget` {
  private let now = Timestamp(text: "2026-11-28T22:30:00Z")!

  private func spending(today: Double = 0, month: Double = 0, rate: Double = 0, committed: Double = 0) -> Spending {
    var spending = Spending()
    spending.today = .dollars(today)
    spending.month = .dollars(month)
    spending.burnRate = .dollars(rate)
    spending.committedRate = .dollars(rate)
    spending.committedToday = .dollars(committed)
    spending.committedMonth = .dollars(committed)
    return spending
  }

  @Test(arguments: BudgetAction.allCases)
  func `has room until what is spent, what is bound to be and the rental pass it; an alert never refuses`(
    action: BudgetAction
  ) {
    let budget = Budget(daily: .dollars(10), action: action)
    let rental = Commitment(pricePerHour: .dollars(2), duration: .seconds(3600))
    #expect(budget.refusal(of: [rental], spending(today: 5, committed: 3), label: nil, at: now) == nil)
    let refusal = budget.refusal(of: [rental], spending(today: 5, committed: 3.01), label: nil, at: now)
    #expect((refusal == nil) == (action == .alert))
    #expect(refusal?.code ?? "budget_exceeded" == "budget_exceeded")
    #expect(refusal.map { $0.detail.contains("$10") && $0.detail.contains("$2 more") } ?? true)
    let both = budget.refusal(of: [rental, rental], spending(today: 5, committed: 3), label: nil, at: now)
    #expect((both == nil) == (action == .alert), "all of a request or none")
  }

  @Test func `of a rate may be met exactly, and of a day that is used up refuses even what costs nothing`() {
    let rate = Budget(burnRate: .dollars(2), action: .block)
    let rental = Commitment(pricePerHour: .dollars(1), duration: .seconds(60))
    #expect(rate.refusal(of: [rental], spending(rate: 1), label: nil, at: now) == nil)
    #expect(rate.refusal(of: [rental], spending(rate: 1.01), label: nil, at: now) != nil)
    #expect(rate.breaches(spending(rate: 2)).isEmpty)
    #expect(rate.breaches(spending(rate: 2.01)).map(\.limit) == [.burnRate])
    let day = Budget(daily: .dollars(2), action: .block)
    #expect(day.refusal(of: [], spending(today: 2), label: nil, at: now) != nil)
    #expect(day.refusal(of: [], spending(today: 1.99), label: nil, at: now) == nil)
    #expect(day.breaches(spending(today: 2)).map(\.limit) == [.daily])
  }

  @Test func `counts a rental until the end of the day or the month, and no more than the job's own bounds`() {
    func commitment(_ edit: (inout JobSpecification) -> Void) -> Commitment {
      var specification = JobSpecification(command: "true")
      edit(&specification)
      let job = Job(id: ID(at: now), specification: specification, state: .queued, createdAt: now)
      return Commitment(for: job, pricePerHour: .dollars(2), at: now)
    }
    let long = commitment { $0.maximumDuration = .seconds(10 * 3600) }
    #expect(long.amount(.daily, at: now) == .dollars(3), "an hour and a half are left of the day")
    #expect(long.amount(.monthly, at: now) == .dollars(20))
    #expect(long.amount(.burnRate, at: now) == .dollars(2))
    let bounded = commitment {
      $0.maximumDuration = .seconds(10 * 3600)
      $0.maximumCost = .dollars(1)
    }
    #expect(bounded.amount(.daily, at: now) == .dollars(1) && bounded.amount(.burnRate, at: now) == .dollars(2))
    #expect(commitment { _ in }.amount(.daily, at: now) == .dollars(2), "an hour for what nothing bounds")
  }

  @Test func `that holds for a label holds beside that of everything`() {
    var budgets = Budgets()
    #expect(budgets.isEmpty && budgets.holding(for: "train").isEmpty)
    budgets.overall = Budget(daily: .dollars(1))
    budgets.labels["train"] = Budget(monthly: .dollars(1), action: .stop)
    #expect(budgets.holding(for: "train").map(\.label) == [nil, "train"])
    #expect(budgets.holding(for: "eval").map(\.label) == [nil])
  }

  @Test func `that stops a rate ends the newest jobs, as few as it takes; what it cannot end counts and stays`() {
    enum Kind { case job, ending, byHand }
    func machine(_ number: Int, _ dollars: Double, _ kind: Kind = .job) -> BudgetView.Machine {
      let id = ID<Instance>(at: now + .seconds(number))
      let tag = InstanceTag(owner: Owner("tests")!, instanceID: id)
      let order = RentalOrder(offerID: 1, label: tag.label("x"), image: nil, diskGigabytes: 1)
      var instance = Instance(
        id: id, order: order, label: "x", tag: tag, gpuCount: 1, createdAt: now + .seconds(number))
      instance.restore(state: .running)
      instance.marketStatus = "running"
      instance.pricePerHour = .dollars(dollars)
      if kind == .ending { instance.desired = .destroyed }
      guard kind != .byHand else { return BudgetView.Machine(instance: instance, job: nil) }
      var job = Job(id: ID(at: now), specification: JobSpecification(command: "a"), state: .running, createdAt: now)
      job.instanceID = id
      return BudgetView.Machine(instance: instance, job: job)
    }
    func stopped(_ machines: [BudgetView.Machine], _ bound: Double, label: String? = nil) -> [Int] {
      let breach = BudgetBreach(limit: .burnRate, bound: .dollars(bound), spent: .dollars(99))
      let ids = BudgetView(machines: machines.shuffled(), now: now).toStop(label: label, for: breach)
      return machines.indices.filter { ids.contains(machines[$0].instance.id) }
    }
    let machines = [machine(1, 2), machine(2, 2), machine(3, 2), machine(4, 5, .ending)]
    #expect(stopped(machines, 6) == [], "what is being destroyed does not count")
    #expect(stopped(machines, 5) == [2])
    #expect(stopped(machines, 3) == [1, 2])
    #expect(stopped(machines, 0, label: "y") == [])
    let mixed = [machine(1, 1), machine(2, 2, .byHand)]
    #expect(stopped(mixed, 1.5) == [0], "the newer one is nobody's to end, and its rate is there all the same")
    let day = BudgetBreach(limit: .daily, bound: .dollars(1), spent: .dollars(2))
    #expect(BudgetView(machines: machines + mixed, now: now).toStop(label: nil, for: day).count == 4)
  }

  @Test(arguments: [
    (InstanceState.requested, nil, false), (.creating, nil, true), (.loading, "loading", true),
    (.destroying, "loading", true), (.destroying, "offline", true), (.destroying, "running", true),
    (.destroying, "exited", false), (.stopped, "stopped", false),
  ])
  func `counts what is to go for as long as its GPUs may come up`(
    state: InstanceState, status: String?, mayComeUp: Bool
  ) {
    let id = ID<Instance>(at: now)
    let tag = InstanceTag(owner: Owner("tests")!, instanceID: id)
    let order = RentalOrder(offerID: 1, label: tag.label("x"), image: nil, diskGigabytes: 1)
    var instance = Instance(id: id, order: order, label: "x", tag: tag, gpuCount: 1, createdAt: now)
    instance.restore(state: state)
    instance.desired = .destroyed
    instance.marketStatus = status
    instance.pricePerHour = .dollars(2)
    instance.storagePerHour = .dollars(0.1)
    let view = BudgetView(machines: [.init(instance: instance, job: nil)], now: now)
    let spending = view.spending(label: nil, today: .zero, month: .zero, burnRate: .zero)
    let storage: Money = state == .requested ? .zero : .dollars(0.1)
    #expect(spending.committedRate == (mayComeUp ? .dollars(2) : storage))
    #expect(spending.committedToday == .zero, "how long nobody knows, and not for long")
  }

  @Test func `is told of once in its day, month or passing of a rate`() {
    let breach = BudgetBreach(limit: .daily, bound: .dollars(1), spent: .dollars(2))
    let note = NotedBreach(breach, label: nil, at: now)
    #expect(note == NotedBreach(breach, label: nil, at: now + .seconds(3600)))
    #expect(note != NotedBreach(breach, label: nil, at: now.nextMidnight))
    #expect(!note.isOver(beside: [], at: now) && note.isOver(beside: [note], at: now.nextMidnight))
    let rate = NotedBreach(
      BudgetBreach(limit: .burnRate, bound: .dollars(1), spent: .dollars(2)), label: nil, at: now)
    #expect(rate.isOver(beside: [], at: now) && !rate.isOver(beside: [rate], at: now.nextMonthStart))
  }
}

@Suite struct `The credit's time` {
  private let now = Timestamp(seconds: 1_800_000_000)

  private func reading(credit: Double, spend: Double) -> AccountReading {
    AccountReading(
      MarketAccount(nickname: nil, email: nil, credit: .dollars(credit), balance: .zero, asOf: now),
      MarketSpend(gpuPerHour: .dollars(spend), storagePerHour: .zero, asOf: now))
  }

  @Test func `is counted by the higher of two rates, from the last look on by our own clock`() {
    #expect(reading(credit: 10, spend: 2).timeLeft(ours: .dollars(1), at: now) == .seconds(5 * 3600))
    #expect(reading(credit: 10, spend: 1).timeLeft(ours: .dollars(2), at: now) == .seconds(5 * 3600))
    let later = now + .seconds(600)
    #expect(reading(credit: 12, spend: 6).timeLeft(ours: .zero, at: later) == .seconds(6600))
    let stale = now + .seconds(3600)
    #expect(reading(credit: 12, spend: 6).timeLeft(ours: .dollars(1), at: stale) == .seconds(11 * 3600))
    #expect(reading(credit: 12, spend: 0).timeLeft(ours: .zero, at: now) == nil, "nothing flows")
    #expect(reading(credit: -1, spend: 1).timeLeft(ours: .zero, at: now) == .zero)
  }
}

extension Money {
  fileprivate static func dollars(_ dollars: Double) -> Money { Money(dollars: dollars)! }
}
