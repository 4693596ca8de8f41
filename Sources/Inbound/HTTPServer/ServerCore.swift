import CMicrohttpd
import CSystem
import Locking
import Synchronization

/// What the connections of one server share. Kept alive by the daemon's callbacks until the daemon has stopped.
final class ServerCore: Sendable {
  let configuration: HTTPServerConfiguration
  let handler: any RequestHandler
  let table: ConnectionTable
  let watch: Watch
  /// Nanoseconds, so that a deadline is one addition.
  let headerDeadline: Int64
  let bodyDeadline: Int64
  let idleTimeout: Int64
  let answerDeadline: Int64

  /// Requests whose headers were read and that have not ended.
  let inFlight = Atomic(0)
  /// Of those, the ones that have no answer yet and so may still suspend their connection.
  let unanswered = Atomic(0)
  /// Handlers that run as tasks; one whose client left is no longer in flight but still runs.
  let tasks = Atomic(0)
  /// Suspended connections. The library aborts the process when it is stopped while there is one.
  let suspended = Atomic(0)
  let isDraining = Atomic(false)

  /// How long a refused connection is read on, so that the client finds the answer and not a reset.
  static let lingerNanoseconds: Int64 = 2_000_000_000

  init(configuration: HTTPServerConfiguration, handler: any RequestHandler, watch: Watch) {
    self.configuration = configuration
    self.handler = handler
    self.watch = watch
    table = ConnectionTable(wake: { watch.wake() })
    headerDeadline = Int64(configuration.headerDeadlineSeconds) * 1_000_000_000
    bodyDeadline = Int64(configuration.bodyDeadlineSeconds) * 1_000_000_000
    idleTimeout = Int64(configuration.idleTimeoutSeconds) * 1_000_000_000
    answerDeadline = Int64(configuration.answerDeadlineSeconds) * 1_000_000_000
  }

  /// How long an answer of known length may take to be read.
  func sendingTime(_ bytes: Int64) -> Int64 {
    idleTimeout + bytes / Int64(max(configuration.slowestReaderBytesPerSecond, 1)) * 1_000_000_000
  }

  func refusal(_ refusal: Refusal, head: RequestHead?) -> Response {
    var response = handler.refusal(
      status: refusal.status, reason: refusal.reason, detail: refusal.detail, head: head)
    if refusal.status == 405 || refusal.status == 501, !response.headers.contains(where: { $0.name == "Allow" }) {
      response.headers.append((name: "Allow", value: Method.allowed))
    }
    response.closesConnection = true
    return response
  }
}
