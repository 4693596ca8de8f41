package import Domain

extension Fleet {
  /// The offers that fit, ranked by the query's selection.
  package func searchOffers(_ query: OfferQuery) async throws(FleetError) -> OfferListing {
    var listing = try await market { () async throws(MarketplaceError) in try await offers.searchOffers(query) }
    listing.offers = query.selection.rank(listing.offers, for: query)
    return listing
  }

  /// The same from a fresh cache, without waiting; nil when the marketplace must be asked.
  package func cachedOffers(_ query: OfferQuery) -> OfferListing? {
    guard var listing = peekOffers(query) else { return nil }
    listing.offers = query.selection.rank(listing.offers, for: query)
    return listing
  }

  package func account() async throws(FleetError) -> MarketAccount {
    try await market { () async throws(MarketplaceError) in try await offers.account() }
  }

  func market<R: Sendable>(
    _ body: () async throws(MarketplaceError) -> R
  ) async throws(FleetError) -> R {
    do throws(MarketplaceError) {
      return try await body()
    } catch {
      throw .market(error)
    }
  }
}
