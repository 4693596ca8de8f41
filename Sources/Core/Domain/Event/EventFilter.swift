/// Which events a reader wants; nil asks for all.
package struct EventFilter: Sendable, Hashable {
  package var type: String?
  package var instanceID: ID<Instance>?
  package var jobID: ID<Job>?

  package init() {}

  package func includes(_ event: FleetEvent) -> Bool {
    (type == nil || type == event.type) && (instanceID == nil || instanceID == event.instanceID)
      && (jobID == nil || jobID == event.jobID)
  }
}
