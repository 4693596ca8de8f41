import Domain
import Testing

@Suite struct `Lifecycles` {
  @Test func `every instance state can be left for an end, and no end can be left`() {
    for state in InstanceState.allCases {
      let next = InstanceState.transitions.transitions.filter { $0.from == state }
      #expect(next.isEmpty == state.isFinal, "\(state)")
    }
    #expect(reachable(from: InstanceState.requested, InstanceState.transitions) == Set(InstanceState.allCases))
  }

  @Test func `every job state can be left for an end, and no end can be left`() {
    for state in JobState.allCases {
      let next = JobState.transitions.transitions.filter { $0.from == state }
      #expect(next.isEmpty == state.isFinal, "\(state)")
      if !state.isFinal {
        #expect(reachable(from: state, JobState.transitions).contains { $0.isFinal }, "\(state)")
      }
    }
  }

  @Test func `nothing that may exist at the provider ends without a proof that it is gone`() {
    for transition in InstanceState.transitions.transitions where transition.to.isFinal {
      switch transition.event {
      case .goneProven: #expect(transition.from == .destroying)
      case .cancelled: #expect(transition.from == .requested)
      case .refused, .neverCreated: #expect(transition.from == .creating || transition.from == .requested)
      default: Issue.record("\(transition)")
      }
    }
  }

  @Test func `one event leads from one state to one state`() {
    let instance = InstanceState.transitions.transitions
    #expect(Set(instance.map { "\($0.from)\($0.event)" }).count == instance.count)
    let job = JobState.transitions.transitions
    #expect(Set(job.map { "\($0.from)\($0.event)" }).count == job.count)
  }

  @Test func `an illegal move is refused and changes nothing`() throws {
    var job = Job(
      id: ID(at: Timestamp(seconds: 1)), specification: JobSpecification(command: "true"), state: .queued,
      createdAt: Timestamp(seconds: 1))
    let before = job
    #expect(throws: IllegalTransition(from: "queued", event: "launched")) {
      try job.apply(.launched, at: Timestamp(seconds: 2))
    }
    #expect(job == before)
  }

  @Test func `a move closes one phase and opens the next`() throws {
    var job = Job(
      id: ID(at: Timestamp(seconds: 1)), specification: JobSpecification(command: "true"), state: .queued,
      createdAt: Timestamp(seconds: 1))
    try job.apply(.placed, at: Timestamp(seconds: 3))
    #expect(job.phases.map(\.name) == ["queued", "provisioning"])
    #expect(job.phases[0].finishedAt == Timestamp(seconds: 3))
    #expect(job.phases[1].finishedAt == nil)
  }

  private func reachable<State, Event>(from start: State, _ table: TransitionTable<State, Event>) -> Set<State> {
    var found: Set<State> = [start]
    while true {
      let next = Set(table.transitions.filter { found.contains($0.from) }.map(\.to)).union(found)
      if next == found { return found }
      found = next
    }
  }
}
