/// A sum by what it was paid for.
package struct Cost: Sendable, Hashable {
  package var gpu = Money.zero
  /// The disk, from the contract's making until it is gone.
  package var storage = Money.zero
  /// Bytes in and out, as the provider charged them.
  package var transfer = Money.zero

  package static let zero = Cost()

  package init() {}

  package var total: Money { gpu + storage + transfer }

  package static func += (left: inout Cost, right: Cost) {
    left.gpu += right.gpu
    left.storage += right.storage
    left.transfer += right.transfer
  }
}

extension Cost {
  package static func -= (left: inout Cost, right: Cost) {
    left.gpu = Money(microdollars: left.gpu.microdollars - right.gpu.microdollars)
    left.storage = Money(microdollars: left.storage.microdollars - right.storage.microdollars)
    left.transfer = Money(microdollars: left.transfer.microdollars - right.transfer.microdollars)
  }
}

/// What was used and what it costs.
package struct Usage: Sendable, Hashable {
  package var cost = Cost.zero
  /// How long GPUs were charged for. Of several instances: added up.
  package var gpuTime = Duration.zero

  package init() {}

  package static func += (left: inout Usage, right: Usage) {
    left.cost += right.cost
    left.gpuTime += right.gpuTime
  }

  package static func -= (left: inout Usage, right: Usage) {
    left.cost -= right.cost
    left.gpuTime -= right.gpuTime
  }
}

/// One instance's usage on one UTC day.
package struct DayUsage: Sendable, Hashable {
  /// 00:00 UTC.
  package var day: Timestamp
  package var usage: Usage

  package init(day: Timestamp, usage: Usage) {
    self.day = day
    self.usage = usage
  }
}
