import Domain

/// Where events are sent, with its own books: it hangs, fails, and loses answers after it has taken note.
///
/// `@unchecked Sendable`: there is one thread.
final class Receiver: @unchecked Sendable {
  private let vast: Vast
  /// The last sequence that it got of each subject.
  private(set) var last: [String: Int64] = [:]

  init(_ vast: Vast) { self.vast = vast }

  private static let timeout = Duration.seconds(15)

  func send(_ message: WebhookMessage, from life: Holder) async -> WebhookReply {
    let thread = vast.thread
    let lost = WebhookReply.unreachable(reason: "simulated loss")
    let answer = await Reply<WebhookReply>.wait(isAlive: { life.isAlive }) { reply in
      if vast.goesWrong(40) {
        // Nobody there, or nobody who says anything in time.
        let span = thread.dice.isIn(500) ? Duration.milliseconds(20) : Self.timeout
        return thread.after(span) { reply.give(lost) }
      }
      let losesAnswer = vast.goesWrong(40)
      let refuses = vast.goesWrong(40)
      thread.after(thread.dice.seconds(0.01...0.3)) {
        if refuses { return reply.give(.answered(status: 503, retryAfter: nil)) }
        self.take(message)
        if losesAnswer { return thread.after(Self.timeout) { reply.give(lost) } }
        thread.after(thread.dice.seconds(0.01...0.3)) { reply.give(.answered(status: 204, retryAfter: nil)) }
      }
    }
    return answer ?? lost
  }

  /// The same once more is what "at least once" means; anything else that is not the next breaks the promise.
  private func take(_ message: WebhookMessage) {
    for recorded in message.events {
      let subject = recorded.event.subject
      let before = last[subject] ?? 0
      if recorded.sequence != before, recorded.sequence != before + 1 {
        vast.violate("event \(recorded.sequence) of \(subject) came after \(before)")
      }
      last[subject] = recorded.sequence
    }
  }
}
