/// Data that a machine is expected to send and to receive, in gigabytes.
package struct Transfer: Sendable, Hashable {
  package var upGigabytes = 0.0
  package var downGigabytes = 0.0

  package init() {}
}

/// What machines would cost, by their offers. The provider bills the data that really moves, and the disk also while a machine
/// loads; so a bill differs.
package struct Estimate: Sendable, Hashable {
  /// GPUs and disk, of all machines together.
  package var pricePerHour = Money.zero
  package var storagePerHour = Money.zero
  /// Of all machines together, each with the whole transfer. Nil when an offer's price for data is beyond all reason.
  package var transfer: Money? = .zero
  package var duration: Duration?

  /// Nil for no offers.
  package init?(_ offers: some Collection<Offer>, query: OfferQuery, transfer expected: Transfer, duration: Duration?) {
    guard !offers.isEmpty else { return nil }
    self.duration = duration
    for offer in offers {
      pricePerHour += query.price(of: offer)
      storagePerHour += offer.storagePerHour(gigabytes: query.minimumDiskGigabytes ?? 0)
      transfer = transfer.flatMap { sum in offer.price(of: expected).map { sum + $0 } }
    }
  }

  /// Hours and transfer; nil while nothing bounds the hours.
  package var total: Money? {
    guard let duration, let transfer else { return nil }
    return pricePerHour.perHour(for: duration) + transfer
  }
}

extension Offer {
  /// Nil when it is beyond all reason.
  fileprivate func price(of transfer: Transfer) -> Money? {
    Money(
      dollars: transfer.upGigabytes * uploadPricePerGigabyte + transfer.downGigabytes * downloadPricePerGigabyte)
  }
}
