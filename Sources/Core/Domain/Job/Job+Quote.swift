extension Job {
  /// What approval is asked for: the best offer at a moment, and what the job would cost on it.
  package struct Quote: Sendable, Hashable {
    package var offerID: Int64
    package var gpuName: String
    /// GPUs and disk.
    package var pricePerHour: Money
    package var storagePerHour: Money?
    /// For the transfer that the job expects.
    package var transfer: Money?
    /// Known when the job bounds its duration.
    package var total: Money?
    package var madeAt: Timestamp
    /// Once approved: the job rents nothing above this by the hour.
    package var ceiling: Money?

    package init(offerID: Int64, gpuName: String, pricePerHour: Money, madeAt: Timestamp) {
      self.offerID = offerID
      self.gpuName = gpuName
      self.pricePerHour = pricePerHour
      self.madeAt = madeAt
    }

    package init(offer: Offer, estimate: Estimate, madeAt: Timestamp) {
      self.init(offerID: offer.id, gpuName: offer.gpuName, pricePerHour: estimate.pricePerHour, madeAt: madeAt)
      storagePerHour = estimate.storagePerHour
      transfer = estimate.transfer
      total = estimate.total
    }

    /// An older one is renewed before anybody approves it: offers come and go within minutes.
    package static let lifetime = Duration.seconds(300)

    /// How far the price may move without asking again. The machine quoted is often gone when the approval comes, and the next
    /// of its kind costs a few per cent more: a tighter bound would ask people about cents. Beyond a tenth they want to know.
    package static let tolerancePercent: Int64 = 10

    /// The most that an approval of this quote covers, by the hour.
    package var highestPrice: Money {
      Money(microdollars: pricePerHour.microdollars + pricePerHour.microdollars * Self.tolerancePercent / 100)
    }

    package func isStale(at moment: Timestamp) -> Bool { moment - madeAt > Self.lifetime }
  }
}
