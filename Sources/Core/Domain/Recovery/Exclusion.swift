/// A machine that failed a job and is left alone for a while, by all jobs.
package struct Exclusion: Sendable, Hashable, Identified {
  package static let idPrefix = "exc"

  package var id: ID<Exclusion>
  package var machineID: Int64
  package var hostID: Int64?
  /// The code of the failure.
  package var reason: String
  package var jobID: ID<Job>?
  package var createdAt: Timestamp
  package var until: Timestamp

  /// A machine that failed: long enough for its owner to notice.
  package static let faultSpan = Duration.seconds(6 * 3600)
  /// One whose bid was topped: somebody else works there now.
  package static let preemptionSpan = Duration.seconds(3600)
  /// So many machines of one host make the host itself suspect.
  package static let machinesThatBlameHost = 2

  package init(
    id: ID<Exclusion>, machineID: Int64, hostID: Int64?, reason: String, jobID: ID<Job>?, createdAt: Timestamp
  ) {
    self.id = id
    self.machineID = machineID
    self.hostID = hostID
    self.reason = reason
    self.jobID = jobID
    self.createdAt = createdAt
    until = createdAt + (reason == "preempted" ? Self.preemptionSpan : Self.faultSpan)
  }
}

extension Failure {
  /// Whether other jobs had better leave the machine alone for a while: it was to blame, or it is somebody else's now. Not for an
  /// order that came to nothing, and not for what may have been the command's own doing.
  package var warnsOthers: Bool {
    switch code {
    case "preempted", "host_offline", "instance_exited", "instance_gone", "instance_lost", "machine_unfit",
      "start_timeout", "start_failed", "start_refused", "image_pull_failed", "created_unusable", "command_vanished",
      "ssh_timeout", "ssh_lost", "host_key_changed", "gpu_missing":
      true
    default: false
    }
  }
}

/// All that is in force at a moment, as a search takes it.
package struct Exclusions: Sendable, Hashable {
  package var machines: Set<Int64>
  package var hosts: Set<Int64>

  package init(_ exclusions: [Exclusion]) {
    machines = Set(exclusions.map(\.machineID))
    var machinesByHost: [Int64: Set<Int64>] = [:]
    for exclusion in exclusions {
      if let host = exclusion.hostID { machinesByHost[host, default: []].insert(exclusion.machineID) }
    }
    hosts = Set(machinesByHost.filter { $0.value.count >= Exclusion.machinesThatBlameHost }.keys)
  }

  package var isEmpty: Bool { machines.isEmpty }
}
