import Domain
import JSON

/// Puts the pages of the list of instances together and proves that nothing is missing.
///
/// The list is what absence is concluded from, so everything odd is an error: a page without a list, a row without an id, a
/// count that is not kept, a token that comes twice. An instance that comes twice, since the list moved between two pages, is
/// kept once, as it was last.
struct InstancePages {
  private var instances: [MarketID: MarketInstance] = [:]
  private var order: [MarketID] = []
  private var tokens: Set<String> = []
  /// How many instances there are in all, by the page that claimed most. A machine that goes while the list is read can
  /// make it seem cut; the next list tells. The other way round a cut list could seem whole.
  private var total: Int64?

  /// 100,000 instances; a server that never ends its list ends here.
  private static let pageLimit = 4000

  /// Takes a page and gives the token of the next; nil after the last.
  mutating func add(_ page: JSONValue) throws(MarketplaceError) -> String? {
    guard let rows = page["instances"]?.asItems else { throw .malformedAnswer(detail: "a page without instances") }
    if let found = page["instances_found"]?.asInteger, found != rows.count {
      throw .malformedAnswer(detail: "a page of \(rows.count) instances that says it has \(found)")
    }
    for row in rows {
      guard let instance = MarketInstance(row: row) else { throw .malformedAnswer(detail: "an instance without an id") }
      if instances.updateValue(instance, forKey: instance.id) == nil { order.append(instance.id) }
    }
    if let count = page["total_instances"]?.asInteger { total = max(total ?? 0, count) }
    guard let token = page["next_token"]?.asText, !token.isEmpty else { return nil }
    guard tokens.insert(token).inserted, tokens.count < Self.pageLimit else {
      throw .malformedAnswer(detail: "a list of instances that does not end")
    }
    return token
  }

  /// All instances by the order of the pages. Fewer than announced, or none announced, is half a list.
  func complete() throws(MarketplaceError) -> [MarketInstance] {
    guard let total else { throw .malformedAnswer(detail: "a list that does not say how many instances there are") }
    guard order.count >= total else {
      throw .malformedAnswer(detail: "\(order.count) of \(total) instances")
    }
    return order.compactMap { instances[$0] }
  }
}
