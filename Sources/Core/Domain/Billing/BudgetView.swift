/// The machines that cost money, or are about to, with the jobs that they serve: what budgets look at.
package struct BudgetView: Sendable {
  package struct Machine: Sendable {
    package var instance: Instance
    package var job: Job?

    package init(instance: Instance, job: Job?) {
      self.instance = instance
      self.job = job
    }
  }

  package var machines: [Machine]
  package var now: Timestamp

  package init(machines: [Machine], now: Timestamp) {
    self.machines = machines
    self.now = now
  }

  /// What they are bound to cost, put beside what was spent.
  package func spending(label: String?, today: Money, month: Money, burnRate: Money) -> Spending {
    var spending = Spending()
    (spending.today, spending.month, spending.burnRate) = (today, month, burnRate)
    for machine in machines where label == nil || machine.instance.label == label {
      let commitment = machine.commitment(at: now)
      spending.committedToday += commitment.amount(.daily, at: now)
      spending.committedMonth += commitment.amount(.monthly, at: now)
      spending.committedRate += commitment.pricePerHour
    }
    return spending
  }

  /// Which of them a budget ends when it is to stop what runs, once the rate is what is too high: the newest first, until the
  /// rest is within bounds. What is on its way out does not count.
  package func toStop(label: String?, until bound: Money) -> Set<ID<Instance>> {
    let staying = machines.filter { (label == nil || $0.instance.label == label) && !$0.isEnding }
    var rate = staying.reduce(Money.zero) { $0 + $1.commitment(at: now).pricePerHour }
    var stopped: Set<ID<Instance>> = []
    for machine in staying.sorted(by: {
      ($0.instance.createdAt, $0.instance.id.rawValue) > ($1.instance.createdAt, $1.instance.id.rawValue)
    }) {
      guard rate > bound else { break }
      rate = Money(microdollars: rate.microdollars - machine.commitment(at: now).pricePerHour.microdollars)
      stopped.insert(machine.instance.id)
    }
    return stopped
  }
}

extension BudgetView.Machine {
  /// It is to go, or its work is over.
  var isEnding: Bool {
    if instance.desired != .running { return true }
    guard let job else { return false }
    return job.state == .collecting || job.state == .cleaningUp || job.isCancelRequested
  }

  func commitment(at now: Timestamp) -> Commitment {
    let billed = instance.billedRates.gpu + instance.billedRates.storage
    guard instance.desired != .destroyed else { return Commitment(pricePerHour: billed, duration: .zero) }
    // What stays stopped goes on with its disk.
    let mayRun = instance.desired == .running && (instance.state != .stopped || instance.mayRevive)
    let price = mayRun ? max(billed, instance.pricePerHour ?? billed) : billed
    guard let job, !job.state.isFinal else { return Commitment(pricePerHour: price, duration: Commitment.openEnded) }
    return Commitment(for: job, pricePerHour: price, at: now)
  }
}
