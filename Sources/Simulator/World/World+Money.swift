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
}
