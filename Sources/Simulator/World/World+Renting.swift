import JSON

/// Creating contracts.
extension World {
  /// `PUT /asks/{id}/`.
  mutating func create(_ call: Call) throws(Refused) -> Answer {
    try rent(offerID: call.numbers[0], call.body)
  }

  /// `POST /asks/bulk/`: one attempt per offer; a failure only when all fail.
  mutating func createBulk(_ call: Call) throws(Refused) -> Answer {
    let ids = (call.body["ids"]?.asArray ?? []).compactMap(\.asInt)
    guard !ids.isEmpty, ids.count <= 64 else {
      throw Refused(.failure(400, "invalid_args", "ids must hold 1 to 64 offers"))
    }
    var results: [JSONValue] = []
    var created: [Int] = []
    var failed: [Int] = []
    for id in ids {
      var row = Row()
      row["ask_id"] = .int(id)
      do throws(Refused) {
        let answer = try rent(offerID: id, call.body)
        let body = try Self.parsed(answer)
        row["success"] = body["success"] ?? .bool(false)
        if let contract = body["new_contract"]?.asInt {
          created.append(contract)
          row["new_contract"] = .int(contract)
          row["state"] = .string(contracts[contract]?.status.current.rawValue ?? "stopped")
        }
      } catch {
        failed.append(id)
        let body = try Self.parsed(error.answer)
        row["success"] = .bool(false)
        row["error"] = body["error"] ?? .null
        row["msg"] = body["msg"] ?? .null
      }
      results.append(row.json)
    }
    var answer = Row()
    answer["success"] = .bool(!created.isEmpty)
    answer["created"] = .list(created)
    answer["failed"] = .list(failed)
    answer["elapsed"] = .number(0.1)
    answer["results"] = .array(results)
    return Answer(created.isEmpty ? 400 : 200, answer.json)
  }

  private static func parsed(_ answer: Answer) throws(Refused) -> JSONValue {
    do { return try JSONValue.parse(answer.body) } catch { throw Refused(.internalError) }
  }

  private mutating func rent(offerID: Int, _ body: JSONObject) throws(Refused) -> Answer {
    guard let offer = offers.first(where: { $0.id == offerID }), isRentable(offer, occupied: occupiedSlots()) else {
      throw Refused(taken(offerID))
    }
    guard wallet.credit > 0 else { throw Refused(.failure(400, "insufficient_credit", "Your balance is too low")) }
    let wanted = try RentalRequest(body, offer: offer)
    let outbids = wanted.bid.map { $0 >= offer.floor ?? 0 } ?? true
    if !outbids, wanted.cancelsIfUnavailable {
      throw Refused(Self.gone(offerID))
    }
    let starts = outbids && !wanted.startsStopped
    let contract = sign(offer, wanted, starts: starts)
    return starts ? Self.created(contract) : Self.createdStopped(contract)
  }

  /// Writes the contract into the books and sets it on its way.
  private mutating func sign(_ offer: Offer, _ wanted: RentalRequest, starts: Bool) -> Contract {
    let proxyPort = freePort()
    var contract = Contract(
      id: nextContract, offer: offer, createdAt: now, visibleAt: now + settings.visibility, label: wanted.label,
      image: wanted.image, runtype: wanted.runtype, onstart: wanted.onstart, environment: wanted.environment,
      arguments: wanted.arguments, disk: wanted.disk, bid: wanted.bid, instanceKey: secret(), jupyterToken: secret(),
      proxyPort: proxyPort, keys: keys, history: [(now, Status.new)])
    nextContract += 1
    contract.fate = takeFate(for: offer, wanted)
    if !starts {
      contract.status = Status(actual: nil, intended: .stopped, current: .stopped, next: .stopped)
      contract.history = [(now, contract.status)]
    }
    insert(contract)
    record(
      "created", contract.id,
      [
        ("label", .text(contract.label)), ("offer", .int(offer.id)), ("machine", .int(offer.machine.id)),
        ("running", .bool(starts)),
      ])
    if starts {
      change(contract.id) { [now, settings] in $0.plan = StatusClock.start($0, at: now, settings: settings) }
    }
    return contract
  }

  private mutating func takeFate(for offer: Offer, _ wanted: RentalRequest) -> Fate {
    if wanted.image.contains("no-such") { return .pullFails }
    let index = fates.firstIndex { planned in
      if case .isOutbid = planned.fate, wanted.bid == nil { return false }
      return planned.machine == nil || planned.machine == offer.machine.id
    }
    guard let index else { return .fine }
    let fate = fates[index].fate
    fates[index].count -= 1
    if fates[index].count <= 0 { fates.remove(at: index) }
    return fate
  }

  // MARK: Answers

  private static func created(_ contract: Contract) -> Answer {
    var row = Row()
    row["success"] = .bool(true)
    row["new_contract"] = .int(contract.id)
    row["instance_api_key"] = .string(contract.instanceKey)
    return .ok(row.json)
  }

  /// The trap: not a success, yet a contract exists and its disk is billed.
  static func createdStopped(_ contract: Contract) -> Answer {
    var row = Row()
    row["success"] = .bool(false)
    row["error"] = .string("resources_unavailable")
    row["msg"] = .string("Required resources are currently unavailable, state change queued.")
    row["new_contract"] = .int(contract.id)
    row["instance_api_key"] = .string(contract.instanceKey)
    return .ok(row.json)
  }

  func taken(_ offer: Int) -> Answer {
    switch settings.takenForm {
    case .badRequest:
      // Two spaces, as recorded.
      Self.withAsk(
        400, "invalid_args", "error 404/3603: no_such_ask  Instance type by id \(offer) is not available.", offer)
    case .notFound:
      Self.withAsk(
        404, "invalid_args", "error 404/3603: no_such_ask Instance type by id \(offer) is not available.", offer)
    case .gone: Self.gone(offer)
    }
  }

  private static func gone(_ offer: Int) -> Answer {
    withAsk(410, "no_such_ask", "error 410/3907: no_such_ask Instance type \(offer) is no longer available.", offer)
  }

  private static func withAsk(_ status: Int, _ error: String, _ message: String, _ offer: Int) -> Answer {
    var row = Row()
    row["success"] = .bool(false)
    row["error"] = .string(error)
    row["msg"] = .string(message)
    row["ask_id"] = .int(offer)
    return Answer(status, row.json)
  }
}
