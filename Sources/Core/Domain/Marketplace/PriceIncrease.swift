/// A host's wish to be paid more for an instance that is rented on demand, once the present term of its contract ends.
///
/// Until that end the old price holds, whatever is answered. Accepted, the contract goes on from there until the new end at the
/// new price; refused or not answered, it ends there: the instance is stopped for good and its disk bills until it is destroyed.
/// The shapes and the end of the term are from the official client (`price_increase.py`), what becomes of an expired contract from
/// its help for hosts (`cleanup machine`); nothing of this was seen at Vast itself.
package struct PriceIncrease: Sendable, Hashable {
  /// One price as it is and as it shall be.
  package struct Change<Price: Sendable & Hashable>: Sendable, Hashable {
    /// Nil when the provider does not say.
    package var old: Price?
    package var new: Price

    package init(from old: Price?, to new: Price) {
      self.old = old
      self.new = new
    }
  }

  package let id: PriceIncreaseID
  package let instanceID: MarketID
  package var hostID: Int64?
  /// Per hour and GPU. Nil here and below: stays as it is.
  package var gpuPerHour: Change<Money>?
  /// $ per GB and month of 720 hours.
  package var storagePerGigabyteMonth: Change<Double>?
  /// $ per GB.
  package var downloadPerGigabyte: Change<Double>?
  package var uploadPerGigabyte: Change<Double>?
  /// As a fraction, of what is not documented.
  package var platformFee: Change<Double>?
  /// When the present term ends: the last moment for an answer.
  package var deadline: Timestamp?
  /// Until when the contract would go on.
  package var newEnd: Timestamp?
  package var announcedAt: Timestamp?

  package init(id: PriceIncreaseID, instanceID: MarketID) {
    self.id = id
    self.instanceID = instanceID
  }

  /// What the whole instance costs by the hour while it runs, without its traffic, before and after. Nil when that cannot be
  /// told: the instance does not tell its price, its GPUs or its disk where those count, or the fee changes.
  package func pricePerHour(of instance: MarketInstance) -> Change<Money>? {
    guard platformFee == nil, let present = instance.runningPricePerHour else { return nil }
    var rise = 0.0
    if let gpuPerHour {
      guard let old = gpuPerHour.old, let count = instance.gpuCount else { return nil }
      rise += (gpuPerHour.new.dollars - old.dollars) * Double(count)
    }
    if let storagePerGigabyteMonth {
      guard let old = storagePerGigabyteMonth.old, let gigabytes = instance.diskGigabytes else { return nil }
      rise += (storagePerGigabyteMonth.new - old) * gigabytes / 720
    }
    return Money(dollars: rise).map { Change(from: present, to: present + $0) }
  }
}

/// The provider's own number of a price increase. A host that changes its mind announces another.
package struct PriceIncreaseID: Sendable, Hashable, CustomStringConvertible {
  package let rawValue: Int64
  package init(_ rawValue: Int64) { self.rawValue = rawValue }
  package var description: String { String(rawValue) }
}
