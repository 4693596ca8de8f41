import JSON

/// What happens by itself.
extension World {
  mutating func takeStep(of id: Int) {
    guard let contract = contracts[id] else { return }
    guard let planned = contract.plan.first else {
      // Nothing planned: it was destroyed and now leaves the lists.
      record("vanished", id)
      change(id) { _ in }
      return
    }
    change(id) { $0.plan.removeFirst() }
    switch planned.step {
    case .report(let status, let message):
      change(id) {
        $0.status.actual = status
        if let message { $0.message = message }
      }
    case .run: run(id)
    case .exit: exit(id, gracefully: true)
    case .giveUp:
      change(id) { $0.status = Status(actual: $0.status.actual, intended: .stopped, current: .stopped, next: .stopped) }
    case .refuseToStart(let message):
      change(id) {
        $0.status = Status(actual: .created, intended: .stopped, current: .stopped, next: .stopped)
        $0.message = message
        $0.hasImage = true
      }
    case .crash(let message): crash(id, message: message)
    case .goOffline(let lasting): goOffline(id, lasting: lasting)
    case .loseBid(let tenant, let lasting): outbid(id, tenant: tenant, lasting: lasting)
    }
    serveQueue()
  }

  /// The container is up: new ports, its processes, and the message that will stick.
  private mutating func run(_ id: Int) {
    guard let contract = contracts[id] else { return }
    let ports = mappings(contract)
    change(id) { [now] in
      $0.status.actual = .running
      $0.message = StatusClock.successMessage($0)
      $0.ports = ports
      $0.boots += 1
      $0.hasImage = true
      $0.runningSince = now
    }
    guard let running = contracts[id] else { return }
    order(.start(containerPlan(running)))
    // Only this start was doomed; the next one gets a chance.
    change(id) { $0.fate = .fine }
  }

  mutating func exit(_ id: Int, gracefully: Bool) {
    change(id) {
      $0.status.actual = .exited
      $0.ports = []
      $0.runningSince = nil
    }
    order(.stop(contract: id, gracefully: gracefully))
  }

  private func mappings(_ contract: Contract) -> [PortMapping] {
    var inside: [String] = []
    if contract.allowsDirect, contract.offer.machine.directPorts > 0 { inside.append("22/tcp") }
    if contract.isJupyter { inside.append("8080/tcp") }
    for variable in contract.environment where variable.name.hasPrefix("-p ") {
      // "-p 8000:8000" or "-p 9000:9000/udp": what stands behind the colon is the container's.
      let inner = variable.name.dropFirst(3).split(separator: ":").last.map(String.init) ?? ""
      inside.append(inner.contains("/") ? inner : inner + "/tcp")
    }
    return inside.map { PortMapping(inside: $0, outside: freePort()) }
  }

  func containerPlan(_ contract: Contract) -> ContainerPlan {
    let direct = contract.ports.filter { $0.inside == "22/tcp" }.map(\.outside)
    let proxy = [contract.proxySSHPort]
    var plan = ContainerPlan(
      contract: contract.id, environment: containerEnvironment(contract), onstart: contract.onstart,
      sshPorts: contract.allowsSSH ? direct + proxy : [], silentPorts: [], sshDelay: settings.sshDelay,
      keys: contract.keys.map(\.text), gpu: contract.offer.machine.gpu, gpus: contract.offer.gpus,
      driver: contract.offer.machine.driver, cuda: contract.offer.machine.cuda)
    switch contract.fate {
    case .deaf(silent: false): plan.sshPorts = []
    case .deaf(silent: true): (plan.sshPorts, plan.silentPorts) = ([], plan.sshPorts)
    case .fullDisk: plan.hasFullDisk = true
    case .proxyOnly: plan.sshPorts = contract.allowsSSH ? proxy : []
    default: break
    }
    return plan
  }

  /// What the service puts into every container, then what the renter asked for.
  private func containerEnvironment(_ contract: Contract) -> [(name: String, value: String)] {
    var environment: [(name: String, value: String)] = [
      ("CONTAINER_ID", "\(contract.id)"), ("CONTAINER_API_KEY", contract.instanceKey),
      ("VAST_CONTAINERLABEL", "C.\(contract.id)"), ("PUBLIC_IPADDR", "127.0.0.1"),
      ("GPU_COUNT", "\(contract.offer.gpus)"), ("JUPYTER_TOKEN", contract.jupyterToken),
    ]
    for port in contract.ports {
      let parts = port.inside.split(separator: "/")
      guard parts.count == 2 else { continue }
      environment.append(("VAST_\(parts[1].uppercased())_PORT_\(parts[0])", "\(port.outside)"))
    }
    return environment + contract.environment.filter { !$0.name.hasPrefix("-") }
  }

  /// What lasts for a time is over.
  mutating func takeEnding(_ ending: Ending) {
    endings.removeAll { $0.what == ending.what }
    switch ending.what {
    case .outbid(let contract): release(contract)
    case .offline(let contract): comeBack(contract)
    case .machineOffline(let machine): comeBack(machine: machine)
    case .term(let contract): finishTerm(of: contract)
    }
  }

  mutating func runOutOfCredit() {
    wallet.count(to: now, speed: settings.accrualSpeed)
    wallet.exhaust()
    record("out_of_credit", nil)
    for id in contracts.keys.sorted() {
      guard let contract = contracts[id], contract.isAlive, contract.status.intended == .running else { continue }
      halt(id)
    }
  }

  /// Starts what waits for GPUs that are free by now.
  mutating func serveQueue() {
    let waiting = contracts.values.filter { $0.isAlive && !$0.isDisplaced && ($0.isQueued || $0.revivesByItself) }
    for contract in waiting.sorted(by: { $0.id < $1.id })
    where isRentable(contract.offer, occupied: occupiedSlots(except: contract.id)) {
      begin(contract.id)
    }
  }

  /// Begins a start whose GPUs are free. A container that is still on its way down gets there first, and one whose host is
  /// not heard of is started when that comes back.
  mutating func begin(_ id: Int) {
    if contracts[id]?.status.actual == .running { exit(id, gracefully: true) }
    change(id) { [now, settings] in
      $0.status.intended = .running
      $0.status.current = .running
      $0.status.next = .running
      $0.revivesByItself = false
      $0.isDisplaced = false
      if $0.status.actual != .offline { $0.plan = StatusClock.start($0, at: now, settings: settings) }
    }
  }

  /// Stops as the renter's stop and the end of the credit do: wishes at once, the container a moment later.
  mutating func halt(_ id: Int) {
    guard let contract = contracts[id] else { return }
    change(id) { [now, settings] in
      $0.status.intended = .stopped
      $0.status.current = .stopped
      $0.status.next = .stopped
      $0.revivesByItself = false
      $0.plan = contract.canComeDown ? [PlannedStep(at: now + settings.stop, step: .exit)] : []
    }
  }
}
