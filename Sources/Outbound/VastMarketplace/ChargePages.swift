import Domain
import JSON

/// Puts the pages of one day's charges together and proves that nothing is missing.
///
/// Sums are told from them, so everything odd is an error: a page without rows, an amount that is none, a count that is not
/// kept, an instance that comes twice, a token that comes twice.
struct ChargePages {
  private let day: Timestamp
  private var charges: [MarketCharge] = []
  private var sources: Set<String> = []
  private var tokens: Set<String> = []
  /// How many rows there are in all, by the page that claimed most.
  private var total: Int64?

  /// 100,000 instances; a server that never ends its list ends here.
  private static let pageLimit = 200

  init(day: Timestamp) { self.day = day }

  /// Takes a page and gives the token of the next; nil after the last.
  mutating func add(_ page: JSONValue) throws(MarketplaceError) -> String? {
    guard let rows = page["results"]?.asItems else { throw .malformedAnswer(detail: "a page without charges") }
    if let count = page["count"]?.asInteger, count != rows.count {
      throw .malformedAnswer(detail: "a page of \(rows.count) charges that says it has \(count)")
    }
    for row in rows {
      guard let source = row["source"]?.asText, sources.insert(source).inserted else {
        throw .malformedAnswer(detail: "a charge without a source, or two of the same")
      }
      // Volumes and endpoints: only instances were asked for.
      guard source.hasPrefix(MarketCharge.sourcePrefix) else { continue }
      guard let charge = MarketCharge(row: row, source: source, day: day) else {
        throw .malformedAnswer(detail: "a charge without its instance or an amount")
      }
      charges.append(charge)
    }
    if let count = page["total"]?.asInteger { total = max(total ?? 0, count) }
    guard let token = page["next_token"]?.asText, !token.isEmpty else { return nil }
    guard tokens.insert(token).inserted, tokens.count < Self.pageLimit else {
      throw .malformedAnswer(detail: "a list of charges that does not end")
    }
    return token
  }

  /// Everything, by the order of the pages. Fewer than announced, or none announced, is half a list.
  func complete() throws(MarketplaceError) -> [MarketCharge] {
    guard let total else { throw .malformedAnswer(detail: "charges that do not say how many they are") }
    guard sources.count >= total else { throw .malformedAnswer(detail: "\(sources.count) of \(total) charges") }
    return charges
  }
}
