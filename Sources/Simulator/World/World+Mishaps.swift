import JSON

/// What goes wrong on command.
extension World {
  /// Loses priority: the wish flips at once, the container ends after the grace, without a word. One that its renter had
  /// stopped has nothing to lose.
  /// - Parameters:
  ///   - tenant: whether whoever won stays on the GPUs. A start is queued then; the contract comes back by itself when they
  ///     leave. Without, it comes back by a start.
  ///   - lasting: after so many seconds they leave, else by `release`.
  mutating func outbid(_ id: Int, tenant: Bool, lasting: Double? = nil) {
    guard let contract = alive(id) else { return }
    if tenant { strangers.formUnion(contract.offer.occupied) }
    end(.outbid(contract: id), after: tenant ? lasting : nil)
    guard contract.status.intended == .running else { return }
    change(id) { [now, settings] in
      $0.status.intended = .stopped
      $0.status.current = .stopped
      $0.status.next = .stopped
      $0.isDisplaced = tenant
      $0.revivesByItself = tenant
      $0.plan = contract.canComeDown ? [PlannedStep(at: now + settings.outbidGrace, step: .exit)] : []
    }
    record("outbid", id)
  }

  /// Whoever sat on the contract's GPUs leaves: a displaced contract and a queued start come back.
  mutating func release(_ id: Int) {
    guard let contract = contracts[id] else { return }
    end(.outbid(contract: id), after: nil)
    strangers.subtract(contract.offer.occupied)
    change(id) { $0.isDisplaced = false }
    record("released", id)
    serveQueue()
  }

  /// Forgets when a mishap ends, or says it anew.
  private mutating func end(_ mishap: Ending.What, after seconds: Double?) {
    endings.removeAll { $0.what == mishap }
    if let seconds { endings.append(Ending(at: now + seconds, what: mishap)) }
  }

  /// Somebody takes the GPUs of a stopped contract, so that its start will be queued.
  mutating func takeGPUs(_ id: Int) {
    guard let contract = contracts[id], !contract.holdsGPUs else { return }
    strangers.formUnion(contract.offer.occupied)
  }

  mutating func crash(_ id: Int, message: String?) {
    guard alive(id) != nil else { return }
    change(id) {
      $0.plan = []
      if let message { $0.message = message }
    }
    exit(id, gracefully: false)
    record("crashed", id)
  }

  /// The host is gone, with every process; the disk waits for it to come back. Nil as `lasting` waits for `comeBack`.
  mutating func goOffline(_ id: Int, lasting: Double? = nil) {
    guard alive(id) != nil else { return }
    end(.offline(contract: id), after: lasting)
    change(id) {
      $0.plan = []
      $0.status.actual = .offline
      $0.runningSince = nil
    }
    order(.stop(contract: id, gracefully: false))
    record("offline", id)
  }

  /// The host is heard of again and starts what should run; what was stopped meanwhile has exited.
  mutating func comeBack(_ id: Int) {
    guard let contract = alive(id), contract.status.actual == .offline,
      !silentMachines.contains(contract.offer.machine.id)
    else { return }
    end(.offline(contract: id), after: nil)
    record("online", id)
    if contract.status.intended == .running, contract.status.current == .running {
      change(id) { $0.status.actual = .loading }
      begin(id)
    } else {
      change(id) { $0.status.actual = .exited }
      serveQueue()
    }
  }

  /// A whole machine is gone: everything on it, and its offers.
  mutating func goOffline(machine: Int, lasting: Double?) {
    silentMachines.insert(machine)
    end(.machineOffline(machine), after: lasting)
    for id in contracts(on: machine) where contracts[id]?.status.actual != .offline { goOffline(id) }
  }

  mutating func comeBack(machine: Int) {
    silentMachines.remove(machine)
    end(.machineOffline(machine), after: nil)
    for id in contracts(on: machine) { comeBack(id) }
  }

  private func contracts(on machine: Int) -> [Int] {
    contracts.values.filter { $0.isAlive && $0.offer.machine.id == machine }.map(\.id).sorted()
  }

  /// Lets the start under way fail, or makes a running one start anew into its fate.
  mutating func doom(_ id: Int, _ fate: Fate) {
    guard let contract = alive(id) else { return }
    change(id) { $0.fate = fate }
    if contract.status.actual == .running {
      guard let running = contracts[id] else { return }
      order(.stop(contract: id, gracefully: false))
      switch fate {
      case .deaf, .proxyOnly, .fullDisk:
        // The container runs on, only its door is another.
        order(.start(containerPlan(running)))
        change(id) { $0.fate = .fine }
      default:
        change(id) {
          $0.ports = []
          $0.runningSince = nil
          $0.status.actual = .loading
          $0.hasImage = false
        }
        begin(id)
      }
    } else {
      change(id) { [now, settings] in $0.plan = StatusClock.start($0, at: now, settings: settings) }
    }
  }
}

/// A fate for contracts still to be made.
struct PlannedFate: Sendable {
  var fate: Fate
  var count: Int
  /// Only for this machine; nil for any.
  var machine: Int?
}
