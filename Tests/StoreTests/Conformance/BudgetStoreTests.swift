import Domain
import Store
import Testing

@Suite struct BudgetStoreTests {
  private let world: World

  init() throws { world = try World() }

  @Test(arguments: Backend.allCases)
  func `budgets are kept as they were set, and the next set replaces all`(backend: Backend) async throws {
    let store = try world.open(backend)
    #expect(try store.view { try $0.budgets() } == Budgets())
    var budgets = Budgets()
    budgets.overall = Budget(daily: .zero, burnRate: Money(microdollars: 5), action: .stop)
    budgets.labels = ["train": Budget(monthly: Money(microdollars: 7)), "a 'b'": Budget(daily: .zero, action: .block)]
    let set = budgets
    try await store.edit { try $0.set(set) }
    #expect(try store.view { try $0.budgets() } == set)
    try await store.edit { try $0.set(Budgets()) }
    #expect(try store.view { try $0.budgets() }.isEmpty)
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func `what is spent and bound to be counts the machines of a label, and a job's own bounds`(backend: Backend)
    async throws
  {
    let store = try world.open(backend)
    let now = world.now
    var job = Job.make(state: .running, name: "train")
    job.specification.maximumDuration = .seconds(1800)
    job.startedAt = now
    var mine = Instance.make(state: .running, job: job.id)
    (mine.pricePerHour, mine.storagePerHour, mine.marketStatus) = (
      Money(microdollars: 1_000_000), .zero, "running"
    )
    var ordered = Instance.make(state: .creating)
    ordered.label = "eval"
    ordered.pricePerHour = Money(microdollars: 500_000)
    let (first, one, two) = (job, mine, ordered)
    try await store.edit { transaction in
      try transaction.insert(first)
      try transaction.insert(one)
      try transaction.insert(two)
      try transaction.append(
        BillingEvent(
          instanceID: one.id, jobID: first.id, kind: .start, at: now - .seconds(3600),
          gpuPerHour: Money(microdollars: 1_000_000), storagePerHour: .zero))
    }
    func spending(_ label: String?) throws -> Spending {
      try store.view { try $0.spending(try $0.budgetView(now: now), label: label) }
    }
    let all = try spending(nil)
    #expect(all.today == Money(microdollars: 1_000_000) && all.month == all.today)
    #expect(all.burnRate == Money(microdollars: 1_000_000))
    #expect(all.committedRate == Money(microdollars: 1_500_000))
    #expect(all.committedToday == Money(microdollars: 1_000_000), "half an hour of the one, a whole hour of the other")
    #expect(try spending("train").committedToday == Money(microdollars: 500_000))
    #expect(try spending("eval").today == .zero)
    #expect(try spending("nobody") == Spending())
    await store.close()
  }
}
