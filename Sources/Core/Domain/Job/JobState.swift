/// Where a job stands. Raw values are stored and served, so they are never renamed.
package enum JobState: String, Sendable, Hashable, CaseIterable {
  case awaitingApproval = "awaiting_approval"
  case queued
  case provisioning
  case starting
  case running
  case collecting
  case cleaningUp = "cleaning_up"
  case succeeded
  case failed
  case cancelled

  package var isFinal: Bool {
    switch self {
    case .succeeded, .failed, .cancelled: true
    case .awaitingApproval, .queued, .provisioning, .starting, .running, .collecting, .cleaningUp: false
    }
  }

  /// The job runner has work with it.
  package var isActive: Bool { !isFinal && self != .awaitingApproval }
}

package enum JobEvent: String, Sendable, Hashable, CaseIterable {
  case approved
  /// An instance row was written for it.
  case placed
  /// The instance runs and SSH answers.
  case ready
  /// The command was started on the machine.
  case launched
  /// The command is gone and its machine is there: the next attempt begins on it.
  case revived
  /// Its machine stopped and is asked to run again: the next attempt begins on it, when it does.
  case restarted
  /// The command ended, or its time is over.
  case ended
  case collected
  /// This attempt came to nothing; another follows.
  case attemptFailed = "attempt_failed"
  /// No further attempt: clean up, then end with the outcome on record.
  case gaveUp = "gave_up"
  case finishedWell = "finished_well"
  case finishedBadly = "finished_badly"
  case finishedCancelled = "finished_cancelled"
}

extension JobState {
  package static let transitions = TransitionTable<JobState, JobEvent>([
    .init(.awaitingApproval, on: .approved, to: .queued),
    .init(.awaitingApproval, on: .gaveUp, to: .cleaningUp),
    .init(.queued, on: .placed, to: .provisioning),
    .init(.queued, on: .gaveUp, to: .cleaningUp),
    .init(.provisioning, on: .ready, to: .starting),
    .init(.provisioning, on: .attemptFailed, to: .queued),
    .init(.provisioning, on: .gaveUp, to: .cleaningUp),
    .init(.starting, on: .launched, to: .running),
    .init(.starting, on: .attemptFailed, to: .queued),
    .init(.starting, on: .gaveUp, to: .cleaningUp),
    .init(.running, on: .revived, to: .starting),
    .init(.running, on: .restarted, to: .provisioning),
    .init(.running, on: .ended, to: .collecting),
    .init(.running, on: .attemptFailed, to: .queued),
    .init(.running, on: .gaveUp, to: .cleaningUp),
    .init(.collecting, on: .collected, to: .cleaningUp),
    .init(.collecting, on: .gaveUp, to: .cleaningUp),
    .init(.cleaningUp, on: .finishedWell, to: .succeeded),
    .init(.cleaningUp, on: .finishedBadly, to: .failed),
    .init(.cleaningUp, on: .finishedCancelled, to: .cancelled),
  ])
}

/// How a job will end, on record before the cleaning up begins so that a restart ends it the same way.
package enum JobOutcome: String, Sendable, Hashable, CaseIterable {
  case succeeded
  case failed
  case cancelled

  package var event: JobEvent {
    switch self {
    case .succeeded: .finishedWell
    case .failed: .finishedBadly
    case .cancelled: .finishedCancelled
    }
  }
}
