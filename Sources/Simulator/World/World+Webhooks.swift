import JSON

/// The account's webhooks. Nothing is sent: a test that wants a notification signs one itself.
extension World {
  struct Hook {
    var id: Int
    var url: String
    var events: [String]
    var secret: String
  }

  /// As many as an account may have.
  static let mostHooks = 4

  func listHooks(_ call: Call) throws(Refused) -> Answer {
    var row = Row()
    row["success"] = .bool(true)
    row["webhooks"] = .array(hooks.map { hookRow($0, showsSecret: false) })
    return .ok(row.json)
  }

  mutating func addHook(_ call: Call) throws(Refused) -> Answer {
    guard let url = call.body["webhook_url"]?.asText, url.hasPrefix("https://"), url.utf8.count <= 2048 else {
      throw Refused(.failure(400, "invalid_args", "webhook_url must be a public https address"))
    }
    guard let items = call.body["event_types"]?.asArray, !items.isEmpty else {
      throw Refused(.failure(400, "invalid_args", "event_types must be a list"))
    }
    guard hooks.count < Self.mostHooks else {
      throw Refused(.failure(400, "invalid_args", "at most \(Self.mostHooks) webhooks"))
    }
    let hook = Hook(
      id: (hooks.map(\.id).max() ?? 0) + 1, url: url, events: items.compactMap(\.asText), secret: newSecret())
    hooks.append(hook)
    var row = Row()
    row["success"] = .bool(true)
    row["webhook"] = hookRow(hook, showsSecret: true)
    return .ok(row.json)
  }

  mutating func rotateHook(_ call: Call) throws(Refused) -> Answer {
    guard let index = hooks.firstIndex(where: { $0.id == call.numbers[0] }) else {
      throw Refused(.failure(400, "invalid_args", "no such webhook"))
    }
    hooks[index].secret = newSecret()
    var row = Row()
    row["success"] = .bool(true)
    row["webhook_secret"] = .string(hooks[index].secret)
    return .ok(row.json)
  }

  func hookRow(_ hook: Hook, showsSecret: Bool) -> JSONValue {
    var row = Row()
    row["id"] = .int(hook.id)
    row["webhook_url"] = .string(hook.url)
    row["event_types"] = .array(hook.events.map { .string($0) })
    if showsSecret { row["webhook_secret"] = .string(hook.secret) }
    return row.json
  }

  private func newSecret() -> String {
    var generator = SystemRandomNumberGenerator()
    let digits = Array("0123456789abcdef")
    return String((0..<48).map { _ in digits.randomElement(using: &generator)! })
  }
}
