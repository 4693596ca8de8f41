import HTTPServer
import Locking
import TestSupport
import Testing

/// A server on a free port whose handler is made of closures, and a record of everything that it was asked.
final class TestHandler: RequestHandler {
  struct Ended: Sendable {
    let target: String
    let status: Int
    let bytesSent: Int
    let duration: Int64
    let context: String?
  }

  struct Log: Sendable {
    var begun: [String] = []
    var refused: [(status: Int, reason: String)] = []
    var ended: [Ended] = []
  }

  let log = Locked(Log())
  private let decide: @Sendable (RequestHead) -> Reception

  init(_ decide: @escaping @Sendable (RequestHead) -> Reception) { self.decide = decide }

  func begin(_ head: RequestHead) -> Reception {
    log.withLock { $0.begun.append("\(head.method.rawValue) \(head.rawTarget)") }
    return decide(head)
  }

  func refusal(status: Int, reason: String, detail: String, head: RequestHead?) -> Response {
    log.withLock { $0.refused.append((status, reason)) }
    return Response(status: status, contentType: "text/plain", body: .bytes(Array(reason.utf8)), context: "refusal")
  }

  func completed(
    _ head: RequestHead, status: Int, bytesSent: Int, durationNanoseconds: Int64, context: (any Sendable)?
  ) {
    let ended = Ended(
      target: head.rawTarget, status: status, bytesSent: bytesSent, duration: durationNanoseconds,
      context: context as? String)
    log.withLock { $0.ended.append(ended) }
  }

  var begun: [String] { log.withLock { $0.begun } }
  var ended: [Ended] { log.withLock { $0.ended } }
  var refused: [(status: Int, reason: String)] { log.withLock { $0.refused } }
}

/// Runs `body` against a fresh server and brings the server to rest afterwards, whatever happened.
func withServer(
  _ change: (inout HTTPServerConfiguration) -> Void = { _ in },
  handler: TestHandler, _ body: (HTTPServer) async throws -> Void
) async throws {
  var configuration = HTTPServerConfiguration()
  // Far away unless a test is about them: a busy machine can take ten seconds over anything.
  configuration.headerDeadlineSeconds = 60
  configuration.bodyDeadlineSeconds = 60
  change(&configuration)
  let server = try HTTPServer(configuration: configuration, handler: handler)
  do {
    try await body(server)
  } catch {
    await server.drain(grace: .zero)
    throw error
  }
  await server.drain(grace: .zero)
}

extension Response {
  static func text(_ text: String, status: Int = 200) -> Response {
    Response(status: status, contentType: "text/plain", body: .bytes(Array(text.utf8)))
  }
}

/// Waits for something that another thread brings about.
func eventually(within seconds: Double = 20, _ condition: () -> Bool) async -> Bool {
  let end = ContinuousClock.now.advanced(by: .seconds(seconds))
  while ContinuousClock.now < end {
    if condition() { return true }
    await Task.yield()
    do { try await ContinuousClock().pause(for: .milliseconds(2)) } catch { return condition() }
  }
  return condition()
}

func get(_ target: String, _ fields: String = "") -> String {
  "GET \(target) HTTP/1.1\r\nHost: test\r\n\(fields)\r\n"
}

func post(_ target: String, _ body: String, _ fields: String = "") -> String {
  "POST \(target) HTTP/1.1\r\nHost: test\r\nContent-Length: \(body.utf8.count)\r\n\(fields)\r\n\(body)"
}

/// Answers everything with the method, path and body that it saw.
func echo(bodyLimit: Int = 1 << 16) -> TestHandler {
  TestHandler { _ in
    .respond(bodyLimit: bodyLimit) { request in
      .text("\(request.head.method.rawValue) \(request.head.path) \(String(decoding: request.body, as: UTF8.self))")
    }
  }
}
