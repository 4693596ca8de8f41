import Domain
import EventFormats
import FleetService
import HTTPServer

extension Handlers {
  /// Oldest first. The cursor is the id of the last event of the page, as `after` takes it: a reader may keep it for ever and
  /// miss nothing.
  func listEvents(_ call: Call) throws(APIError) -> Response {
    var reader = try QueryReader(call.head)
    let input = try EventInput(&reader)
    let limit = try reader.limit(standard: Limits.defaultPageSize, maximum: Limits.maximumPageSize)
    let cursor: ID<FleetEvent>? = try EventInput.id("cursor", "the next_cursor of the page before", &reader)
    try reader.finish()
    if cursor != nil, input.after != nil {
      throw .queryParameter(name: "cursor", detail: "cannot come with after: they mean the same")
    }
    var events = try asking { () throws(FleetError) in
      try fleet.events(after: cursor ?? input.after, input.filter, limit: limit + 1)
    }
    let hasMore = events.count > limit
    if hasMore { events.removeLast() }
    let items = events.map { CloudEvent.json($0, source: fleet.eventSource) }
    return call.json(ListJSON.page(items, next: hasMore ? events.last?.event.id.rawValue : nil))
  }

  /// Server-sent events from now on, or from after the event that the reader names.
  func streamEvents(_ call: Call) throws(APIError) -> Response {
    var reader = try QueryReader(call.head)
    var input = try EventInput(&reader)
    try reader.finish()
    if let last = call.head.header("last-event-id"), !last.isEmpty {
      guard let id = ID<FleetEvent>(last) else {
        throw .malformedRequest("Last-Event-ID must be an event's id: evt_…")
      }
      input.after = id
    }
    var headers: [(name: String, value: String)] = [
      ("Content-Type", "text/event-stream"), ("Cache-Control", "no-store"), ("X-Accel-Buffering", "no"),
      ("X-Request-Id", call.context.requestID),
    ]
    if call.head.method == .head { return Response(status: 200, headers: headers, context: call.context) }
    guard let stream = try asking({ () throws(FleetError) in try eventStreams.open(input) }) else {
      throw .tooManyStreams
    }
    headers.append(("X-Content-Type-Options", "nosniff"))
    return Response(status: 200, headers: headers, body: .stream(stream), context: call.context)
  }
}
