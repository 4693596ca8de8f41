/// Where an instance of ours stands. Raw values are stored and served, so they are never renamed.
package enum InstanceState: String, Sendable, Hashable, CaseIterable {
  /// Written down, nothing sent yet.
  case requested
  /// The order left, or may have left: until an answer or a settled search of the list, its outcome is unknown.
  case creating
  /// Exists at the provider and costs money; not up yet.
  case loading
  case running
  case stopping
  case stopped
  /// Asked to go; bills until proved gone.
  case destroying
  /// Proved gone.
  case destroyed
  /// Never came to exist.
  case failed
  /// Preempted or its host is gone, on positive evidence. May still exist, so it is destroyed next.
  case lost

  /// Nothing more will happen and nothing exists at the provider.
  package var isFinal: Bool {
    switch self {
    case .destroyed, .failed: true
    case .requested, .creating, .loading, .running, .stopping, .stopped, .destroying, .lost: false
    }
  }

  /// May exist at the provider, so money may flow.
  package var mayExist: Bool {
    switch self {
    case .creating, .loading, .running, .stopping, .stopped, .destroying, .lost: true
    case .requested, .destroyed, .failed: false
    }
  }

  /// A change is expected soon: the poller looks more often.
  package var isInTransition: Bool {
    switch self {
    case .creating, .loading, .stopping, .destroying, .lost: true
    case .requested, .running, .stopped, .destroyed, .failed: false
    }
  }
}

/// What can happen to an instance.
package enum InstanceEvent: String, Sendable, Hashable, CaseIterable {
  case orderSent = "order_sent"
  /// The provider surely made nothing and another offer may be tried.
  case offerTaken = "offer_taken"
  /// The order surely did not reach the provider, or was turned away for its pace: the same order again, later.
  case orderReturned = "order_returned"
  /// The provider surely made nothing and will not.
  case refused
  /// Complete lists lacked the tag for the settling time.
  case neverCreated = "never_created"
  /// Given up before anything was sent.
  case cancelled
  /// The provider's number is known.
  case created
  case booted
  case stopSeen = "stop_seen"
  case stopAsked = "stop_asked"
  /// Stopped or ended, and asked to run again with the disk that it had.
  case startAsked = "start_asked"
  /// Preempted, or proved absent though nobody asked.
  case vanished
  case destroyAsked = "destroy_asked"
  case goneProven = "gone_proven"
}

extension InstanceState {
  package static let transitions = TransitionTable<InstanceState, InstanceEvent>([
    .init(.requested, on: .orderSent, to: .creating),
    .init(.requested, on: .cancelled, to: .destroyed),
    .init(.requested, on: .refused, to: .failed),
    .init(.creating, on: .offerTaken, to: .requested),
    .init(.creating, on: .orderReturned, to: .requested),
    .init(.creating, on: .refused, to: .failed),
    .init(.creating, on: .neverCreated, to: .failed),
    .init(.creating, on: .created, to: .loading),
    .init(.loading, on: .booted, to: .running),
    .init(.loading, on: .stopSeen, to: .stopped),
    .init(.loading, on: .vanished, to: .lost),
    .init(.loading, on: .destroyAsked, to: .destroying),
    .init(.running, on: .stopAsked, to: .stopping),
    .init(.running, on: .stopSeen, to: .stopped),
    .init(.running, on: .vanished, to: .lost),
    .init(.running, on: .destroyAsked, to: .destroying),
    .init(.stopping, on: .stopSeen, to: .stopped),
    .init(.stopping, on: .vanished, to: .lost),
    .init(.stopping, on: .destroyAsked, to: .destroying),
    .init(.stopped, on: .booted, to: .running),
    .init(.stopped, on: .startAsked, to: .loading),
    .init(.stopped, on: .vanished, to: .lost),
    .init(.stopped, on: .destroyAsked, to: .destroying),
    .init(.lost, on: .destroyAsked, to: .destroying),
    .init(.destroying, on: .goneProven, to: .destroyed),
  ])
}

/// What should become of an instance. Handlers write it, the reconciler makes it so.
package enum DesiredState: String, Sendable, Hashable, CaseIterable {
  case running
  /// With its disk, which goes on costing.
  case stopped
  case destroyed
}
