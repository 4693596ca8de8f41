package import Domain

/// Whether a provider that does not answer is asked at all: a pure machine, told what calls came to and what time it is.
///
/// - closed: every call passes. Failures to reach the provider in a row, over some time, open it.
/// - open: calls fail at once, so that nobody waits out timeouts and the provider is not kept down by our asking.
/// - half-open: the pause is over. One read may pass as the probe: an answer closes the circuit, a failure opens it for longer.
///
/// A clear no is an answer: the circuit is about reaching the provider and not about liking what it says. Two kinds of calls
/// are apart. `destroy` always passes, since a machine costs money until it is gone, and so do the list and the read that find
/// what was lost and prove what is gone: searches that fail must not make us blind. They come at the poller's pace, and their
/// answers close the circuit like any other. `create` never is the probe: without an answer nobody would know whether it rented, and a search knows as much.
package struct Circuit: Sendable {
  /// One call and its three repetitions are four, so a single unlucky call does not open it; a second one does.
  package static let failuresThatOpen = 5
  /// How long the failures in a row must span. A gateway that restarts breaks everything under way in one moment, and that
  /// is one failure and not many.
  package static let leastSpan = Duration.seconds(2)
  /// Most restarts of a gateway are over by then; what waits meanwhile waits no longer than for its turn.
  package static let firstPause = Duration.seconds(10)
  /// Pauses double up to this: two of the poller's intervals, so that the end of a long outage is noticed within a minute.
  package static let longestPause = Duration.seconds(60)
  /// What callers are told to wait while a probe is under way.
  static let probePause = Duration.seconds(1)

  /// What a call came to, as far as reaching the provider goes.
  package enum Evidence: Sendable, Hashable {
    /// The provider answered, whatever it said.
    case reached
    case failed
    /// Given up by us, or told to come later: says nothing about who can be reached.
    case nothing
  }

  /// A call that was let through.
  package struct Ticket: Sendable, Hashable {
    /// Failures of calls that left before the circuit last moved are old news.
    fileprivate let era: Int
    fileprivate let isProbe: Bool
  }

  package enum Admission: Sendable, Hashable {
    case passes(Ticket)
    case refused(retryAfter: Duration)
  }

  private enum Phase: Sendable {
    case closed(failures: Int, since: Duration)
    case open(until: Duration, pause: Duration)
    case probing(pause: Duration)
  }

  private var phase = Phase.closed(failures: 0, since: .zero)
  private var era = 0

  package init() {}

  package func state(at now: Duration) -> CircuitState {
    switch phase {
    case .closed: .closed
    case .open(let until, _): until > now ? .open : .halfOpen
    case .probing: .halfOpen
    }
  }

  package mutating func admit(_ operation: MarketplaceOperation, at now: Duration) -> Admission {
    if operation.alwaysPasses { return .passes(Ticket(era: era, isProbe: false)) }
    switch phase {
    case .closed:
      return .passes(Ticket(era: era, isProbe: false))
    case .open(let until, let pause):
      if until > now { return .refused(retryAfter: until - now) }
      guard operation.mayProbe else { return .refused(retryAfter: Self.probePause) }
      era += 1
      phase = .probing(pause: pause)
      return .passes(Ticket(era: era, isProbe: true))
    case .probing:
      return .refused(retryAfter: Self.probePause)
    }
  }

  /// True when the circuit opened or closed by this.
  package mutating func note(_ evidence: Evidence, of ticket: Ticket, at now: Duration) -> Bool {
    switch (evidence, phase) {
    case (.reached, .closed):
      phase = .closed(failures: 0, since: now)
      return false
    case (.reached, _):
      // However old the call: the answer came now.
      move(to: .closed(failures: 0, since: now))
      return true
    case (.failed, .closed(let failures, let since)) where ticket.era == era:
      let first = failures == 0 ? now : since
      if failures + 1 >= Self.failuresThatOpen, now - first >= Self.leastSpan {
        move(to: .open(until: now + Self.firstPause, pause: Self.firstPause))
        return true
      }
      phase = .closed(failures: failures + 1, since: first)
      return false
    case (.failed, .probing(let pause)) where ticket.isProbe && ticket.era == era:
      let longer = min(pause * 2, Self.longestPause)
      move(to: .open(until: now + longer, pause: longer))
      return false
    case (.nothing, .probing(let pause)) where ticket.isProbe && ticket.era == era:
      // Still half-open: the next read may try.
      move(to: .open(until: now, pause: pause))
      return false
    case (.failed, _), (.nothing, _):
      return false
    }
  }

  private mutating func move(to next: Phase) {
    era += 1
    phase = next
  }
}

extension MarketplaceOperation {
  fileprivate var alwaysPasses: Bool {
    switch self {
    case .destroy, .listInstances, .readInstance, .spend: true
    case .create, .start, .stop, .searchOffers, .gpuNames, .account, .charges, .priceIncreases, .answerPriceIncrease,
      .registerKey, .registerWebhook, .attachKey:
      false
    }
  }

  /// Reads only: they change nothing. Not the charges, which are many calls and would keep everybody waiting.
  fileprivate var mayProbe: Bool {
    switch self {
    case .searchOffers, .gpuNames, .account, .priceIncreases: true
    case .create, .start, .stop, .destroy, .listInstances, .readInstance, .spend, .charges, .answerPriceIncrease,
      .registerKey, .registerWebhook, .attachKey:
      false
    }
  }
}
