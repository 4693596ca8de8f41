import FleetService
import Logging
import Telemetry

/// Writes down what an answer must not tell and an operator must know.
struct FaultLog: Sendable {
  let logger: Logger

  func note(_ error: APIError, _ context: RequestContext) {
    switch error {
    case .fleet(.storage(let detail, _)):
      logger.error(
        "the store failed a request", metadata: [LogKey.requestID: "\(context.requestID)", LogKey.error: "\(detail)"])
    case .fileMissing(let path):
      logger.error(
        "a file of an answer cannot be opened",
        metadata: [LogKey.requestID: "\(context.requestID)", LogKey.path: "\(path)"])
    default: break
    }
  }
}
