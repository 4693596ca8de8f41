extension Planner {
  /// It runs: whether it is to run on, by what this look shows of its GPUs.
  func use(_ seen: MarketInstance) -> InstancePlan.Step {
    if instance.state == .stopping { return stopping(seen) }
    var looked = instance
    looked.observe(seen, at: now)
    switch (instance.desired, tooIdle(looked)) {
    case (.running, let idleness?): return .wantStopped(seen, idleness)
    case (.stopped, nil): return .wantRunning(seen)
    case (.stopped, _?): return .stop
    case (.running, nil), (.destroyed, _): return .record(seen, nil, nil)
    }
  }

  /// A stop was asked for. `exited` alone does not say that it was heard: a container that ended by itself may come again. Nor
  /// does a row without an intention while the container is up.
  func stopping(_ seen: MarketInstance) -> InstancePlan.Step {
    let isDown = seen.actualStatus == "exited" || seen.actualStatus == "stopped"
    let isHeard = seen.intendedStatus == "stopped" || (isDown && seen.intendedStatus != "running")
    if isHeard { return .record(seen, isDown ? .stopSeen : nil, nil) }
    let isDue = instance.idleStop?.askedAt.map { now - $0 >= settings.stopRetry } ?? true
    return isDue ? .stop : .record(seen, nil, nil)
  }

  /// No new look, and the last one was the reason to wish for the stop. A process that finds an old wish looks first.
  var mayStopUnseen: Bool {
    guard instance.state == .running, instance.desired == .stopped, let lastSeenAt = instance.lastSeenAt else {
      return false
    }
    return now - lastSeenAt <= IdleGPU.longestSpan && tooIdle(instance) != nil
  }

  private func tooIdle(_ instance: Instance) -> Idleness? {
    guard let bound = settings.idleGPUStop, let unusedSince else { return nil }
    return instance.idleness(ofAtLeast: bound, since: unusedSince)
  }
}
