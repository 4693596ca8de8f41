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

  /// Whose jobs a budget ends when it is to stop what runs: all under it; of a rate that is too high as few as bring it within
  /// bounds, the newest first. Machines by hand, and those left by a job that has ended, count and stay.
  package func toStop(label: String?, for breach: BudgetBreach) -> Set<ID<Instance>> {
    let own = machines.filter { label == nil || $0.instance.label == label }
    let working = own.filter(\.isWorking)
    guard breach.limit == .burnRate else { return Set(working.map(\.instance.id)) }
    var rate = own.filter { !$0.isEnding }.reduce(Money.zero) { $0 + $1.commitment(at: now).pricePerHour }
    var stopped: Set<ID<Instance>> = []
    for machine in working.sorted(by: { $0.isNewer(than: $1) }) {
      guard rate > breach.bound else { break }
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

  /// It serves a job that has something to end.
  var isWorking: Bool {
    guard let job, job.instanceID == instance.id, !isEnding else { return false }
    return [.provisioning, .starting, .running].contains(job.state)
  }

  func isNewer(than other: Self) -> Bool {
    (instance.createdAt, instance.id.rawValue) > (other.instance.createdAt, other.instance.id.rawValue)
  }

  func commitment(at now: Timestamp) -> Commitment {
    let billed = instance.billedRates.gpu + instance.billedRates.storage
    let full = max(billed, instance.pricePerHour ?? billed)
    guard instance.desired != .destroyed else {
      return Commitment(pricePerHour: instance.mayComeUp ? full : billed, duration: .zero)
    }
    // What stays stopped goes on with its disk.
    let mayRun =
      instance.desired == .running ? instance.state != .stopped || instance.mayRevive : instance.mayComeUp
    let price = mayRun ? full : billed
    guard let job, !job.state.isFinal else { return Commitment(pricePerHour: price, duration: Commitment.openEnded) }
    return Commitment(for: job, pricePerHour: price, at: now)
  }
}

extension Instance {
  /// Whether its GPUs may cost money yet, though it is not to run any more: an order on its way is not called back, what loads
  /// comes up before it is gone, and a host that is silent comes back.
  fileprivate var mayComeUp: Bool {
    switch state {
    case .requested, .destroyed, .failed: false
    case .creating, .loading: true
    case .running, .stopping, .stopped, .lost, .destroying: marketStatus != "exited" && marketStatus != "stopped"
    }
  }
}
