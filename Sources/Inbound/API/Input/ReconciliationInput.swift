import Domain
import HTTPServer

/// Which days a reconciliation is asked for.
struct ReconciliationInput {
  let range: DayRange
  let page: PageRequest
  /// What a cursor is bound to.
  let scope: String

  /// As many as Vast tells of at once.
  static let mostDays = MarketCharge.mostDays
  static let usualDays = 7

  init(_ head: RequestHead, _ cursors: CursorCodec, now: Timestamp) throws(APIError) {
    var reader = try QueryReader(head)
    let from = try reader.moment("from")
    let to = try reader.moment("to")
    // Without `to`: through today.
    let end = to ?? now.nextMidnight
    let start = from ?? (end - .microseconds(1)).midnight - .seconds(86_400 * (Self.usualDays - 1))
    guard let range = DayRange(from: start, to: end) else {
      throw .queryParameter(name: "from", detail: "must be before to, which is the end of today when it is not given")
    }
    guard range.days <= Self.mostDays else {
      throw .queryParameter(
        name: "from",
        detail: "must be at most \(Self.mostDays) days before to, which is the end of today when it is not given")
    }
    self.range = range
    scope = "reconciliation\nfrom=\(from?.microseconds ?? 0)\nto=\(to?.microseconds ?? 0)"
    page = try reader.page(scope, cursors)
  }
}
