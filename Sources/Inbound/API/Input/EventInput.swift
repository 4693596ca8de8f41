import Domain

/// Which events a reader asks for, of a list or of a stream.
struct EventInput {
  var filter = EventFilter()
  /// The last one that the reader has.
  var after: ID<FleetEvent>?

  init(_ reader: inout QueryReader) throws(APIError) {
    filter.type = try reader.text(
      "type",
      TextRule {
        EventTypes.isPattern($0) && !$0.hasSuffix("*") ? nil : "must be a type of event such as job.succeeded"
      })
    filter.instanceID = try Self.id("instance_id", "an instance's id: ins_…", &reader)
    filter.jobID = try Self.id("job_id", "a job's id: job_…", &reader)
    after = try Self.id("after", "an event's id: evt_…", &reader)
  }

  static func id<Entity>(
    _ name: String, _ what: String, _ reader: inout QueryReader
  ) throws(APIError) -> ID<Entity>? {
    guard let text = reader.string(name) else { return nil }
    guard let id = ID<Entity>(text) else { throw .queryParameter(name: name, detail: "must be \(what)") }
    return id
  }
}
