/// The courses a container takes after a create, a start and a stop: when which status shows, as pure data.
enum StatusClock {
  static let pullError = "Error response from daemon: manifest for %s not found: manifest unknown"
  static let runtimeError =
    "Error response from daemon: failed to create task for container: failed to create shim task: OCI runtime create "
    + "failed: could not apply required modification to OCI specification: failed to inject CDI devices"

  /// From nothing, or from what a start found, to `running` or to where fate leads.
  static func start(_ contract: Contract, at now: Double, settings: Settings) -> [PlannedStep] {
    let firstReport = now + settings.boot * 0.3
    let pull = contract.hasImage ? 0 : settings.pull
    let pulled = firstReport + pull
    let up = pulled + settings.boot * 0.7
    var plan: [PlannedStep] = []
    func add(_ at: Double, _ step: PlannedStep.Step) { plan.append(PlannedStep(at: at, step: step)) }

    add(firstReport, .report(.loading, message: contract.hasImage ? nil : "Pulling from \(contract.image)"))
    if case .pullFails = contract.fate {
      add(pulled, .report(.loading, message: pullError.replacing("%s", with: contract.image)))
      add(now + settings.pullGiveUp, .giveUp)
      return plan
    }
    if pull > 0 { add(firstReport + pull / 2, .report(.loading, message: "a3ed95caeb02: Pull complete")) }
    switch contract.fate {
    case .stuck:
      return plan
    case .runtimeFails:
      add(up, .refuseToStart(message: runtimeError))
      return plan
    default:
      if !contract.hasImage { add(pulled + settings.boot * 0.5, .report(.created, message: nil)) }
      add(up, .run)
    }
    if case .crashes(let after) = contract.fate { add(up + after, .crash(message: nil)) }
    if case .goesOffline(let after, let lasting) = contract.fate { add(up + after, .goOffline(lasting: lasting)) }
    if case .isOutbid(let after, let tenant, let lasting) = contract.fate, contract.isBid {
      add(up + after, .loseBid(tenant: tenant, lasting: lasting))
    }
    return plan
  }

  /// "success, running library/ubuntu_22.04/ssh".
  static func successMessage(_ contract: Contract) -> String {
    let kind = contract.isJupyter ? "jupyter" : contract.allowsSSH ? "ssh" : "args"
    return "success, running \(contract.image.replacing(":", with: "_"))/\(kind)"
  }
}
