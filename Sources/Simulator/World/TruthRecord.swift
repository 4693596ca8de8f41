import JSON

/// One effect that really took place, whatever answer the caller got.
struct TruthRecord: Sendable {
  var time: Double
  /// "created", "status", "label", "destroyed", "vanished", "price", "key_added" …
  var event: String
  var contract: Int?
  var details: [(name: String, value: JSONValue)] = []

  var json: JSONValue {
    var row = Row()
    row["time"] = .number(time)
    row["event"] = .string(event)
    if let contract { row["contract"] = .int(contract) }
    for detail in details { row[detail.name] = detail.value }
    return row.json
  }
}
