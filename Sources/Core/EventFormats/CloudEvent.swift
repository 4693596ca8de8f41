package import Domain
import JSON

/// An event as CloudEvents 1.0 writes it in JSON: what the API serves, streams and sends to webhooks.
package enum CloudEvent {
  package static let mediaType = "application/cloudevents+json"

  /// One event. `source` names the installation, and with the id makes the event one in the world; `sequence` is an extension
  /// that counts the events of one subject without gaps.
  package static func json(_ recorded: RecordedEvent, source: String) -> [UInt8] {
    let event = recorded.event
    var writer = JSONWriter(capacity: 512)
    writer.object { writer in
      writer.member("specversion", "1.0")
      writer.member("id", event.id.rawValue)
      writer.member("source", source)
      writer.member("type", event.type)
      writer.member("subject", event.subject)
      writer.member("time", event.time.rfc3339)
      writer.member("datacontenttype", "application/json")
      writer.member("sequence", recorded.sequence)
      writer.object("data") { writer in write(event, to: &writer) }
    }
    return writer.bytes
  }

  /// The facts, in the order of their names, and which job and instance they are about.
  private static func write(_ event: FleetEvent, to writer: inout JSONWriter) {
    if let jobID = event.jobID { writer.member("job_id", jobID.rawValue) }
    if let instanceID = event.instanceID { writer.member("instance_id", instanceID.rawValue) }
    for (name, fact) in event.data.sorted(by: { $0.key < $1.key }) where name != "job_id" && name != "instance_id" {
      switch fact {
      case .text(let text): writer.member(dynamic: name, .string(text))
      case .integer(let integer): writer.member(dynamic: name, .integer(integer))
      case .money(let money): writer.member(dynamic: name, raw: money.decimal.utf8)
      case .flag(let flag): writer.member(dynamic: name, .bool(flag))
      }
    }
  }
}
