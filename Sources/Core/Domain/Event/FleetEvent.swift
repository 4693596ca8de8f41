/// Something that happened, written in the transaction of the change that it tells of. `sequence` is given by the store,
/// without gaps for one subject.
package struct FleetEvent: Sendable, Hashable, Identified {
  package static let idPrefix = "evt"

  package var id: ID<FleetEvent>
  /// `job.running`, `instance.created` …
  package var type: String
  /// The id of the job or instance that it is about.
  package var subject: String
  package var instanceID: ID<Instance>?
  package var jobID: ID<Job>?
  package var time: Timestamp
  /// Small facts, by name; no secret.
  package var data: [String: EventFact]

  package init(
    type: String, subject: String, instanceID: ID<Instance>? = nil, jobID: ID<Job>? = nil, at time: Timestamp,
    data: [String: EventFact] = [:]
  ) {
    id = ID(at: time)
    self.type = type
    self.subject = subject
    self.instanceID = instanceID
    self.jobID = jobID
    self.time = time
    self.data = data
  }
}
