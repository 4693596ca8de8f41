import JSON

/// What a renter may do with a contract.
extension World {
  /// `PUT /instances/{id}/`: start, stop or label, by what the body names.
  mutating func manage(_ call: Call) throws(Refused) -> Answer {
    let id = call.numbers[0]
    guard alive(id) != nil else { throw Refused(.noSuchInstance(id)) }
    if let state = call.body["state"]?.asText { return try setState(id, state) }
    if let label = call.body["label"] {
      let text = label.asText.flatMap { $0.isEmpty ? nil : $0 }
      guard text?.count ?? 0 <= 256 else {
        throw Refused(.failure(400, "label_too_long", "The label is longer than 256 characters."))
      }
      change(id) { $0.label = text }
      record("label", id, [("label", .text(text))])
      return .success
    }
    throw Refused(.failure(400, "invalid_args", "nothing to do"))
  }

  /// `PUT /instances/`: the same for up to 64; a success when one changed.
  mutating func manageBulk(_ call: Call) throws(Refused) -> Answer {
    let ids = (call.body["ids"]?.asArray ?? []).compactMap(\.asInt)
    guard ids.count <= 64 else { throw Refused(.failure(400, "invalid_args", "chunk length of \(ids.count) > 64")) }
    guard let state = call.body["state"]?.asText else {
      throw Refused(.failure(400, "invalid_args", "state is missing"))
    }
    let found = ids.filter { alive($0) != nil }
    guard !found.isEmpty else { throw Refused(.failure(404, "instances_not_found", "No instances found.")) }
    for id in found { _ = try setState(id, state) }
    return .success
  }

  private mutating func setState(_ id: Int, _ state: String) throws(Refused) -> Answer {
    switch state {
    case "running": return try start(id)
    case "stopped":
      record("stop", id, [("by", .string(caller.rawValue))])
      halt(id)
      serveQueue()
      return .success
    default: throw Refused(.failure(400, "invalid_args", "invalid state \(state)"))
    }
  }

  private mutating func start(_ id: Int) throws(Refused) -> Answer {
    guard let contract = alive(id) else { throw Refused(.noSuchInstance(id)) }
    guard wallet.credit > 0 else {
      throw Refused(.failure(400, "missing_billing", "You lack credit, see the billing page."))
    }
    // That it cannot start is documented, in which words is not.
    guard !contract.hasExpired else { throw Refused(.failure(400, "invalid_args", "The contract has expired.")) }
    record("start", id)
    let isComing = contract.status.intended == .running && contract.status.current == .running
    if isComing, contract.status.actual != .exited { return .success }
    let affords = contract.bid.map { $0 >= contract.offer.floor ?? 0 } ?? true
    guard affords, isRentable(contract.offer, occupied: occupiedSlots(except: id)) else {
      change(id) {
        $0.status.intended = .running
        $0.status.next = .running
      }
      return .failure(
        200, "resources_unavailable", "Required resources are currently unavailable, state change queued.")
    }
    begin(id)
    return .success
  }

  /// `PUT /instances/reboot/{id}/`: the container ends and comes again; GPUs and files stay.
  mutating func reboot(_ call: Call) throws(Refused) -> Answer {
    try restart(call.numbers[0], as: .rebooting, wipes: false)
  }

  /// `PUT /instances/recycle/{id}/`: as a reboot, but with an empty disk and a fresh pull.
  mutating func recycle(_ call: Call) throws(Refused) -> Answer {
    try restart(call.numbers[0], as: .recycling, wipes: true)
  }

  private mutating func restart(_ id: Int, as status: ActualStatus, wipes: Bool) throws(Refused) -> Answer {
    guard let contract = alive(id) else { throw Refused(.failure(400, "invalid_args", "invalid instance_id")) }
    guard contract.status.actual == .running else {
      return .failure(200, "invalid_id", "Invalid instance id. Is the container started?")
    }
    record(status.rawValue, id)
    order(.stop(contract: id, gracefully: true))
    if wipes { order(.wipe(contract: id)) }
    change(id) { [now, settings] in
      $0.status.actual = status
      $0.ports = []
      $0.runningSince = nil
      if wipes { $0.hasImage = false }
      $0.plan = StatusClock.start($0, at: now, settings: settings)
    }
    return .success
  }

  /// `DELETE /instances/{id}/`.
  mutating func destroy(_ call: Call) throws(Refused) -> Answer {
    let id = call.numbers[0]
    guard let contract = contracts[id], contract.isListed(at: now) || contract.isAlive else {
      throw Refused(.noSuchInstance(id))
    }
    end(id)
    return Self.destroying("instance \(id)")
  }

  /// `DELETE /instances/` with `instance_ids`.
  mutating func destroyBulk(_ call: Call) throws(Refused) -> Answer {
    let ids = (call.body["instance_ids"]?.asArray ?? []).compactMap(\.asInt)
    guard ids.count <= 64 else { throw Refused(.failure(400, "invalid_args", "chunk length of \(ids.count) > 64")) }
    let found = ids.filter { alive($0) != nil }
    guard !found.isEmpty else { throw Refused(.failure(404, "instances_not_found", "No instances found.")) }
    for id in found { end(id) }
    return Self.destroying("\(found.count) instances")
  }

  private static func destroying(_ what: String) -> Answer {
    var row = Row()
    row["success"] = .bool(true)
    row["msg"] = .string("destroying \(what).")
    return .ok(row.json)
  }

  mutating func end(_ id: Int) {
    guard alive(id) != nil else { return }
    change(id) { [now, settings, caller] in
      $0.destroyedAt = now
      $0.destroyedBy = caller
      $0.vanishesAt = now + settings.settle
      $0.plan = []
      $0.ports = []
      $0.status.intended = .stopped
      $0.status.current = .stopped
      $0.status.next = .stopped
      $0.revivesByItself = false
    }
    order(.remove(contract: id))
    record(
      "destroyed", id,
      [("cost", .number(contracts[id]?.account.cost ?? 0)), ("by", .string(caller.rawValue))])
    serveQueue()
  }

  /// `PUT /instances/bid_price/{id}/`; without a price the platform picks one, which may be lower.
  mutating func changeBid(_ call: Call) throws(Refused) -> Answer {
    let id = call.numbers[0]
    guard let contract = alive(id) else { throw Refused(.noSuchInstance(id)) }
    guard contract.isBid else {
      throw Refused(.failure(400, "invalid_args", "Can't change price of on-demand contract."))
    }
    let price = call.body["price"]?.asNumber ?? (contract.offer.floor ?? 0.1) * 1.18
    guard (0.001...32).contains(price) else { throw Refused(.failure(400, "invalid_price", "Invalid price.")) }
    change(id) { $0.bid = price }
    record("price", id, [("price", .number(price))])
    serveQueue()
    return .success
  }
}
