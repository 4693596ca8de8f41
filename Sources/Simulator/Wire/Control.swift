import HTTPServer
import JSON

/// The surface for tests under `/sim/`: no key, loopback only, and nothing a real client would call.
///
/// `outbid` and `offline` last until `release` and `online`, or for the `seconds` that the body names. The winner of
/// `{"tenant": true}` sits on the GPUs meanwhile.
///
///     POST /sim/settings   {"boot": 0.2, …}                        answers with all settings
///     POST /sim/fault      {"kind": "create_lost", "count": 2}     see `Fault`; DELETE forgets all
///     POST /sim/fate       {"fate": "pull_fails", "count": 1, "machine": 27182}   for contracts still to be made
///     POST /sim/offers     {"replace": true, "offers": [{…}]}      see `offer(_:)`
///     POST /sim/account    {"credit": 0.5}
///     POST /sim/instances/{id}/{outbid,release,take_gpus,crash,offline,online,pull_fails,runtime_fails,stuck,deaf,
///                               silent,proxy_only,full_disk}
///     POST /sim/instances/{id}/price_increase  {"gpu_price": 0.4}  its host wants more, see `announceIncrease`
///     POST /sim/instances/{id}/transfer  {"down": 7, "up": 1.4}    GB that it received and sent
///     POST /sim/instances/{id}/utilization  {"gpu_util": 3}        per cent from now on; null: its host does not say
///     POST /sim/machines/{id}/{offline,online}                     a host with everything on it
///     GET  /sim/truth      every contract ever, its states and cost
///     GET  /sim/requests   counts and the last requests; DELETE forgets them
extension World {
  mutating func control(_ method: Method, _ parts: [String], _ body: JSONObject) throws(ControlError) -> JSONValue {
    switch (method, parts.first ?? "", parts.count) {
    case (.post, "settings", 1):
      settle()
      try settings.apply(body)
      return settings.json
    case (.get, "settings", 1):
      return settings.json
    case (.post, "fault", 1):
      faults.append(try Fault(body, routes: Route.names))
    case (.delete, "fault", 1):
      faults = []
      fates = []
    case (.get, "fault", 1):
      return .array(faults.map(\.json))
    case (.post, "fate", 1):
      let count = Int(try (body["count"] ?? .int(1)).seconds("count"))
      let fate = try Self.fate(body["fate"]?.asText ?? "", body)
      fates.append(PlannedFate(fate: fate, count: count, machine: body["machine"]?.asInt))
    case (.post, "account", 1):
      settle()
      guard let credit = body["credit"]?.asNumber else { throw ControlError("\"credit\" must be a number") }
      wallet.set(credit: credit)
      if credit <= 0 { runOutOfCredit() }
    case (.post, "offers", 1):
      let added = try (body["offers"]?.asArray ?? []).map { item throws(ControlError) in try offer(item) }
      offers = body["replace"]?.asBool == true ? added : offers + added
    case (.get, "truth", 1):
      return truth()
    case (.post, "instances", 3):
      guard let id = Int(parts[1]), alive(id) != nil else { throw ControlError("there is no instance \(parts[1])") }
      try afflict(id, parts[2], body)
    case (.post, "machines", 3):
      guard let id = Int(parts[1]), offers.contains(where: { $0.machine.id == id }) else {
        throw ControlError("there is no machine \(parts[1])")
      }
      switch parts[2] {
      case "offline": goOffline(machine: id, lasting: try body["seconds"]?.seconds("seconds"))
      case "online": comeBack(machine: id)
      default: throw ControlError("there is no \"\(parts[2])\" to happen to a machine")
      }
    default:
      throw ControlError("there is no \(method.rawValue) /sim/\(parts.joined(separator: "/"))")
    }
    return .object(JSONObject([.init(name: "success", value: .bool(true))]))
  }

  private mutating func afflict(_ id: Int, _ what: String, _ body: JSONObject) throws(ControlError) {
    let lasting = try body["seconds"]?.seconds("seconds")
    switch what {
    case "outbid":
      guard contracts[id]?.isBid == true else { throw ControlError("instance \(id) is not interruptible") }
      outbid(id, tenant: Self.hasTenant(body, lasting), lasting: lasting)
    case "release": release(id)
    case "take_gpus": takeGPUs(id)
    case "crash": crash(id, message: body["message"]?.asText)
    case "offline": goOffline(id, lasting: lasting)
    case "online": comeBack(id)
    case "price_increase": try announceIncrease(id, body)
    case "transfer":
      transfer(id, down: try body["down"]?.seconds("down") ?? 0, up: try body["up"]?.seconds("up") ?? 0)
    case "utilization":
      guard let value = body["gpu_util"], value == .null || value.asNumber != nil else {
        throw ControlError("\"gpu_util\" must be a number or null")
      }
      change(id) { $0.gpuUtilization = value.asNumber }
    default: doom(id, try Self.fate(what, body))
    }
  }

