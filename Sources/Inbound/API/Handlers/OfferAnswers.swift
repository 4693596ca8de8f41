import Domain
import HTTPServer
import Locking

/// What a request target asks of the offers.
struct OfferWish: Sendable {
  let target: String
  let query: OfferQuery
  let limit: Int
}

/// Remembers for the targets last asked for what they mean and the bytes of their answer, so that a warm `GET /v1/offers`
/// neither reads its query nor writes its JSON again. An answer is used again only for the very listing that it was made of.
final class OfferAnswers: Sendable {
  private struct Answer {
    let wish: OfferWish
    var listing: OfferListing?
    var bytes: SharedBytes?
  }

  private let answers = Locked(TwoGenerations<String, Answer>(capacity: 64))

  /// An answer of 64 offers has 32 kB, so 64 targets and their predecessors hold 4 MB at the most.
  init() {}

  func wish(of head: RequestHead) throws(APIError) -> OfferWish {
    let target = head.rawTarget
    if let known = answers.withLock({ $0[target]?.wish }) { return known }
    var reader = try QueryReader(head)
    let query = try ResourcesInput.readQuery(&reader)
    let limit = try reader.limit(standard: Limits.offers, maximum: Limits.offers)
    try reader.finish()
    let wish = OfferWish(target: target, query: query, limit: limit)
    answers.withLock { $0[target] = Answer(wish: wish) }
    return wish
  }

  func bytes(for wish: OfferWish, _ listing: OfferListing) -> Response.Body {
    let kept = answers.withLock { $0[wish.target] }
    if let kept, let bytes = kept.bytes, let seen = kept.listing, seen.isSame(as: listing) { return .shared(bytes) }
    let bytes = SharedBytes(OfferJSON.listing(listing, limit: wish.limit))
    answers.withLock { $0[wish.target] = Answer(wish: wish, listing: listing, bytes: bytes) }
    return .shared(bytes)
  }
}

extension OfferListing {
  /// The cheap part first: a listing with the same moment is nearly always the same.
  fileprivate func isSame(as other: OfferListing) -> Bool {
    asOf == other.asOf && isDegraded == other.isDegraded && offers == other.offers
  }
}
