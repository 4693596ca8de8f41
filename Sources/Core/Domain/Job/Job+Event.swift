extension Job {
  /// The event that tells of the job's present state.
  package func event(at moment: Timestamp) -> FleetEvent {
    var facts = ["state": state.rawValue]
    if let name = specification.name { facts["name"] = name }
    if attempt > 0 { facts["attempt"] = String(attempt) }
    if let exitCode { facts["exit_code"] = String(exitCode) }
    if let failure { facts["code"] = failure.code }
    return FleetEvent(
      type: "job.\(state.rawValue)", subject: id.rawValue, instanceID: instanceID, jobID: id, at: moment, data: facts)
  }
}

extension Instance {
  /// An event about the instance; `type` without its `instance.`.
  package func event(_ type: String, at moment: Timestamp) -> FleetEvent {
    var facts = ["state": state.rawValue]
    if let marketID { facts["provider_id"] = marketID.description }
    if let marketStatus { facts["provider_status"] = marketStatus }
    if let machineID { facts["machine_id"] = String(machineID) }
    if let failure { facts["code"] = failure.code }
    return FleetEvent(
      type: "instance.\(type)", subject: id.rawValue, instanceID: id, jobID: jobID, at: moment, data: facts)
  }
}