  /// `gpu_price` ($ per GPU and hour), `storage_cost` ($ per GB and month), or both; `ends_in`: seconds to the end of the present
  /// term, as it is by default; `extends`: seconds from there to the new end, a month by default; `at_once`: acceptance changes
  /// the price at once, for who cannot wait for the end of the term.
  private mutating func announceIncrease(_ id: Int, _ body: JSONObject) throws(ControlError) {
    guard let contract = contracts[id], !contract.isBid, !contract.hasExpired else {
      throw ControlError("instance \(id) bids, or its term is over: its price cannot be raised")
    }
    let gpuPrice = try body["gpu_price"]?.seconds("gpu_price")
    let storageCost = try body["storage_cost"]?.seconds("storage_cost")
    guard gpuPrice != nil || storageCost != nil else { throw ControlError("nothing of instance \(id) becomes dearer") }
    let end = try body["ends_in"].map { value throws(ControlError) in now + (try value.seconds("ends_in")) }
    let termEnds = end ?? contract.endDate
    let increase = PriceIncrease(
      id: nextIncrease, contract: id, announcedAt: now, gpuPrice: gpuPrice, storageCost: storageCost,
      newEnd: termEnds + (try body["extends"]?.seconds("extends") ?? 2_592_000),
      isImmediate: try body["at_once"]?.flag("at_once") ?? false)
    nextIncrease += 1
    announce(increase, termEnds: termEnds)
  }

  /// Who stays for a time is there.
  private static func hasTenant(_ body: JSONObject, _ lasting: Double?) -> Bool {
    body["tenant"]?.asBool ?? (lasting != nil)
  }

  private static func fate(_ name: String, _ body: JSONObject) throws(ControlError) -> Fate {
    let after = try (body["after"] ?? .int(0)).seconds("after")
    let lasting = try body["seconds"]?.seconds("seconds")
    return switch name {
    case "pull_fails": .pullFails
    case "runtime_fails": .runtimeFails
    case "stuck": .stuck
    case "deaf": .deaf(silent: false)
    case "silent": .deaf(silent: true)
    case "proxy_only": .proxyOnly
    case "full_disk": .fullDisk
    case "crashes": .crashes(after: after)
    case "goes_offline": .goesOffline(after: after, lasting: lasting)
    case "is_outbid": .isOutbid(after: after, tenant: hasTenant(body, lasting), lasting: lasting)
    default: throw ControlError("there is no \"\(name)\" to happen to an instance")
    }
  }

  /// `{"id", "machine_id", "gpu_name", "gpu_ram", "num_gpus", "price", "min_bid", "geolocation", "reliability",
  /// "verification", "disk_space", "direct_port_count"}`, all but the first optional.
  private func offer(_ value: JSONValue) throws(ControlError) -> Offer {
    guard let id = value["id"]?.asInt else { throw ControlError("an offer needs a whole number as \"id\"") }
    var gpu = Catalogue.rtx4090
    if let name = value["gpu_name"]?.asText { gpu.name = name }
    if let memory = value["gpu_ram"]?.asInt { gpu.memory = memory }
    let gpus = value["num_gpus"]?.asInt ?? 1
    guard (1...64).contains(gpus) else { throw ControlError("\"num_gpus\" must be 1 to 64") }
    var machine = Machine(
      id: value["machine_id"]?.asInt ?? id, host: 16000, gpu: gpu, gpus: gpus,
      price: (value["price"]?.asNumber ?? 0.3) / Double(gpus),
      floor: (value["min_bid"]?.asNumber).map { $0 / Double(gpus) },
      location: value["geolocation"]?.asText ?? "Sweden, SE", reliability: value["reliability"]?.asNumber ?? 0.995)
    if let verification = value["verification"]?.asText { machine.verification = verification }
    if let disk = value["disk_space"]?.asNumber { machine.disk = disk }
    if let ports = value["direct_port_count"]?.asInt { machine.directPorts = ports }
    return Offer(id: id, machine: machine, slots: 0..<gpus)
  }

  private mutating func truth() -> JSONValue {
    settle()
    let all = contracts.values.sorted { $0.id < $1.id }
    var row = Row()
    row["now"] = .number(now)
    row["credit"] = .number(wallet.credit)
    row["alive"] = .list(all.filter(\.isAlive).map(\.id))
    row["contracts"] = .array(all.map(\.truth))
    row["price_increases"] = .array(increases.map(\.truth))
    row["webhooks"] = .array(hooks.map { hookRow($0, showsSecret: true) })
    return row.json
  }
}

extension PriceIncrease {
  fileprivate var truth: JSONValue {
    var row = Row()
    row["id"] = .int(id)
    row["contract"] = .int(contract)
    row["state"] = .string(state.rawValue)
    return row.json
  }
}

extension Contract {
  fileprivate var truth: JSONValue {
    var row = Row()
    row["id"] = .int(id)
    row["label"] = .text(label)
    row["offer_id"] = .int(offer.id)
    row["machine_id"] = .int(offer.machine.id)
    row["is_bid"] = .bool(isBid)
    row["created_at"] = .number(createdAt)
    row["destroyed_at"] = .real(destroyedAt)
    row["destroyed_by"] = .text(destroyedBy?.rawValue)
    row["alive"] = .bool(isAlive)
    row["actual_status"] = .text(status.actual?.rawValue)
    row["intended_status"] = .string(status.intended.rawValue)
    row["boots"] = .int(boots)
    row["gpu_seconds"] = .number(account.gpuSeconds)
    row["disk_seconds"] = .number(account.diskSeconds)
    row["cost"] = .number(account.cost)
    row["gpu_price"] = .number(gpuPrice)
    row["expired"] = .bool(hasExpired)
    row["proxy_port"] = .int(proxySSHPort)
    row["states"] = .array(
      history.enumerated().map { index, entry in
        var state = Row()
        state["from"] = .number(entry.since)
        state["to"] = index + 1 < history.count ? .number(history[index + 1].since) : .real(destroyedAt)
        for detail in entry.status.details { state[detail.name] = detail.value }
        return state.json
      })
    return row.json
  }
}
