import JSON

/// What goes wrong on command.
extension World {
  /// Loses priority: the wish flips at once, the container ends after the grace, without a word.
  /// - Parameter tenant: whether whoever won stays on the GPUs until `release`.
  mutating func outbid(_ id: Int, tenant: Bool) {
    guard let contract = alive(id) else { return }
    if tenant { strangers.formUnion(contract.offer.occupied) }
    change(id) { [now, settings] in
      $0.status.intended = .stopped
      $0.status.current = .stopped
      $0.status.next = .stopped
      $0.isDisplaced = tenant
      $0.revivesByItself = tenant
      $0.plan = [PlannedStep(at: now + settings.outbidGrace, step: .exit)]
    }
    record("outbid", id)
  }

  /// Whoever sat on the contract's GPUs leaves: a displaced contract and a queued start come back.
  mutating func release(_ id: Int) {
    guard let contract = contracts[id] else { return }
    strangers.subtract(contract.offer.occupied)
    change(id) { $0.isDisplaced = false }
    serveQueue()
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

  /// The host is gone, with every process; the disk waits for it to come back.
  mutating func goOffline(_ id: Int) {
    guard alive(id) != nil else { return }
    change(id) {
      $0.plan = []
      $0.status.actual = .offline
      $0.runningSince = nil
    }
    order(.stop(contract: id, gracefully: false))
    record("offline", id)
  }

  mutating func comeBack(_ id: Int) {
    guard let contract = alive(id), contract.status.actual == .offline else { return }
    record("online", id)
    if contract.status.intended == .running {
      change(id) { $0.status.actual = .loading }
      begin(id)
    } else {
      change(id) { $0.status.actual = .exited }
    }
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
