package import Domain
import Logging
import Store

/// What a job would rent, with nothing done.
package struct JobPlan: Sendable {
  /// As it would run, defaults filled in.
  package var specification: JobSpecification
  package var defaults: [AppliedDefault]
  /// In the order in which they would be taken.
  package var candidates: [Offer]
  package var chosen: Offer?
  /// On the chosen offer, for one attempt.
  package var estimate: Estimate?
  /// Instances of ours that run now, perhaps unintended.
  package var active: [Instance]
  package var asOf: Timestamp
  package var isDegraded: Bool
}

/// What a request for instances would rent, with nothing done.
package struct RentalPlan: Sendable {
  /// Defaults filled in, the label too.
  package var request: InstanceRequest
  package var count: Int
  package var defaults: [AppliedDefault]
  package var candidates: [Offer]
  /// One for each instance; none when there are too few for all of them.
  package var chosen: [Offer]
  /// Of all chosen together; nothing bounds their time.
  package var estimate: Estimate?
  package var active: [Instance]
  package var asOf: Timestamp
  package var isDegraded: Bool
}

extension Fleet {
  /// - Parameter defaults: what was filled in so far.
  package func plan(
    _ specification: JobSpecification, defaults: [AppliedDefault] = []
  ) async throws(FleetError) -> JobPlan {
    let query = specification.resources.query
    let listing = try await searchOffers(query)
    let candidates = try inPlacingOrder(listing.offers, for: query)
    var plan = JobPlan(
      specification: specification, defaults: defaults, candidates: candidates, chosen: candidates.first,
      estimate: specification.estimate(on: candidates.first),
      active: try read { (r) throws(StoreError) in try r.liveInstances() }, asOf: listing.asOf,
      isDegraded: listing.isDegraded)
    plan.specification.image = specification.resolvedImage
    if specification.resources.isInterruptible, specification.resources.bidPerHour == nil, let offer = plan.chosen {
      plan.specification.resources.bidPerHour = offer.standardBidPerHour
      plan.defaults.append(AppliedDefault("bid_per_hour_usd", .money(offer.standardBidPerHour), .offer))
    }
    return plan
  }

  /// - Parameter defaults: what was filled in so far.
  package func plan(
    _ request: InstanceRequest, count: Int, defaults: [AppliedDefault] = []
  ) async throws(FleetError) -> RentalPlan {
    let query = request.search
    let listing = try await searchOffers(query)
    let chosen = listing.offers.count < count ? [] : Array(listing.offers.prefix(count))
    var plan = RentalPlan(
      request: request, count: count, defaults: defaults, candidates: listing.offers, chosen: chosen,
      estimate: Estimate(chosen, query: query, transfer: request.expectedTransfer, duration: nil),
      active: try read { (r) throws(StoreError) in try r.liveInstances() }, asOf: listing.asOf,
      isDegraded: listing.isDegraded)
    if request.label == nil {
      let label = await defaultLabel(of: offers)
      plan.request.label = label.text
      plan.defaults.append(AppliedDefault("label", .text(label.text), label.source))
    }
    // Several machines have a bid each, which one member cannot show.
    if request.isInterruptible, request.bidPerHour == nil, count == 1, let offer = chosen.first {
      plan.request.bidPerHour = offer.standardBidPerHour
      plan.defaults.append(AppliedDefault("bid_per_hour_usd", .money(offer.standardBidPerHour), .offer))
    }
    return plan
  }

  /// What instances are called when nobody says; a label is no reason to fail a rental.
  func defaultLabel(of market: any Marketplace) async -> (text: String, source: AppliedDefault.Source) {
    do throws(MarketplaceError) {
      let account = try await market.account()
      if let name = account.nameByNickname { return (name, .accountNickname) }
      if let name = account.nameByEmail { return (name, .accountEmail) }
    } catch {
      logger.warning("no account label", metadata: ["code": "\(error.code)"])
    }
    return (MarketAccount.plainLabel, .contract)
  }

  /// Ranked offers in the order in which a job takes them: what failed others lately comes last, and what an instance of ours
  /// holds after the rest of its kind. Keep in step with `JobDrive.place`.
  func inPlacingOrder(_ offers: [Offer], for query: OfferQuery) throws(FleetError) -> [Offer] {
    let now = now()
    let (exclusions, held) = try read { (r) throws(StoreError) in
      (Exclusions(try r.exclusions(at: now)), try r.heldOffers())
    }
    var careful = query
    careful.excludedMachines.formUnion(exclusions.machines)
    careful.excludedHosts.formUnion(exclusions.hosts)
    // Ranked anew: without the cheapest, another one is the second cheapest.
    let preferred = exclusions.isEmpty ? offers : query.selection.rank(offers, for: careful)
    let preferredIDs = Set(preferred.map(\.id))
    return [preferred, offers.filter { !preferredIDs.contains($0.id) }].flatMap { offers in
      offers.filter { !held.contains($0.id) } + offers.filter { held.contains($0.id) }
    }
  }
}

extension JobSpecification {
  /// Of one attempt on an offer.
  func estimate(on offer: Offer?) -> Estimate? {
    Estimate(
      [offer].compactMap { $0 }, query: resources.query, transfer: expectedTransfer, duration: maximumDuration)
  }
}
