package import Domain
import EventFormats
package import HTTPClient

/// Makes one call to a receiver of events, and says what came of it. Decides nothing about retries.
///
/// Where calls may go is the client's to guard: see `HTTPClientConfiguration.letsThrough`.
package struct WebhookSender: Sendable {
  /// Receivers are to take note and answer; who works before that should not.
  package static let timeout = Duration.seconds(15)
  /// Only the status counts; what a receiver says besides is cut here.
  package static let answerLimit = 4096

  private let client: HTTPClient
  private let source: String
  private let timeout: Duration

  /// - Parameter source: names this installation in CloudEvents.
  package init(client: HTTPClient, source: String, timeout: Duration = Self.timeout) {
    self.client = client
    self.source = source
    self.timeout = timeout
  }

  package func send(_ message: WebhookMessage) async -> WebhookReply {
    guard let first = message.events.first else { return .unreachable(reason: "there is nothing to send") }
    var request = HTTPClientRequest(method: "POST", url: message.webhook.url, timeout: timeout)
    request.responseLimit = Self.answerLimit
    request.cutsLongAnswers = true
    // Who reads CloudEvents knows an event by its id, and is spared a handshake for each; a channel would show it twice.
    request.mayBeRepeated = message.webhook.format == .cloudevents
    switch message.webhook.format {
    case .cloudevents:
      let body = CloudEvent.json(first, source: source)
      request.body = body
      request.headers = headers(of: first.event, body, message)
    case .slack:
      request.body = SlackMessage.json(message.events)
      request.headers = [("Content-Type", "application/json")]
    }
    do throws(HTTPClientError) {
      let response = try await client.send(request)
      let wish = RetryAfter.parse(retryAfter: response.header("retry-after"), now: message.attemptedAt)
      return .answered(status: response.status, retryAfter: wish)
    } catch {
      return WebhookReply(error)
    }
  }

  private func headers(
    of event: FleetEvent, _ body: [UInt8], _ message: WebhookMessage
  ) -> [(name: String, value: String)] {
    let timestamp = message.attemptedAt.microseconds / 1_000_000
    let signature = WebhookSignature.header(
      id: event.id.rawValue, timestamp: timestamp, body: body,
      secrets: message.webhook.signingSecrets(at: message.attemptedAt))
    return [
      ("Content-Type", CloudEvent.mediaType), ("webhook-id", event.id.rawValue),
      ("webhook-timestamp", String(timestamp)), ("webhook-signature", signature),
    ]
  }
}

extension WebhookReply {
  /// Reasons are shown to those who read deliveries: no address is in them.
  fileprivate init(_ error: HTTPClientError) {
    switch error {
    case .forbiddenAddress:
      self = .forbiddenAddress(
        reason: "The name leads to a loopback, private, link-local or otherwise special address; nothing was sent.")
    case .notSent(let reason): self = .unreachable(reason: "No connection: \(reason).")
    case .broken(let reason): self = .unreachable(reason: "The connection broke: \(reason).")
    case .timedOut: self = .unreachable(reason: "No answer within \(Int(WebhookSender.timeout.inSeconds)) s.")
    case .tooLarge: self = .unreachable(reason: "The head of the answer is too large.")
    case .cancelled: self = .unreachable(reason: "The service is ending.")
    }
  }
}
