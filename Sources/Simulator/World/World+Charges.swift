import JSON

/// What was charged, by the day, and the traffic that is charged besides the hours.
extension World {
  /// `GET /charges/`: a row per contract, over all the days that were asked for; whole days only. `format` makes a difference to
  /// serverless contracts alone.
  mutating func charges(_ call: Call) throws(Refused) -> Answer {
    settle()
    let filters = try call.json("select_filters")
    let day = filters?["day"]
    guard let from = day?["gte"]?.asNumber, let to = day?["lte"]?.asNumber else {
      var row = Row()
      row["success"] = .bool(false)
      row["msg"] = .string("Must provide both 'day' gte and lte filters for instance charges")
      throw Refused(Answer(400, row.json))
    }
    let types = filters?["type"]?["in"]?.asArray?.compactMap(\.asText)
    var charges: [(id: Int, row: JSONValue)] = []
    if types == nil || types?.contains("instance") == true {
      for contract in contracts.values.sorted(by: { $0.id < $1.id }) {
        let used = contract.account.days.filter { $0.start + 86_400 > from && $0.start <= to }
        if let row = contract.chargeRow(used) { charges.append((contract.id, row)) }
      }
    }
    let isReversed = try call.json("latest_first")?.asBool ?? true
    if isReversed { charges.reverse() }
    let order = [ListOrder(column: "id", ascending: !isReversed)]
    var rest = charges[...]
    if let token = call.text("after_token") {
      guard let last = try Self.sortKey(token, order)[0].asInt else {
        throw Refused(.failure(400, "invalid_token", "Invalid pagination token"))
      }
      rest = rest.drop { isReversed ? $0.id >= last : $0.id <= last }
    }
    let page = rest.prefix(min(max(try call.json("limit")?.asInt ?? 100, 1), 500))
    var answer = Row()
    answer["success"] = .bool(true)
    answer["count"] = .int(page.count)
    answer["total"] = .int(charges.count)
    answer["next_token"] =
      page.count < rest.count ? .text(page.last.map { Self.token([.int($0.id)], order) }) : .null
    answer["results"] = .array(page.map(\.row))
    return .ok(answer.json)
  }

  /// The contract has received and sent so many GB, now.
  mutating func transfer(_ id: Int, down: Double, up: Double) {
    guard let machine = alive(id)?.offer.machine else { return }
    change(id) { [now] in
      $0.account.transfer(down: (down, down * machine.downCost), up: (up, up * machine.upCost), at: now)
    }
    record("transfer", id, [("down", .number(down)), ("up", .number(up))])
    wallet.pay(down * machine.downCost + up * machine.upCost)
    if wallet.credit <= 0 { runOutOfCredit() }
  }
}

extension Contract {
  /// Nil when nothing was used on these days. `start` and `end` are the first and the last of them, each by its midnight.
  fileprivate func chargeRow(_ days: [Consumption.Day]) -> JSONValue? {
    guard let first = days.first?.start, let last = days.last?.start else { return nil }
    func sum(_ part: KeyPath<Consumption.Day, Double>) -> Double { days.reduce(0) { $0 + $1[keyPath: part] } }
    var items: [JSONValue] = []
    func add(_ type: String, _ quantity: Double, _ unit: (many: String, one: String), _ cost: Double) {
      guard quantity > 0 else { return }
      var row = Row()
      row["start"] = .number(first)
      row["end"] = .number(last)
      row["type"] = .string(type)
      row["source"] = .null
      row["description"] = .string("\(fixed(quantity)) \(unit.many) at $\(fixed(cost / quantity))/\(unit.one)")
      row["amount"] = .number(thousandths(cost))
      row["metadata"] = .object(JSONObject())
      row["items"] = .array([])
      items.append(row.json)
    }
    add("gpu", sum(\.gpuHours), ("hours", "hour"), sum(\.gpuCost))
    add("disk", sum(\.diskHours), ("hours", "hour"), sum(\.diskCost))
    add("bwd", sum(\.downGigabytes), ("GB", "GB"), sum(\.downCost))
    add("bwu", sum(\.upGigabytes), ("GB", "GB"), sum(\.upCost))
    var metadata = Row()
    if let label { metadata["label"] = .string(label) }
    var row = Row()
    row["start"] = .number(first)
    row["end"] = .number(last)
    row["type"] = .string("instance")
    row["source"] = .string("instance-\(id)")
    row["description"] = .string("Instance \(id) Charges - \(days.count) days")
    row["amount"] = .number(thousandths(days.reduce(0) { $0 + $1.cost }))
    row["metadata"] = metadata.json
    row["items"] = .array(items)
    return row.json
  }

  private func thousandths(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }

  /// "2.500".
  private func fixed(_ value: Double) -> String {
    let (whole, rest) = Int((value * 1000).rounded()).quotientAndRemainder(dividingBy: 1000)
    return "\(whole).\(String(1000 + rest).dropFirst())"
  }
}
