import JSON

/// Lists and reads.
extension World {
  static let pageSize = 25

  /// `GET /instances/{id}/`: an object under a plural name, or null with status 200.
  mutating func read(_ call: Call) throws(Refused) -> Answer {
    var row = Row()
    if let contract = contracts[call.numbers[0]], contract.isListed(at: now) {
      row["instances"] = .object(contract.row(now: now))
    } else {
      row["instances"] = .null
    }
    return .ok(row.json)
  }

  /// `GET /api/v1/instances/`: pages of at most 25, found again by the values of the last row.
  mutating func list(_ call: Call) throws(Refused) -> Answer {
    let filters = try listFilters(call)
    let order = try listOrder(call)
    var matches = try listed(filters)
    let total = matches.count
    var labels: [String: Int] = [:]
    for contract in matches { labels[contract.label ?? "", default: 0] += 1 }
    matches.sort { Self.precedes($0.sortKey(order), $1.sortKey(order), order) }
    if let token = call.text("after_token") {
      let last = try Self.sortKey(token, order)
      matches.removeAll { !Self.precedes(last, $0.sortKey(order), order) }
    }
    let asked = try call.json("limit")?.asInt ?? Self.pageSize
    // Nothing and less count as 5: so a newer page of the documentation says.
    let limit = asked <= 0 ? 5 : min(asked, Self.pageSize)
    let page = matches.prefix(limit)
    var answer = Row()
    answer["success"] = .bool(true)
    answer["instances_found"] = .int(page.count)
    answer["total_instances"] = .int(total)
    answer["label_counts"] = .object(
      JSONObject(labels.sorted { $0.key < $1.key }.map { .init(name: $0.key, value: .int($0.value)) }))
    answer["next_token"] =
      page.count < matches.count ? .string(Self.token(page[page.endIndex - 1].sortKey(order), order)) : .null
    answer["instances"] = try .array(columns(of: page, call))
    return .ok(answer.json)
  }

  /// `GET /api/v0/instances/`: gone for new accounts.
  mutating func oldList(_ call: Call) throws(Refused) -> Answer {
    guard settings.servesOldList else {
      throw Refused(
        .failure(410, "deprecated_endpoint", "/api/v0/instances/ is deprecated. Use /api/v1/instances/ instead."))
    }
    var row = Row()
    row["success"] = .bool(true)
    row["instances"] = .array(try listed([]).sorted { $0.id < $1.id }.map { .object($0.row(now: now)) })
    return .ok(row.json)
  }

  func filterValues(_ call: Call) throws(Refused) -> Answer {
    var seen: Set<[String?]> = []
    var values: [JSONValue] = []
    for contract in try listed([]).sorted(by: { $0.id < $1.id }) {
      let combination = [
        contract.status.actual?.rawValue, contract.offer.machine.gpu.name, contract.offer.machine.verification,
      ]
      guard seen.insert(combination).inserted else { continue }
      var row = Row()
      row["actual_status"] = .text(combination[0])
      row["gpu_name"] = .text(combination[1])
      row["verification"] = .text(combination[2])
      values.append(row.json)
    }
    var answer = Row()
    answer["success"] = .bool(true)
    answer["filters"] = .array(values)
    return .ok(answer.json)
  }

  // MARK: Parts

  private func listed(_ filters: [FieldFilter]) throws(Refused) -> [Contract] {
    contracts.values.filter { contract in
      contract.isListed(at: now) && filters.allSatisfy { $0.admits(contract.storedColumn($0.field) ?? .null) }
    }
  }

  private func listFilters(_ call: Call) throws(Refused) -> [FieldFilter] {
    guard let object = try call.json("select_filters") else { return [] }
    guard let members = object.asObject?.members else {
      throw Refused(.failure(400, "invalid_request", "Error in query parameters: select_filters must be an object"))
    }
    var filters: [FieldFilter] = []
    for member in members {
      try Self.checkColumn(member.name)
      guard let filter = FieldFilter(field: member.name, member.value) else {
        throw Refused(
          .failure(400, "bad_request", "select_filters.\(member.name): Input should be a valid dictionary"))
      }
      filters.append(filter)
    }
    return filters
  }

  private static func checkColumn(_ name: String) throws(Refused) {
    guard storedColumns.contains(name) else {
      var row = Row()
      row["error"] = .string("invalid_request")
      row["msg"] = .string("Error in query parameters: \(name) is not a valid search key")
      throw Refused(Answer(400, row.json))
    }
  }

  private static let storedColumns: Set<String> = [
    "id", "label", "actual_status", "intended_status", "cur_state", "next_state", "gpu_name", "verification",
    "machine_id", "host_id", "image_uuid", "geolocation", "start_date", "is_bid",
  ]

  private func listOrder(_ call: Call) throws(Refused) -> [ListOrder] {
    var order: [ListOrder] = []
    for item in try call.json("order_by")?.asArray ?? [] {
      guard let column = item["col"]?.asText else {
        throw Refused(.failure(400, "invalid_request", "Error in query parameters: order_by needs col"))
      }
      try Self.checkColumn(column)
      order.append(ListOrder(column: column, ascending: item["dir"]?.asText != "desc"))
    }
    if !order.contains(where: { $0.column == "id" }) { order.append(ListOrder(column: "id", ascending: true)) }
    return order
  }

  private func columns(of page: ArraySlice<Contract>, _ call: Call) throws(Refused) -> [JSONValue] {
    let wanted = (try call.json("select_cols"))?.asArray?.compactMap(\.asText) ?? ["*"]
    return page.map { contract in
      var row = contract.row(now: now)
      row.members.append(.init(name: "volume_info", value: .array([])))
      guard !wanted.contains("*") else { return .object(row) }
      // Unknown columns come back as null.
      return .object(JSONObject(wanted.map { .init(name: $0, value: row[$0] ?? .null) }))
    }
  }

  // MARK: Tokens

  static func token(_ key: [JSONValue], _ order: [ListOrder]) -> String {
    var values = Row()
    for (part, value) in zip(order, key) { values[part.column] = value }
    var row = Row()
    row["values"] = values.json
    return Base64.encode(row.json.bytes)
  }

  static func sortKey(_ token: String, _ order: [ListOrder]) throws(Refused) -> [JSONValue] {
    let invalid = Refused(.failure(400, "invalid_token", "Invalid pagination token"))
    guard let bytes = Base64.decode(token) else { throw invalid }
    let parsed: JSONValue
    do { parsed = try JSONValue.parse(bytes) } catch { throw invalid }
    var key: [JSONValue] = []
    for part in order {
      guard let value = parsed["values"]?[part.column] else { throw invalid }
      key.append(value)
    }
    return key
  }

  private static func precedes(_ left: [JSONValue], _ right: [JSONValue], _ order: [ListOrder]) -> Bool {
    for (index, part) in order.enumerated() {
      let sign: Int
      switch (left[index], right[index]) {
      case (.null, .null): sign = 0
      case (.null, _): sign = -1
      case (_, .null): sign = 1
      case (let a, let b): sign = a.compare(b) ?? 0
      }
      if sign != 0 { return part.ascending ? sign < 0 : sign > 0 }
    }
    return false
  }
}

struct ListOrder {
  var column: String
  var ascending: Bool
}

extension Contract {
  fileprivate func sortKey(_ order: [ListOrder]) -> [JSONValue] { order.map { storedColumn($0.column) ?? .null } }
}
