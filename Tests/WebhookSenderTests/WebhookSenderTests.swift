import Domain
import EventFormats
import HTTPClient
import HTTPServer
import Locking
import TestSupport
import Testing
import WebhookSender

/// A receiver on loopback that keeps what it was sent.
private final class Receiver: RequestHandler {
  struct Call: Sendable {
    var head: RequestHead
    var body: [UInt8]
  }

  let calls = Locked<[Call]>([])
  private let response: @Sendable () async -> Response

  init(_ response: @escaping @Sendable () async -> Response = { Response(status: 204) }) { self.response = response }

  func begin(_ head: RequestHead) -> Reception {
    .respondLater(bodyLimit: 1 << 20) { [calls, response] request in
      calls.withLock { $0.append(Call(head: head, body: request.body)) }
      return await response()
    }
  }

  func refusal(status: Int, reason: String, detail: String, head: RequestHead?) -> Response { Response(status: status) }

  func completed(
    _ head: RequestHead, status: Int, bytesSent: Int, durationNanoseconds: Int64, context: (any Sendable)?
  ) {}
}

@Suite struct `The sender of webhooks` {
  private let now = Timestamp(seconds: 1_800_000_000.7)

  private func message(_ server: HTTPServer, _ format: WebhookFormat = .cloudevents, host: String = "127.0.0.1")
    -> WebhookMessage
  {
    var webhook = Webhook(
      id: ID(at: now), url: "http://\(host):\(server.port)/hook", format: format, types: EventTypes(), createdAt: now)
    webhook.secret = .random()
    let event = FleetEvent(type: "job.failed", subject: "job_1", at: now, data: ["name": "train"])
    return WebhookMessage(
      webhook: webhook, events: [RecordedEvent(position: 1, sequence: 7, event: event)], attemptedAt: now)
  }

  private func serve(_ receiver: Receiver) throws -> HTTPServer {
    try HTTPServer(configuration: HTTPServerConfiguration(host: "127.0.0.1", port: 0), handler: receiver)
  }

  private func sender(guarded: Bool = false, timeout: Duration = .seconds(5)) -> WebhookSender {
    let publicOnly: @Sendable ([UInt8]) -> Bool = { PublicAddress.includes($0) }
    let rule = guarded ? publicOnly : nil
    let client = HTTPClient(configuration: HTTPClientConfiguration(userAgent: "test", letsThrough: rule))
    return WebhookSender(client: client, source: "/vastd/o1", timeout: timeout)
  }

  @Test func `a signature is the one of the standard's own example`() throws {
    let secret = try #require(WebhookSecret(text: "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="))
    let body =
      #"{"type":"contact.created","timestamp":"2022-11-03T20:26:10.344522Z","data":{"id":"1f81eb52-5198-4599-803e-771906343485"}}"#
    let header = WebhookSignature.header(
      id: "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", timestamp: 1_674_087_231, body: Array(body.utf8), secrets: [secret])
    #expect(header == "v1,bAo/ZbQILxvdozo/ynbX/OmAvBCBNauT8tvtBLFrDCI=")
  }

  @Test func `a receiver gets a signed CloudEvent`() async throws {
    let receiver = Receiver()
    let server = try serve(receiver)
    var message = message(server)
    #expect(await sender().send(message) == .answered(status: 204, retryAfter: nil))
    let call = try #require(receiver.calls.withLock { $0.first })
    #expect(call.body == CloudEvent.json(message.events[0], source: "/vastd/o1"))
    #expect(call.head.header("content-type") == "application/cloudevents+json")
    #expect(call.head.header("webhook-id") == message.events[0].event.id.rawValue)
    #expect(call.head.header("webhook-timestamp") == "1800000000")
    let secret = try #require(message.webhook.secret)
    func signature(_ secrets: [WebhookSecret]) -> String {
      WebhookSignature.header(
        id: message.events[0].event.id.rawValue, timestamp: 1_800_000_000, body: call.body, secrets: secrets)
    }
    #expect(call.head.header("webhook-signature") == signature([secret]))

    // During a rotation both keys sign; after it the new one alone.
    let former = WebhookSecret.random()
    message.webhook.formerSecret = former
    message.webhook.formerSecretUntil = now + .seconds(1)
    _ = await sender().send(message)
    #expect(receiver.calls.withLock { $0.last }?.head.header("webhook-signature") == signature([secret, former]))
    message.webhook.formerSecretUntil = now
    _ = await sender().send(message)
    #expect(receiver.calls.withLock { $0.last }?.head.header("webhook-signature") == signature([secret]))
    await server.drain(grace: .zero)
  }

  @Test func `a redirect is an answer and is not followed`() async throws {
    let receiver = Receiver { Response(status: 302, headers: [("Location", "/elsewhere")]) }
    let server = try serve(receiver)
    #expect(await sender().send(message(server)) == .answered(status: 302, retryAfter: nil))
    #expect(receiver.calls.withLock { $0.count } == 1)
    await server.drain(grace: .zero)
  }

  @Test func `an answer without end costs a few kilobytes and counts by its status`() async throws {
    let receiver = Receiver { Response(status: 500, body: .bytes([UInt8](repeating: 0x41, count: 8 << 20))) }
    let server = try serve(receiver)
    #expect(await sender().send(message(server)) == .answered(status: 500, retryAfter: nil))
    await server.drain(grace: .zero)
  }

  @Test func `a wish for patience is passed on`() async throws {
    let receiver = Receiver { Response(status: 429, headers: [("Retry-After", "7")]) }
    let server = try serve(receiver)
    #expect(await sender().send(message(server, .slack)) == .answered(status: 429, retryAfter: .seconds(7)))
    let call = try #require(receiver.calls.withLock { $0.first })
    #expect(call.head.header("content-type") == "application/json")
    #expect(call.head.header("webhook-signature") == nil)
    await server.drain(grace: .zero)
  }

  @Test func `a receiver that hangs is given up in time`() async throws {
    let release = Signal()
    let receiver = Receiver {
      await release.wait(after: 0)
      return Response(status: 200)
    }
    let server = try serve(receiver)
    guard case .unreachable(let reason) = await sender(timeout: .milliseconds(200)).send(message(server)) else {
      Issue.record("a hanging receiver was answered")
      return
    }
    #expect(reason.contains("No answer"))
    #expect(!reason.contains("127.0.0.1"))
    release.raise()
    await server.drain(grace: .zero)
  }

  @Test(arguments: ["127.0.0.1", "localhost", "2130706433", "0x7f.1"])
  func `with the guard no connection is made to a private address, whatever name leads there`(host: String) async throws
  {
    let receiver = Receiver()
    let server = try serve(receiver)
    guard case .forbiddenAddress = await sender(guarded: true).send(message(server, host: host)) else {
      Issue.record("\(host) was not refused")
      return
    }
    #expect(receiver.calls.withLock { $0.isEmpty })
    await server.drain(grace: .zero)
  }

  @Test func `nobody there is no answer`() async throws {
    let server = try serve(Receiver())
    let message = message(server)
    await server.drain(grace: .zero)
    guard case .unreachable = await sender().send(message) else {
      Issue.record("somebody answered")
      return
    }
  }
}
