/// When a job that lost its machine may have the next one, and what that should be like. Pure: time is a parameter.
package struct RecoveryPlan: Sendable, Hashable {
  /// A loop of losses must not burn money: three machines lost within an hour are enough for that hour.
  package static let lossesPerHour = 3
  /// Before the first recovery, the second …; the last one goes on.
  package static let pauses: [Duration] = [.zero, .seconds(30), .seconds(120), .seconds(600)]
  /// Preferred of the next machine: the last one was not reliable enough.
  package static let preferredReliability = 0.98

  /// How long a job that lost its machine looks for another one that fits: the market of a night is not that of a day. Then the
  /// job fails, and its last checkpoint can be had.
  package static let patience = Duration.seconds(24 * 3600)

  /// Nil: at once.
  package let notBefore: Timestamp?
  /// The hour's losses are used up, as against a mere pause.
  package let isLimited: Bool

  package init(attempts: [Job.Attempt], now: Timestamp) {
    let losses = attempts.filter(\.lostWork).compactMap(\.finishedAt).sorted()
    guard let last = losses.last else {
      notBefore = nil
      isLimited = false
      return
    }
    let paused = last + Self.pauses[min(losses.count - 1, Self.pauses.count - 1)]
    let recent = losses.filter { now - $0 < .seconds(3600) }
    let isLimited = recent.count >= Self.lossesPerHour
    let free = isLimited ? recent[recent.count - Self.lossesPerHour] + .seconds(3600) : paused
    let moment = max(paused, free)
    notBefore = moment > now ? moment : nil
    self.isLimited = isLimited && moment > now
  }

  /// Searches for the machine after a lost one, best first: the same kind of GPU and reliable, then the same kind, then whatever
  /// the job asked for. The price cap and all else that it asked for hold in each.
  package static func queries(_ wanted: OfferQuery, lostGPU: String?) -> [OfferQuery] {
    var queries: [OfferQuery] = []
    var similar = wanted
    similar.gpuName = wanted.gpuName ?? lostGPU
    var reliable = similar
    reliable.minimumReliability = max(wanted.minimumReliability ?? 0, preferredReliability)
    for query in [reliable, similar, wanted] where !queries.contains(query) { queries.append(query) }
    return queries
  }
}

extension Job.Attempt {
  /// Its command had begun when its machine was lost.
  package var lostWork: Bool { hasLaunched && failure?.isLossOfWork == true }
}

extension [Job.Attempt] {
  /// The attempt whose work was lost and that no command has gone on with since, however many machines came to nothing on the way.
  package var openLoss: Job.Attempt? {
    for attempt in reversed() {
      if attempt.lostWork { return attempt }
      if attempt.hasLaunched { return nil }
    }
    return nil
  }
}

extension Failure {
  /// The machine took the work with it, and the work itself is not to blame: it may go on elsewhere. On positive evidence only:
  /// what was seen, or a silence so long that the job would end otherwise.
  package var isLossOfWork: Bool {
    switch code {
    case "preempted", "instance_stopped", "instance_exited", "instance_gone", "instance_lost", "host_offline",
      "ssh_lost", "workspace_gone", "command_vanished", "command_killed":
      true
    default: false
    }
  }
}
