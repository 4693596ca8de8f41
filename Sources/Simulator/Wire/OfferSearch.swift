import JSON

/// A search as the body of `POST /bundles/` states it: fields with conditions, and keys that are none.
struct OfferSearch {
  var filters: [FieldFilter]
  var quote: Quote
  var order: [(field: String, ascending: Bool)]
  var limit: Int?

  /// The answer never has more rows than this, whatever `limit` says.
  static let cap = 64

  private static let controlKeys: Set<String> = [
    "order", "type", "limit", "allocated_storage", "target_reliability", "extra_ids", "has_avx", "gpu_option",
    "show_incompatible", "sort_option", "template_id", "disable_bundling", "select_cols",
  ]

  /// Throws the answer to a filter that is not `{operator: value}`.
  init(_ query: JSONObject) throws(Refused) {
    filters = []
    for member in query.members where !Self.controlKeys.contains(member.name) {
      guard let filter = FieldFilter(field: member.name, member.value) else {
        throw Refused(.failure(400, "bad_request", "q.\(member.name): Input should be a valid dictionary"))
      }
      filters.append(filter)
    }
    let type = query["type"]?.asText ?? "on-demand"
    quote = Quote(storage: query["allocated_storage"]?.asNumber ?? 8, isBid: type == "bid" || type == "interruptible")
    order = (query["order"]?.asArray ?? []).compactMap { item in
      guard let pair = item.asArray, pair.count == 2, let field = pair[0].asText else { return nil }
      return (field, pair[1].asText != "desc")
    }
    if order.isEmpty { order = [("score", false)] }
    limit = query["limit"]?.asInt
  }

  /// The matching rows, best first, and whether some were cut off.
  func rows(of offers: [Offer], strict: Bool, now: Double, isRentable: (Offer) -> Bool) throws(Refused)
    -> (rows: [JSONObject], truncated: Bool)
  {
    var rows: [JSONObject] = []
    for offer in offers {
      let row = offer.row(quote, rentable: isRentable(offer), now: now)
      if try admits(row, offer: offer, strict: strict) { rows.append(row) }
    }
    rows.sort { precedes($0, $1) }
    let wanted = min(limit.map { max($0, 0) } ?? Self.cap, Self.cap)
    return (Array(rows.prefix(wanted)), rows.count > wanted && wanted == Self.cap)
  }

  private func admits(_ row: JSONObject, offer: Offer, strict: Bool) throws(Refused) -> Bool {
    for filter in filters {
      guard let value = try column(filter.field, row: row, offer: offer, strict: strict) else { continue }
      if !filter.admits(value) { return false }
    }
    return true
  }

  /// The value a filter looks at; nil when the field does not exist and is ignored.
  private func column(_ field: String, row: JSONObject, offer: Offer, strict: Bool) throws(Refused) -> JSONValue? {
    switch field {
    case "verified": return .bool(offer.machine.verification == "verified")
    case "datacenter": return .bool(offer.machine.isDatacenter)
    // Texts end in the country's code, and only that can be searched for.
    case "geolocation": return .text(offer.machine.location.map { String($0.suffix(2)) })
    case "ubuntu_version": return row["os_version"]
    // Seen at the real service: searching by `id` finds nothing, by `ask_contract_id` it does.
    case "id": return .null
    default:
      if let value = row[field] { return value }
      if strict { throw Refused(.failure(400, "bad_request", "q.\(field): Extra inputs are not permitted")) }
      return nil
    }
  }

  private func precedes(_ left: JSONObject, _ right: JSONObject) -> Bool {
    for (field, ascending) in order {
      // Rows without the value come last, either way.
      switch (left[field] ?? .null, right[field] ?? .null) {
      case (.null, .null): continue
      case (.null, _): return false
      case (_, .null): return true
      case (let a, let b):
        if let sign = a.compare(b), sign != 0 { return ascending ? sign < 0 : sign > 0 }
      }
    }
    return (left["id"]?.asInt ?? 0) < (right["id"]?.asInt ?? 0)
  }
}
