extension Job {
  /// The event that tells of the job's present state.
  package func event(at moment: Timestamp) -> FleetEvent {
    var facts: [String: EventFact] = ["state": .text(state.rawValue)]
    facts.note("name", specification.name)
    if attempt > 0 { facts.note("attempt", attempt) }
    facts.note("exit_code", exitCode)
    facts.note("code", failure?.code)
    facts.note("detail", failure?.detail)
    if state.isFinal { facts.note("cost_usd", cost) }
    if state == .awaitingApproval {
      facts.note("price_per_hour_usd", quote?.pricePerHour)
      facts.note("total_usd", quote?.total)
    }
    return FleetEvent(
      type: "job.\(state.rawValue)", subject: id.rawValue, instanceID: instanceID, jobID: id, at: moment, data: facts)
  }
}

extension Instance {
  /// An event about the instance; `type` without its `instance.`.
  package func event(_ type: String, at moment: Timestamp) -> FleetEvent {
    var facts: [String: EventFact] = ["state": .text(state.rawValue), "label": .text(label)]
    facts.note("provider_id", marketID?.rawValue)
    facts.note("provider_status", marketStatus)
    facts.note("machine_id", machineID)
    facts.note("gpu_name", gpuName)
    facts.note("num_gpus", gpuCount)
    facts.note("price_per_hour_usd", pricePerHour)
    if state == .running, let address = currentSSHAddress {
      facts.note("ssh", "ssh -p \(address.port) root@\(address.host)")
    }
    facts.note("code", failure?.code)
    facts.note("detail", failure?.detail)
    return FleetEvent(
      type: "instance.\(type)", subject: id.rawValue, instanceID: id, jobID: jobID, at: moment, data: facts)
  }
}
