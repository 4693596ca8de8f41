/// What follows from a receiver's answer. Pure: time and chance are parameters.
package struct DeliveryPlan: Sendable, Hashable {
  package enum Step: Sendable, Hashable {
    case done
    /// Again at this moment; what is behind it in its lane waits.
    case retry(at: Timestamp)
    /// This one is given up, and its lane goes on.
    case giveUp
    /// The receiver is gone, or has failed for days: nothing more is sent there, and nothing is lost.
    case disable(reason: String)
  }

  package let step: Step
  /// What the attempt came to, for the record: the status, or why there is none.
  package let status: Int?
  package let error: String?

  /// How long after the first attempt a delivery is given up: a long week-end and the two days that it takes to notice.
  package static let lifetime = Duration.seconds(5 * 24 * 3600)
  /// Delays after the first attempt, the second …; the last one goes on. They come to 75.6 hours before the last repeats.
  package static let delays: [Duration] = [
    .seconds(5), .seconds(300), .seconds(1800), .seconds(7200), .seconds(5 * 3600), .seconds(10 * 3600),
    .seconds(14 * 3600), .seconds(20 * 3600), .seconds(24 * 3600),
  ]
  /// A receiver that asks for more patience than this is asked again all the same.
  static let longestWish = Duration.seconds(24 * 3600)

  /// - Parameters:
  ///   - delivery: as it was before the attempt.
  ///   - jitter: 0 to 1; spreads what failed together over a tenth of its delay.
  package init(for delivery: Delivery, to webhook: Webhook, after reply: WebhookReply, now: Timestamp, jitter: Double) {
    switch reply {
    case .answered(let status, _): (self.status, error) = (status, nil)
    case .unreachable(let reason), .forbiddenAddress(let reason): (status, error) = (nil, reason)
    }
    step = Self.step(delivery, webhook, reply, now, jitter)
  }

  private static func step(
    _ delivery: Delivery, _ webhook: Webhook, _ reply: WebhookReply, _ now: Timestamp, _ jitter: Double
  ) -> Step {
    var wish = Duration.zero
    if case .answered(let status, let retryAfter) = reply {
      switch (status, webhook.format) {
      case (200..<300, _): return .done
      case (410, _): return .disable(reason: "The receiver answered 410: it is gone.")
      // What Slack says of a channel or an app that is no more.
      case (403, .slack), (404, .slack):
        return .disable(reason: "Slack answered \(status): the channel or app is gone.")
      // It will never like this message.
      case (400, .slack): return .giveUp
      default: break
      }
      wish = min(retryAfter ?? .zero, longestWish)
    }
    guard now - (delivery.firstAttemptAt ?? now) < lifetime else {
      let hasFailedAllAlong = (webhook.failingSince ?? now) <= (delivery.firstAttemptAt ?? now)
      return hasFailedAllAlong ? .disable(reason: "Every attempt has failed for five days.") : .giveUp
    }
    let delay = delays[min(delivery.attempts, delays.count - 1)]
    return .retry(at: now + max(delay + delay * (jitter / 10), wish))
  }
}

/// How long a receiver is left alone after failures in a row, whatever waits for it: a dead one costs a probe now and then,
/// not a connection per event.
package enum ReceiverPause {
  /// Two failures may be chance.
  package static let tolerated = 2
  package static let longest = Duration.seconds(300)

  package static func after(failures: Int) -> Duration {
    guard failures > tolerated else { return .zero }
    return min(longest, .seconds(5) * (1 << min(failures - tolerated - 1, 10)))
  }
}
