import Logging
package import Domain
import Store

/// What a job would rent, with nothing done.
package struct JobPlan: Sendable {
  package var specification: JobSpecification
  /// Best first.
  package var candidates: [Offer]
  package var chosen: Offer?
  /// GPU and disk.
  package var pricePerHour: Money?
  package var storagePerHour: Money?
  /// Known when the job bounds its duration.
  package var total: Money?
  /// Instances of ours that run now, perhaps unintended.
  package var active: [Instance]
  package var asOf: Timestamp
  package var isDegraded: Bool
}

extension Fleet {
  package func plan(_ specification: JobSpecification) async throws(FleetError) -> JobPlan {
    let listing = try await searchOffers(specification.resources.query)
    let chosen = listing.offers.first
    let storage = chosen?.storagePerHour(gigabytes: Double(specification.resources.diskGigabytes))
    let price = chosen?.price(with: specification.resources)
    var total: Money?
    if let price, let duration = specification.maximumDuration { total = price.perHour(for: duration) }
    return JobPlan(
      specification: specification, candidates: listing.offers, chosen: chosen, pricePerHour: price,
      storagePerHour: storage, total: total, active: try read { (r) throws(StoreError) in try r.liveInstances() },
      asOf: listing.asOf, isDegraded: listing.isDegraded)
  }

  /// A price for the person who approves; nil while the marketplace cannot be asked, and then the approval is without one.
  func quote(for specification: JobSpecification) async -> Job.Quote? {
    do throws(FleetError) {
      let listing = try await currentOffers(specification.resources.query)
      guard let offer = listing.offers.first else { return nil }
      return Job.Quote(
        offerID: offer.id, gpuName: offer.gpuName, pricePerHour: offer.price(with: specification.resources),
        madeAt: listing.asOf)
    } catch {
      logger.warning("no quote", metadata: ["error": "\(error)"])
      return nil
    }
  }
}

extension Offer {
  /// What it costs by the hour under these terms: a bid replaces the GPUs' price.
  package func price(with resources: JobSpecification.Resources) -> Money {
    guard resources.isInterruptible, let bid = resources.bidPerHour else { return pricePerHour }
    return bid + storagePerHour(gigabytes: Double(resources.diskGigabytes))
  }
}
