import Domain
import FleetService
import HTTPServer

extension Handlers {
  /// From a fresh cache at once, on the server's thread; else as a task that asks the marketplace.
  func listOffers(_ call: Call) throws(APIError) -> Reception {
    let wish = try offerAnswers.wish(of: call.head)
    if let listing = fleet.cachedOffers(wish.query) {
      let response = call.listing(offerAnswers.bytes(for: wish, listing), listing)
      return .respond(bodyLimit: 0) { _ in response }
    }
    return .respondLater(bodyLimit: 0) { [self] _ in
      await call.answerLater(faults) { () async throws(APIError) in
        let listing = try await asking { () async throws(FleetError) in try await fleet.searchOffers(wish.query) }
        return call.listing(offerAnswers.bytes(for: wish, listing), listing)
      }
    }
  }

  func searchOffers(_ call: Call) async throws(APIError) -> Response {
    try refuseQuery(call)
    let problems = FieldProblems()
    let reader = ObjectReader(try JSONBody.object(call.body), problems: problems)
    let query = ResourcesInput.readQuery(reader)
    let limit = reader.integer("limit", 1...Int.max).map { min($0, Limits.offers) } ?? Limits.offers
    reader.finish()
    try problems.check()
    let listing = try await asking { () async throws(FleetError) in try await fleet.searchOffers(query) }
    return call.listing(.bytes(OfferJSON.listing(listing, limit: limit)), listing)
  }
}

extension Call {
  fileprivate func listing(_ body: Response.Body, _ listing: OfferListing) -> Response {
    dated(body, isDegraded: listing.isDegraded)
  }
}
