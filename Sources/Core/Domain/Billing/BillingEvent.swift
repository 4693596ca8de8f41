/// One line of the ledger: from `at` on, the instance costs these rates. Append-only; `key` makes a repeated write harmless.
package struct BillingEvent: Sendable, Hashable {
  package var instanceID: ID<Instance>
  package var jobID: ID<Job>?
  package var kind: Kind
  package var at: Timestamp
  /// By the hour from `at` until the next line of this instance.
  package var gpuPerHour: Money
  package var storagePerHour: Money

  package enum Kind: String, Sendable, Hashable, CaseIterable {
    /// Money begins to flow, or the rates of a stopped machine change to those of a running one.
    case start = "billing.start"
    case rateChanged = "billing.rate_changed"
    /// Nothing is charged any more.
    case stop = "billing.stop"
  }

  package init(
    instanceID: ID<Instance>, jobID: ID<Job>?, kind: Kind, at: Timestamp, gpuPerHour: Money, storagePerHour: Money
  ) {
    self.instanceID = instanceID
    self.jobID = jobID
    self.kind = kind
    self.at = at
    self.gpuPerHour = gpuPerHour
    self.storagePerHour = storagePerHour
  }

  /// Equal for the same fact observed twice.
  package var key: String { "\(instanceID)/\(kind.rawValue)/\(at.microseconds)" }

  /// The same after the instance's last line: two facts of one microsecond would be taken for one, and none goes back in time.
  package func following(_ last: BillingEvent?) -> BillingEvent {
    guard let last, at <= last.at else { return self }
    var event = self
    event.at = last.at + .microseconds(1)
    return event
  }
}

extension Sequence<BillingEvent> {
  /// What one instance's lines, in order of time, come to until `moment`. GPU and disk are rounded per interval.
  package func cost(until moment: Timestamp) -> Money {
    var total = Money.zero
    var open: BillingEvent?
    for event in self {
      if let open { total += open.cost(until: Swift.min(event.at, moment)) }
      open = event.kind == .stop ? nil : event
    }
    if let open { total += open.cost(until: moment) }
    return total
  }
}

extension BillingEvent {
  fileprivate func cost(until end: Timestamp) -> Money {
    let span = end - at
    return gpuPerHour.perHour(for: span) + storagePerHour.perHour(for: span)
  }
}
