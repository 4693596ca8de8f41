/// What follows from a receiver's answer. Pure: time and chance are parameters.
package struct DeliveryPlan: Sendable, Hashable {
  package enum Step: Sendable, Hashable {
    case done
    /// Again at this moment; what is behind it in its lane waits.
    case retry(at: Timestamp)
    /// Again soon, and each event of the call by itself: one of them is what the receiver refuses.
    case separate
    /// This one is given up, and its lane goes on.
    case giveUp(reason: String)
    /// The receiver is gone, or has failed for days: nothing more is sent there, and what comes is kept for it.
    case disable(reason: String)
  }

  package let step: Step
  /// What the attempt came to, for the record: the status, or why there is none.
  package let status: Int?
  package let error: String?
  /// By when the receiver is to be called again, when this attempt failed and anything waits for it.
  package let probeBy: Timestamp

  /// How long after the first attempt a delivery is given up: a long week-end and the two days that it takes to notice.
  package static let lifetime = Duration.seconds(5 * 24 * 3600)
  /// Delays after the first attempt, the second …; the last one goes on. They come to 75.6 hours before the last repeats.
  package static let delays: [Duration] = [
    .seconds(5), .seconds(300), .seconds(1800), .seconds(7200), .seconds(5 * 3600), .seconds(10 * 3600),
    .seconds(14 * 3600), .seconds(20 * 3600), .seconds(24 * 3600),
  ]
  /// A receiver that asks for more patience than this is asked again all the same.
  static let longestWish = Duration.seconds(24 * 3600)
  /// How long a receiver that failed is left without a call while anything waits for it, unless it asks for more: the delays are
  /// for what it refuses, and a quiet one, or one of a single lane, would learn of its own return a day late by them.
  package static let longestSilence = Duration.seconds(15 * 60)

  /// - Parameters:
  ///   - delivery: as it was before the attempt; the first of its call.
  ///   - isAlone: whether the call held no other.
  ///   - jitter: 0 to 1; spreads what failed together over a tenth of its delay.
  package init(
    for delivery: Delivery, isAlone: Bool, to webhook: Webhook, after reply: WebhookReply, now: Timestamp,
    jitter: Double
  ) {
    switch reply {
    case .answered(let status, _): (self.status, error) = (status, nil)
    case .unreachable(let reason), .forbiddenAddress(let reason): (status, error) = (nil, reason)
    }
    step = Self.step(delivery, isAlone, webhook, reply, now, jitter)
    probeBy = now + max(Self.longestSilence, reply.wish)
  }

  private static func step(
    _ delivery: Delivery, _ isAlone: Bool, _ webhook: Webhook, _ reply: WebhookReply, _ now: Timestamp, _ jitter: Double
  ) -> Step {
    if case .answered(let status, _) = reply {
      switch (status, webhook.format) {
      case (200..<300, _): return .done
      case (410, _): return .disable(reason: "The receiver answered 410: it is gone.")
      // It will never like this message. 403 and 404 may be of a setting that is put right: they fail as others do.
      case (400, .slack): return isAlone ? .giveUp(reason: "Slack answered 400: it refuses this message.") : .separate
      default: break
      }
    }
    guard now - (delivery.firstAttemptAt ?? now) < lifetime else {
      let hasFailedAllAlong = (webhook.failingSince ?? now) <= (delivery.firstAttemptAt ?? now)
      return hasFailedAllAlong
        ? .disable(reason: "Every attempt has failed for five days.")
        : .giveUp(reason: "Every attempt at this event has failed for five days.")
    }
    let delay = delays[min(delivery.attempts, delays.count - 1)]
    return .retry(at: now + max(delay + delay * (jitter / 10), reply.wish))
  }
}

extension WebhookReply {
  /// How long the receiver asks to be left alone, as far as that is followed.
  fileprivate var wish: Duration {
    guard case .answered(_, let retryAfter) = self else { return .zero }
    return min(retryAfter ?? .zero, DeliveryPlan.longestWish)
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
