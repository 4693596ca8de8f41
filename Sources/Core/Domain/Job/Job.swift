/// A piece of work and what became of it: the row in the store.
package struct Job: Sendable, Hashable, Identified {
  package static let idPrefix = "job"

  package var id: ID<Job>
  package private(set) var state: JobState
  /// Counts the writes of this row; a write with an old number is refused.
  package var version: Int64 = 0
  package var specification: JobSpecification
  /// Which machine this is, from 1; 0 before the first.
  package var attempt = 0
  /// The instance of the present or last attempt.
  package var instanceID: ID<Instance>?
  package var isCancelRequested = false
  /// Set before cleaning up begins.
  package var outcome: JobOutcome?
  package var exitCode: Int32?
  package var failure: Failure?
  /// What it would cost, as found when approval was asked for.
  package var quote: Quote?
  package var cost = Money.zero
  /// Machines that failed it; never tried again for this job.
  package var failedMachines: Set<Int64> = []
  package var results: Results?
  package var createdAt: Timestamp
  /// When the command started in the last attempt.
  package var startedAt: Timestamp?
  /// When the command ended.
  package var endedAt: Timestamp?
  package var finishedAt: Timestamp?
  /// When its last instance was proved gone.
  package var verifiedAt: Timestamp?
  package var attempts: [Attempt] = []
  package var phases: [Phase] = []

  package init(id: ID<Job>, specification: JobSpecification, state: JobState, createdAt: Timestamp) {
    self.id = id
    self.specification = specification
    self.state = state
    self.createdAt = createdAt
    phases = [Phase(name: state.rawValue, startedAt: createdAt)]
  }

  /// The only way to move; closes the phase that ends and opens the next.
  package mutating func apply(_ event: JobEvent, at moment: Timestamp) throws(IllegalTransition) {
    guard let next = JobState.transitions.destination(from: state, on: event) else {
      throw IllegalTransition(from: state.rawValue, event: event.rawValue)
    }
    state = next
    if !phases.isEmpty { phases[phases.count - 1].finishedAt = moment }
    if next.isFinal { finishedAt = moment } else { phases.append(Phase(name: next.rawValue, startedAt: moment)) }
  }

  /// For the store, which reads back what `apply` once produced.
  package mutating func restore(state: JobState) { self.state = state }

  package struct Results: Sendable, Hashable {
    package var sizeBytes: Int64
    package var sha256: String
    /// Outputs that were asked for and not there.
    package var missing: [String]

    package init(sizeBytes: Int64, sha256: String, missing: [String]) {
      self.sizeBytes = sizeBytes
      self.sha256 = sha256
      self.missing = missing
    }
  }

  /// One machine's turn.
  package struct Attempt: Sendable, Hashable {
    package var number: Int
    package var instanceID: ID<Instance>
    package var machineID: Int64?
    /// How long the job's log was before this machine's command began: what its own log is added to.
    package var logStart: Int64 = 0
    package var startedAt: Timestamp
    package var finishedAt: Timestamp?
    package var failure: Failure?
    /// Its command was started.
    package var hasLaunched = false
    /// What it went on from.
    package var checkpointID: ID<Checkpoint>?

    package init(number: Int, instanceID: ID<Instance>, machineID: Int64?, startedAt: Timestamp) {
      self.number = number
      self.instanceID = instanceID
      self.machineID = machineID
      self.startedAt = startedAt
    }
  }

  package struct Phase: Sendable, Hashable {
    package var name: String
    package var startedAt: Timestamp
    package var finishedAt: Timestamp?

    package init(name: String, startedAt: Timestamp, finishedAt: Timestamp? = nil) {
      self.name = name
      self.startedAt = startedAt
      self.finishedAt = finishedAt
    }
  }
}
