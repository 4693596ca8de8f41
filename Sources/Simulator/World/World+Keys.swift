import JSON

/// The account's SSH keys and those of single contracts.
extension World {
  func listKeys(_ call: Call) throws(Refused) -> Answer { .ok(.array(keys.map { keyRow($0) })) }

  mutating func addKey(_ call: Call) throws(Refused) -> Answer {
    let text = try keyText(call)
    let key = SSHKey(id: nextKey, text: text, createdAt: now)
    nextKey += 1
    keys.append(key)
    record("key_added", nil, [("key", .int(key.id))])
    var row = Row()
    row["success"] = .bool(true)
    row["key"] = keyRow(key)
    return .ok(row.json)
  }

  mutating func changeKey(_ call: Call) throws(Refused) -> Answer {
    guard let index = keys.firstIndex(where: { $0.id == call.numbers[0] }) else { throw Refused(Self.noSuchKey) }
    keys[index].text = try keyText(call)
    return .success
  }

  mutating func removeKey(_ call: Call) throws(Refused) -> Answer {
    guard let index = keys.firstIndex(where: { $0.id == call.numbers[0] }) else { throw Refused(Self.noSuchKey) }
    keys.remove(at: index)
    record("key_removed", nil, [("key", .int(call.numbers[0]))])
    return .success
  }

  func instanceKeys(_ call: Call) throws(Refused) -> Answer {
    guard let contract = alive(call.numbers[0]) else { throw Refused(.noSuchInstance(call.numbers[0])) }
    var row = Row()
    row["success"] = .bool(true)
    // JSON in a text, as the service does.
    let list = JSONValue.array(contract.keys.map { instanceKeyRow($0) })
    row["ssh_keys"] = .string(String(decoding: list.bytes, as: UTF8.self))
    return .ok(row.json)
  }

  mutating func attachKey(_ call: Call) throws(Refused) -> Answer {
    // The body's id would win over the path's, so clients must not send it.
    let id = call.body["instance_id"]?.asInt ?? call.numbers[0]
    guard let contract = alive(id) else { throw Refused(.noSuchInstance(id)) }
    let text = try keyText(call)
    if contract.keys.contains(where: { $0.text == text }) {
      var row = Row()
      row["success"] = .bool(false)
      row["msg"] = .string("SSH key already associated with instance.")
      return .ok(row.json)
    }
    let key = keys.first { $0.text == text } ?? SSHKey(id: nextKey, text: text, createdAt: now)
    if key.id == nextKey { nextKey += 1 }
    change(id) { $0.keys.append(key) }
    authorize(id)
    record("key_attached", id, [("key", .int(key.id))])
    var row = Row()
    row["success"] = .bool(true)
    row["msg"] = .string("SSH key added to instance.")
    row["key"] = .string(String(decoding: instanceKeyRow(key).bytes, as: UTF8.self))
    return .ok(row.json)
  }

  /// Failures come with status 200 here.
  mutating func detachKey(_ call: Call) throws(Refused) -> Answer {
    let (id, keyID) = (call.numbers[0], call.numbers[1])
    guard let contract = alive(id) else { return .failure(200, "no_such_instance", "Instance \(id) not found.") }
    guard contract.keys.contains(where: { $0.id == keyID }) else {
      return .failure(200, "no_such_ssh_key", "SSH key not found on instance.")
    }
    change(id) { $0.keys.removeAll { $0.id == keyID } }
    authorize(id)
    var row = Row()
    row["success"] = .bool(true)
    row["msg"] = .string("SSH key removed from instance.")
    return .ok(row.json)
  }

  private mutating func authorize(_ id: Int) {
    order(.authorize(contract: id, keys: contracts[id]?.keys.map(\.text) ?? []))
  }

  private static let noSuchKey = Answer.failure(404, "no_such_ssh_key", "SSH key not found.")

  private func keyText(_ call: Call) throws(Refused) -> String {
    let text = call.body["ssh_key"]?.asText ?? ""
    let parts = text.split(whereSeparator: \.isWhitespace)
    guard parts.count >= 2, parts[0].hasPrefix("ssh-") || parts[0].hasPrefix("ecdsa-") || parts[0].hasPrefix("sk-"),
      !text.contains("\n")
    else { throw Refused(.failure(400, "invalid_args", "Invalid ssh key")) }
    return text
  }

  private func keyRow(_ key: SSHKey) -> JSONValue {
    var row = Row()
    row["id"] = .int(key.id)
    row["user_id"] = .int(4242)
    row["public_key"] = .string(key.text)
    row["created_at"] = .string(CalendarText.iso8601(key.createdAt))
    row["deleted_at"] = .null
    return row.json
  }

  private func instanceKeyRow(_ key: SSHKey) -> JSONValue {
    var row = Row()
    row["id"] = .int(key.id)
    row["user_id"] = .int(4242)
    row["public_key"] = .string(key.text)
    return row.json
  }
}
