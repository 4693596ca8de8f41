package import Domain

/// Gives those who only look an older answer of the cache, marked as such, where a new one would keep them waiting or cannot
/// be had. Around the cache and not within it: who is about to rent asks the cache or what is below, and never meets this.
///
/// - Offers shortly after their time are served at once, and a new listing is fetched in the background.
/// - While the day's searches are used up, older offers are served; asking would help nobody before tomorrow.
/// - With `VASTAI_FALLBACK`, older offers and the last account are served while Vast fails.
package struct ServingStale: MarketplaceLayer {
  package var inner: any Marketplace { cache }
  private let cache: Caching
  private let isFallback: @Sendable () -> Bool

  /// How long after their time offers are served at once while new ones are fetched. As long as they are fresh by default:
  /// a page that is looked at once a minute never waits, and what it shows is never older than that minute.
  package static let revalidationWindow = Duration.seconds(30)
  /// The oldest answer that is ever served. Single offers come and go within minutes, but what kinds of machines there are and
  /// what they cost holds for an hour or so; beyond that an error is more use than the answer.
  package static let longestAge = Duration.seconds(3600)

  /// `isFallback` is asked when a call has failed.
  package init(_ cache: Caching, isFallback: @escaping @Sendable () -> Bool) {
    self.cache = cache
    self.isFallback = isFallback
  }

  /// An answer without waiting; nil when there is none but by asking.
  package func peekOffers(_ query: OfferQuery) -> OfferListing? {
    if let listing = cache.cachedOffers(query) { return listing }
    let age = min(cache.timeToLive + Self.revalidationWindow, Self.longestAge)
    guard let listing = cache.staleOffers(query, within: age) else { return nil }
    cache.refreshOffers(query)
    return listing
  }

  package func searchOffers(_ query: OfferQuery) async throws(MarketplaceError) -> OfferListing {
    if let listing = peekOffers(query) { return listing }
    do throws(MarketplaceError) {
      return try await cache.searchOffers(query)
    } catch {
      guard makesDo(after: error), let listing = cache.staleOffers(query, within: Self.longestAge) else { throw error }
      return listing
    }
  }

  package func account() async throws(MarketplaceError) -> MarketAccount {
    do throws(MarketplaceError) {
      return try await cache.account()
    } catch {
      guard makesDo(after: error), let account = cache.staleAccount(within: Self.longestAge) else { throw error }
      return account
    }
  }

  package func around<Answer: Sendable>(
    _ operation: MarketplaceOperation, _ call: @Sendable () async throws(MarketplaceError) -> Answer
  ) async throws(MarketplaceError) -> Answer {
    try await call()
  }

  private func makesDo(after failure: MarketplaceError) -> Bool {
    if case .quotaExceeded = failure { return true }
    return failure.isOutage && isFallback()
  }
}
