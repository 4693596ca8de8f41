package import Domain
import JSON

extension VastMarketplace {
  /// Asks day by day: a row is a contract's over the whole range that was asked for, and says nothing of the single days.
  package func charges(
    from start: Timestamp, to end: Timestamp
  ) async throws(MarketplaceError) -> [MarketCharge] {
    var charges: [MarketCharge] = []
    var isFirst = true
    for day in try MarketCharge.days(from: start, to: end) {
      var pages = ChargePages(day: day)
      var token: String?
      repeat {
        if !isFirst { try await turn(.charges) }
        isFirst = false
        let page = try await translated(.charges) { [token] () async throws(VastError) in
          try await client.charges(day: day, after: token).accepted()
        }
        token = try pages.add(page)
      } while token != nil
      charges += try pages.complete()
    }
    return charges
  }

  /// The list has no pages. One that is `truncated` is taken as it is: answers to what it shows make room for the rest.
  package func priceIncreases() async throws(MarketplaceError) -> [PriceIncrease] {
    let answer = try await translated(.priceIncreases) { () async throws(VastError) in
      try await client.priceIncreases().accepted()
    }
    guard let rows = answer["pending_price_increases"]?.asItems else {
      throw .malformedAnswer(detail: "no list of price increases")
    }
    if let count = answer["count"]?.asInteger, count != rows.count {
      throw .malformedAnswer(detail: "\(rows.count) of \(count) price increases")
    }
    var increases: [PriceIncrease] = []
    for row in rows {
      guard let increase = PriceIncrease(row: row) else {
        throw .malformedAnswer(detail: "a price increase without its number, instance or price")
      }
      increases.append(increase)
    }
    return increases
  }

  /// Older servers say 409, in words that nobody wrote down, when it no longer waits; so does the official client take it.
  package func answerPriceIncrease(_ id: PriceIncreaseID, accept: Bool) async throws(MarketplaceError) {
    do throws(VastError) {
      _ = try await client.answerPriceIncrease(id, accept: accept).accepted()
    } catch .refused(code: "http_409", _) {
      throw .notFound
    } catch {
      throw error.marketplaceError(for: .answerPriceIncrease)
    }
  }
}
