import JSON

/// The account and what it owes.
extension World {
  func searchOffers(_ query: JSONObject) throws(Refused) -> Answer {
    let occupied = occupiedSlots()
    let found = try OfferSearch(query).rows(of: offers, strict: settings.strictFilters, now: now) {
      isRentable($0, occupied: occupied)
    }
    var row = Row()
    row["offers"] = .array(found.rows.map { .object($0) })
    if found.truncated { row["truncated"] = .bool(true) }
    return .ok(row.json)
  }

  func gpuNames(_ call: Call) throws(Refused) -> Answer {
    var row = Row()
    let names = Set(offers.filter { !$0.slots.isEmpty }.map(\.machine.gpu.name)).sorted()
    row["gpu_names"] = .array(names.map { .string($0) })
    return .ok(row.json)
  }

  mutating func currentUser(_ call: Call) throws(Refused) -> Answer {
    settle()
    var row = Row()
    row["id"] = .int(4242)
    row["key_id"] = .int(777)
    row["sid"] = .string("web-3")
    row["username"] = .string("svc@example.com")
    row["email"] = .string("svc@example.com")
    row["email_verified"] = .bool(true)
    row["fullname"] = .null
    row["balance"] = .number(0)
    row["credit"] = .number(wallet.credit)
    row["can_pay"] = .bool(true)
    row["has_billing"] = .bool(true)
    row["has_payout"] = .bool(false)
    row["got_signup_credit"] = .bool(false)
    row["balance_threshold"] = .number(10)
    row["balance_threshold_enabled"] = .bool(true)
    row["autobill_threshold"] = .number(0)
    row["billed_expected"] = .number(0)
    row["billed_verified"] = .number(0)
    row["billing_creditonly"] = .int(0)
    for field in ["line1", "line2", "city", "zip", "country"] { row["billaddress_" + field] = .null }
    row["last4"] = .null
    row["paid_expected"] = .number(0)
    row["paid_verified"] = .number(0)
    row["password_resettable"] = .int(1)
    row["paypal_email"] = .null
    row["ssh_key"] = .null
    row["user"] = .null
    row["host_only"] = .bool(false)
    row["host_agreement_accepted"] = .bool(false)
    // The real one echoes it too: clients must not log this body.
    row["api_key"] = .string(apiKey)
    return .ok(row.json)
  }

  func spendRate(_ call: Call) throws(Refused) -> Answer {
    let alive = contracts.values.filter(\.isAlive)
    return Self.spend(
      gpu: alive.reduce(0) { $0 + $1.account.gpuRate }, disk: alive.reduce(0) { $0 + $1.account.diskRate },
      isActive: !alive.isEmpty)
  }

  static func spend(gpu: Double, disk: Double, isActive: Bool) -> Answer {
    var row = Row()
    row["success"] = .bool(true)
    row["gpu_cost_per_hour"] = .number(gpu)
    row["container_storage_cost_per_hour"] = .number(disk)
    row["volume_storage_cost_per_hour"] = .int(0)
    row["has_active_resources"] = .bool(isActive)
    return .ok(row.json)
  }

  /// `GET /charges/`: a row per contract and day, whole days only.
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
    var rows: [JSONValue] = []
    if types == nil || types?.contains("instance") == true {
      for contract in contracts.values.sorted(by: { $0.id < $1.id }) {
        for used in contract.account.days where used.start + 86_400 > from && used.start <= to {
          rows.append(chargeRow(contract, used))
        }
      }
    }
    if try call.json("latest_first")?.asBool == true { rows.reverse() }
    let limit = min(max(try call.json("limit")?.asInt ?? 100, 1), 500)
    let place = [ListOrder(column: "id", ascending: true)]
    var offset = 0
    if let token = call.text("after_token") { offset = max(try Self.sortKey(token, place)[0].asInt ?? 0, 0) }
    let page = rows.dropFirst(offset).prefix(limit)
    let hasMore = offset + page.count < rows.count
    var answer = Row()
    answer["success"] = .bool(true)
    answer["count"] = .int(page.count)
    answer["total"] = .int(rows.count)
    answer["next_token"] = hasMore ? .string(Self.token([.int(offset + page.count)], place)) : .null
    answer["results"] = .array(Array(page))
    return .ok(answer.json)
  }

  private func chargeRow(_ contract: Contract, _ day: Consumption.Day) -> JSONValue {
    var items: [JSONValue] = []
    if day.gpuHours > 0 { items.append(chargeItem(day, "gpu", day.gpuHours, day.gpuCost)) }
    if day.diskHours > 0 { items.append(chargeItem(day, "disk", day.diskHours, day.diskCost)) }
    var metadata = Row()
    metadata["label"] = .text(contract.label)
    var row = Row()
    row["start"] = .number(day.start)
    row["end"] = .number(day.start + 86_400)
    row["type"] = .string("instance")
    row["source"] = .string("instance-\(contract.id)")
    row["description"] = .string("Instance \(contract.id) Charges - 1 days")
    row["amount"] = .number(thousandths(day.gpuCost + day.diskCost))
    row["metadata"] = metadata.json
    row["items"] = .array(items)
    return row.json
  }

  private func chargeItem(_ day: Consumption.Day, _ type: String, _ hours: Double, _ cost: Double) -> JSONValue {
    var row = Row()
    row["start"] = .number(day.start)
    row["end"] = .number(day.start + 86_400)
    row["type"] = .string(type)
    row["source"] = .null
    row["description"] = .string("\(thousandths(hours)) hours at $\(thousandths(cost / hours))/hour")
    row["amount"] = .number(thousandths(cost))
    row["metadata"] = .object(JSONObject())
    row["items"] = .array([])
    return row.json
  }

  private func thousandths(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }
}
