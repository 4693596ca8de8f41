import Domain
import FleetService
import HTTPServer
import Locking
import Logging

/// What the routes run: each decodes, asks the fleet once and encodes.
final class Handlers: Sendable {
  let fleet: Fleet
  let configuration: APIConfiguration
  let metricsText: @Sendable () -> [UInt8]
  let faults: FaultLog
  let logger: Logger
  let cursors: CursorCodec
  let offerAnswers = OfferAnswers()
  let jobAnswers = JobAnswers()
  let eventStreams: EventStreams
  let seenNotifications = Locked(SeenNotifications())

  var servesMetrics: Bool { configuration.servesMetrics }

  init(
    fleet: Fleet, configuration: APIConfiguration, metrics: @escaping @Sendable () -> [UInt8], logger: Logger
  ) {
    self.fleet = fleet
    self.configuration = configuration
    metricsText = metrics
    faults = FaultLog(logger: logger)
    self.logger = logger
    cursors = CursorCodec(secret: configuration.cursorSecret)
    eventStreams = EventStreams(fleet: fleet, clock: configuration.clock, logger: logger)
  }

  /// The id of the path; one that cannot be of its kind is not found, like one that is not there.
  func id<Entity>(_ call: Call, _ kind: Entity.Type) throws(APIError) -> ID<Entity> {
    guard let id = call.id.flatMap({ ID<Entity>($0) }) else { throw .notFound(Entity.noun) }
    return id
  }

  /// The same for the second name of the path.
  func part<Entity>(_ call: Call, _ kind: Entity.Type) throws(APIError) -> ID<Entity> {
    guard let id = call.part.flatMap({ ID<Entity>($0) }) else { throw .notFound(Entity.noun) }
    return id
  }

  /// What a creation answers: the thing made, or the first answer again.
  func created<Made>(
    _ creation: Creation<Made>, _ call: Call, _ encode: (Made) -> StoredAnswer
  ) -> Response {
    let answer: StoredAnswer
    var extra: [(name: String, value: String)] = []
    switch creation {
    case .made(let made): answer = encode(made)
    case .replayed(let stored):
      answer = stored
      extra.append(("Idempotent-Replayed", "true"))
    }
    if let location = answer.location { extra.append(("Location", location)) }
    return call.json(.bytes(answer.body), status: answer.status, extra: extra)
  }

  /// For calls without parameters.
  func refuseQuery(_ call: Call) throws(APIError) {
    try QueryReader(call.head).finish()
  }
}

extension Identified {
  /// `job`, for "There is no such job."
  static var noun: String {
    switch idPrefix {
    case "ins": "instance"
    case "upl": "upload"
    case "whk": "webhook"
    case "dlv": "delivery"
    case "evt": "event"
    case "chk": "checkpoint"
    case "exc": "exclusion"
    case "inc": "price increase"
    default: idPrefix
    }
  }
}
