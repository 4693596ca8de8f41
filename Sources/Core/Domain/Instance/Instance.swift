/// A machine that we rent, rented or tried to rent: the row in the store.
package struct Instance: Sendable, Hashable, Identified {
  package static let idPrefix = "ins"

  package var id: ID<Instance>
  package private(set) var state = InstanceState.requested
  package var desired = DesiredState.running
  /// Counts the writes of this row; a write with an old number is refused.
  package var version: Int64 = 0

  /// What was asked for; `order.offerID` and the machine change when an offer turns out to be taken.
  package var order: RentalOrder
  /// How to find an offer when the caller named none, and the next one when the first is taken.
  package var query: OfferQuery?
  /// The label as the caller sees it, without the tag.
  package var label: String
  package var tag: InstanceTag
  /// The job that it serves, if any.
  package var jobID: ID<Job>?
  /// Its job wants it started once more when it stops under the command. A start takes it back: one try for each machine.
  package var mayRevive = false

  package var marketID: MarketID?
  package var machineID: Int64?
  package var hostID: Int64?
  package var gpuName: String?
  package var gpuCount: Int
  package var region: String?
  /// GPU and disk by the hour while running, as the provider grants it.
  package var pricePerHour: Money?
  package var storagePerHour: Money?
  /// Of one that bids: what GPUs of its kind cost on demand when it was ordered, at the least.
  package var onDemandGPUPerHour: Money?
  /// What it has cost so far by our ledger, as of the last observation.
  package var cost = Money.zero

  /// Vast's own words, as last seen.
  package var marketStatus: String?
  package var intendedStatus: String?
  package var statusMessage: String?
  /// When its contract was made and its container last began, by the provider's word.
  package var contractStartedAt: Timestamp?
  package var bootedAt: Timestamp?
  package var directAddress: SSHAddress?
  package var proxyAddress: SSHAddress?
  /// The address whose banner was seen, once one was.
  package var sshAddress: SSHAddress?

  /// Per cent at the last look; nil when that did not tell, or when it does not run.
  package var gpuUtilization: Double?
  /// Since when every look has shown idle GPUs; nil while they are busy, or nobody knows.
  package var idleSince: Timestamp?
  /// Time between two looks that both showed idle GPUs, see `IdleGPU`.
  package var idleTime = Duration.zero
  /// Time between two looks that both told how busy the GPUs were; of the rest nothing is known.
  package var watchedTime = Duration.zero
  /// What the GPUs cost in their idle time.
  package var idleCost = Money.zero
  /// The stop that is wished for, was asked for, or was the last.
  package var idleStop: IdleStop?

  package var failure: Failure?

  package var createdAt: Timestamp
  /// When the order left; the start of the settling time while its outcome is unknown.
  package var orderedAt: Timestamp?
  /// When its number became known, or its last start was asked for.
  package var acceptedAt: Timestamp?
  package var runningAt: Timestamp?
  package var stoppedAt: Timestamp?
  package var destroyAskedAt: Timestamp?
  package var destroyedAt: Timestamp?
  /// When a list or a read last held it.
  package var lastSeenAt: Timestamp?

  /// How many offers this row has tried.
  package var offersTried = 0
  /// Complete lists in a row that lacked it, and since when.
  package var absences = 0
  package var absentSince: Timestamp?
  /// Polls in a row whose `status_msg` told an error while loading.
  package var errorSightings = 0

  package init(
    id: ID<Instance>, order: RentalOrder, label: String, tag: InstanceTag, gpuCount: Int, createdAt: Timestamp
  ) {
    self.id = id
    self.order = order
    self.label = label
    self.tag = tag
    self.gpuCount = gpuCount
    self.createdAt = createdAt
  }

  /// The only way to move.
  package mutating func apply(_ event: InstanceEvent) throws(IllegalTransition) {
    guard let next = InstanceState.transitions.destination(from: state, on: event) else {
      throw IllegalTransition(from: state.rawValue, event: event.rawValue)
    }
    state = next
    if next != .running { forgetUse() }
  }

  /// For the store, which reads back what `apply` once produced.
  package mutating func restore(state: InstanceState) { self.state = state }
}
