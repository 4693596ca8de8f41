import Locking
package import Domain

extension Fleet {
  /// The offers that fit, ranked by the query's selection.
  package func searchOffers(_ query: OfferQuery) async throws(FleetError) -> OfferListing {
    if let listing = cachedOffers(query) { return listing }
    return ranked(
      try await market { () async throws(MarketplaceError) in try await offers.searchOffers(query) }, for: query)
  }

  /// The same without waiting; nil when the marketplace must be asked.
  package func cachedOffers(_ query: OfferQuery) -> OfferListing? {
    peekOffers(query).map { ranked($0, for: query) }
  }

  /// The same and never past its time, for who is about to rent.
  func currentOffers(_ query: OfferQuery) async throws(FleetError) -> OfferListing {
    do throws(MarketplaceError) {
      return ranked(try await current.searchOffers(query), for: query)
    } catch {
      guard error.isOutage, liveSettings.current.isFallback else { throw .market(error) }
      if case .circuitOpen(let retryAfter) = error { throw .held(retryAfter: retryAfter) }
      throw .held(retryAfter: Self.heldPause)
    }
  }

  /// When a failed call leaves nothing better to say.
  private static let heldPause = Duration.seconds(5)

  /// A listing in its order, sorted once as long as the cache gives the same one.
  private func ranked(_ listing: OfferListing, for query: OfferQuery) -> OfferListing {
    if let kept = rankings.withLock({ $0[query] }), kept.source == listing { return kept.ranked }
    var ranked = listing
    ranked.offers = query.selection.rank(listing.offers, for: query)
    let ranking = Ranking(source: listing, ranked: ranked)
    rankings.withLock { rankings in
      if rankings.count >= Ranking.capacity { rankings = [:] }
      rankings[query] = ranking
    }
    return ranked
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

/// A cached listing and its order for one query. Comparing it with the cache's is cheap: an unchanged one shares its storage.
struct Ranking: Sendable {
  /// As many as the cache itself keeps.
  static let capacity = 256

  let source: OfferListing
  let ranked: OfferListing
}
