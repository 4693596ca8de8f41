import JSON

/// What a host asks for a contract beyond its present term.
struct PriceIncrease: Sendable {
  let id: Int
  let contract: Int
  let announcedAt: Double
  /// $ per hour and GPU; nil stays as it is.
  var gpuPrice: Double?
  /// $ per GB and month of 720 hours.
  var storageCost: Double?
  /// Until when the contract would go on.
  var newEnd: Double
  /// Whether acceptance changes the price at once and not at the end of the term, as the real service does.
  var isImmediate = false
  var state = State.pending

  enum State: String, Sendable {
    case pending, accepted, rejected
    /// Accepted, and the price that holds.
    case effective
    /// The term ended before an answer, or another was announced.
    case over
  }
}

/// Hosts that raise their price. As `price_increase.py` of the official client tells it: the present price holds until the
/// contract's end date. Accepted, the contract goes on from there at the new one; else it ends there.
extension World {
  /// Waits for an answer from now on; an earlier one for the same contract is over.
  mutating func announce(_ increase: PriceIncrease, termEnds: Double) {
    let id = increase.contract
    settleIncreases(of: id)
    change(id) { $0.endsAt = termEnds }
    endTerm(of: id, at: termEnds)
    increases.append(increase)
    record("price_increase", id, [("increase", .int(increase.id)), ("gpu_price", .real(increase.gpuPrice))])
  }

  /// `GET /instances/pending-price-increases/`.
  func pendingIncreases(_ call: Call) throws(Refused) -> Answer {
    let waiting = increases.filter { $0.state == .pending && alive($0.contract) != nil }
    var row = Row()
    row["success"] = .bool(true)
    row["count"] = .int(waiting.count)
    row["truncated"] = .bool(false)
    row["pending_price_increases"] = .array(waiting.compactMap(increaseRow))
    return .ok(row.json)
  }

  private func increaseRow(_ increase: PriceIncrease) -> JSONValue? {
    guard let contract = alive(increase.contract) else { return nil }
    let machine = contract.offer.machine
    var row = Row()
    row["pending_price_increase_id"] = .int(increase.id)
    row["contract_id"] = .int(contract.id)
    row["host_id"] = .int(machine.host)
    row["new_gpu_costpersec"] = .real(increase.gpuPrice.map { $0 / 3600 })
    row["old_gpu_costpersec"] = .number(machine.price / 3600)
    row["new_disk_ram_costpersec"] = .real(increase.storageCost.map { $0 / 720 / 3600 })
    row["old_disk_ram_costpersec"] = .number(machine.storageCost / 720 / 3600)
    row["new_bwu_cost"] = .null
    row["old_bwu_cost"] = .number(machine.upCost)
    row["new_bwd_cost"] = .null
    row["old_bwd_cost"] = .number(machine.downCost)
    row["new_platform_fee"] = .null
    row["old_platform_fee"] = .null
    row["contract_end_date"] = .number(contract.endDate)
    row["ask_end_date"] = .number(increase.newEnd)
    row["created_at"] = .number(increase.announcedAt)
    return row.json
  }

  /// `PUT /instances/accept-price-increase/`.
  mutating func acceptIncrease(_ call: Call) throws(Refused) -> Answer { try answerIncrease(call, .accepted) }

  /// `PUT /instances/reject-price-increase/`.
  mutating func rejectIncrease(_ call: Call) throws(Refused) -> Answer { try answerIncrease(call, .rejected) }

  private mutating func answerIncrease(_ call: Call, _ state: PriceIncrease.State) throws(Refused) -> Answer {
    guard call.body.members.count == 1, let id = call.body["pending_price_increase_id"]?.asInt else {
      throw Refused(.failure(400, "bad_request", "The body must be exactly {\"pending_price_increase_id\": n}."))
    }
    let index = increases.firstIndex { $0.id == id && $0.state == .pending && alive($0.contract) != nil }
    guard let index else {
      throw Refused(.failure(404, "no_pending_price_increase", "There is no such pending price increase."))
    }
    increases[index].state = state
    let increase = increases[index]
    record("price_\(state.rawValue)", increase.contract, [("increase", .int(id))])
    if state == .accepted, increase.isImmediate { raise(increase) }
    var row = Row()
    row["success"] = .bool(true)
    row["pending_price_increase_id"] = .int(id)
    row["contract_id"] = .int(increase.contract)
    return .ok(row.json)
  }

  /// A contract's term is over: what was accepted begins, else the contract has expired. Its container is stopped and does not
  /// start again; its disk is there and billed until somebody destroys it.
  mutating func finishTerm(of id: Int) {
    guard alive(id) != nil else { return }
    if let accepted = increases.last(where: { $0.contract == id && $0.state == .accepted }) {
      raise(accepted)
    } else {
      settleIncreases(of: id)
      change(id) { $0.hasExpired = true }
      record("expired", id)
      halt(id)
      serveQueue()
    }
  }

  private mutating func raise(_ increase: PriceIncrease) {
    settleIncreases(of: increase.contract)
    for index in increases.indices where increases[index].id == increase.id { increases[index].state = .effective }
    change(increase.contract) {
      if let price = increase.gpuPrice { $0.offer.machine.price = price }
      if let cost = increase.storageCost { $0.offer.machine.storageCost = cost }
      $0.endsAt = increase.newEnd
    }
    endTerm(of: increase.contract, at: increase.newEnd)
    record("price", increase.contract, [("price", .number(contracts[increase.contract]?.gpuPrice ?? 0))])
  }

  private mutating func settleIncreases(of id: Int) {
    for index in increases.indices
    where increases[index].contract == id && [.pending, .accepted].contains(increases[index].state) {
      increases[index].state = .over
    }
  }

  private mutating func endTerm(of id: Int, at moment: Double) {
    endings.removeAll { $0.what == .term(contract: id) }
    endings.append(Ending(at: moment, what: .term(contract: id)))
  }
}
