/// When GPUs count as idle.
package enum IdleGPU {
  /// In per cent, an average over the GPUs and the last seconds. What waits for data or for a person shows 0, a display or a
  /// monitor makes one or two of it; work that is worth its rent stays above ten.
  package static let busyFrom = 5.0
  /// Two looks further apart say nothing of the time between them. Three of the default intervals: two lists may fail.
  package static let longestSpan = Duration.seconds(90)
  /// What may be said to be too long. Within less than a minute lie two looks, and what loads its data is idle for longer;
  /// beyond a day a bound saves nothing.
  package static let boundSeconds = 60...86_400
}

/// Idle GPUs for longer than somebody wants to pay for.
package struct Idleness: Sendable, Hashable {
  package var span: Duration
  /// Of the GPUs, at the present price.
  package var cost: Money

  package init(span: Duration, cost: Money) {
    self.span = span
    self.cost = cost
  }

  /// The code of a job that was ended for it.
  package static let code = "gpu_idle"

  /// Of the command that ran beside them.
  package var failure: Failure {
    Failure(
      code: Self.code,
      detail:
        "The GPUs were idle for \(Int(span.inSeconds)) s, which cost $\(cost.decimal), and the command was ended.")
  }
}

/// A stop of an instance for its idle GPUs.
package struct IdleStop: Sendable, Hashable {
  package var idleness: Idleness
  /// When it was last asked for; nil as long as it is a mere wish.
  package var askedAt: Timestamp?

  package init(_ idleness: Idleness, askedAt: Timestamp? = nil) {
    self.idleness = idleness
    self.askedAt = askedAt
  }
}

extension Instance {
  /// Counts the time since the last look, before this one is taken over: the price is that of the time that has passed. What
  /// is not newer than the last look adds nothing.
  mutating func noteUse(_ seen: MarketInstance, at moment: Timestamp) {
    let span = lastSeenAt.map { moment - $0 }
    if let span, span <= .zero { return }
    // A stopped machine goes on showing what its last moment was.
    let isUp = state == .running && seen.actualStatus == "running"
    guard isUp, let utilization = seen.gpuUtilization, utilization >= 0 else { return forgetUse() }
    let isIdle = utilization < IdleGPU.busyFrom
    var isFollowed = false
    if let span, let before = gpuUtilization, span <= IdleGPU.longestSpan {
      isFollowed = true
      watchedTime += span
      if isIdle, before < IdleGPU.busyFrom {
        idleTime += span
        idleCost += gpuPerHour.perHour(for: span)
      }
    }
    idleSince = isIdle ? (isFollowed ? idleSince : nil) ?? moment : nil
    gpuUtilization = utilization
  }

  /// Nobody knows whether they are busy.
  mutating func forgetUse() {
    gpuUtilization = nil
    idleSince = nil
  }

  /// Nil unless they had been idle for so long, without a break and since `start` at the earliest, when they were last looked
  /// at.
  package func idleness(ofAtLeast bound: Duration, since start: Timestamp) -> Idleness? {
    guard let idleSince, let lastSeenAt else { return nil }
    let span = lastSeenAt - max(idleSince, start)
    return span >= bound ? Idleness(span: span, cost: gpuPerHour.perHour(for: span)) : nil
  }

  package mutating func wantStopped(for idleness: Idleness) {
    desired = .stopped
    idleStop = IdleStop(idleness)
  }

  /// It is at work, or was started by somebody.
  package mutating func wantRunning() {
    desired = .running
    idleStop = nil
  }
}

extension Job {
  /// Why its command is to be ended for idle GPUs; nil while it is not. What was decided once stands.
  ///
  /// - Parameter standard: the bound of a job that names none; nil for no bound.
  package func idleFailure(on instance: Instance, unlessSaid standard: Duration?) -> Failure? {
    guard state == .running else { return nil }
    if let failure, failure.code == Idleness.code { return failure }
    guard let startedAt, let bound = specification.maximumGPUIdle ?? standard else { return nil }
    return instance.idleness(ofAtLeast: bound, since: startedAt)?.failure
  }
}
