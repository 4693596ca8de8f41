import JSON

/// A request's way through the service: key, limits, faults, effect.
extension World {
  struct Reply {
    var answer: Answer
    /// Seconds before it leaves.
    var delay = 0.0
  }

  /// - Parameter key: what came as the bearer token or `api_key`; nil without either.
  mutating func serve(_ route: Route, _ call: Call, key: String?) -> Reply {
    caller = .account
    if route.needsKey {
      guard let key else { return Reply(answer: .noKey) }
      if key != apiKey {
        guard let owner = contracts.values.first(where: { $0.isAlive && $0.instanceKey == key }) else {
          return Reply(answer: .badKey)
        }
        caller = .instance
        guard route.admits(call, keyOf: owner.id) else { return Reply(answer: .forbidden) }
      }
    }
    if settings.thresholds, let wait = limits.refuse(route, key: key ?? "", now: now) {
      let answer = RateLimits.answer(
        settings.limitForm, threshold: route.threshold, retryAfter: settings.sendsRetryAfter ? wait : nil)
      return Reply(answer: answer)
    }
    guard let fault = takeFault(for: route) else { return Reply(answer: effect(of: route, call)) }
    record("fault", nil, [("route", .string(route.name)), ("reply", .text(fault.reply?.rawValue))])
    return Reply(answer: answer(route, call, fault), delay: fault.delay)
  }

  private mutating func effect(of route: Route, _ call: Call) -> Answer {
    do {
      return try route.handle(&self, call)
    } catch let refused as Refused {
      return refused.answer
    } catch {
      return .internalError
    }
  }

  /// The first fault that fits and is due.
  private mutating func takeFault(for route: Route) -> Fault? {
    for index in faults.indices where faults[index].route == nil || faults[index].route == route.name {
      if faults[index].skip > 0 {
        faults[index].skip -= 1
        continue
      }
      let fault = faults[index]
      faults[index].count -= 1
      if faults[index].count <= 0 { faults.remove(at: index) }
      return fault
    }
    return nil
  }

  private mutating func answer(_ route: Route, _ call: Call, _ fault: Fault) -> Answer {
    let first = nextContract
    if fault.reply == .taken, let offer = call.numbers.first {
      let form = settings.takenForm
      if let other = fault.takenForm { settings.takenForm = other }
      defer { settings.takenForm = form }
      // Somebody really has it now.
      if let taken = offers.first(where: { $0.id == offer }) { strangers.formUnion(taken.occupied) }
      return self.taken(offer)
    }
    var answer = fault.happens ? effect(of: route, call) : Answer.success
    switch fault.reply {
    case nil: break
    case .badGateway: answer = .badGateway
    case .gatewayTimeout: answer = .gatewayTimeout
    case .internalError: answer = .internalError
    case .html: answer = Answer(200, text: "<html><body>Just a moment...</body></html>", type: "text/html")
    case .half: answer.body = Array(answer.body.prefix(answer.body.count / 2))
    case .cut: answer.isCut = true
    case .empty: answer = Self.emptied(route)
    case .lie: answer = Self.spend(gpu: 5, disk: 0.01, isActive: true)
    case .short: answer = Self.shortened(answer)
    case .limited:
      answer = RateLimits.answer(
        fault.limitForm ?? settings.limitForm, threshold: route.threshold, retryAfter: fault.retryAfter)
    case .quota: answer = RateLimits.quota(now: now)
    case .badKey: answer = .badKey
    case .noCredit: answer = .failure(400, "insufficient_credit", "Your balance is too low")
    case .stopped:
      if let contract = contracts[first] { answer = stop(unstarted: contract) }
    case .success, .taken: answer = .success
    case .status: answer = Answer(fault.status, fault.body ?? Answer.failureBody("internal", "made up by a fault"))
    }
    return answer
  }

  /// The GPU went to somebody else between the search and the start: the contract exists, and waits.
  private mutating func stop(unstarted contract: Contract) -> Answer {
    change(contract.id) {
      $0.status = Status(actual: nil, intended: .stopped, current: .stopped, next: .stopped)
      $0.plan = []
    }
    strangers.formUnion(contract.offer.occupied)
    return Self.createdStopped(contract)
  }

  private static func emptied(_ route: Route) -> Answer {
    var row = Row()
    if route.name == "list" {
      row["success"] = .bool(true)
      row["instances_found"] = .int(0)
      row["total_instances"] = .int(0)
      row["label_counts"] = .object(JSONObject())
      row["next_token"] = .null
      row["instances"] = .array([])
    } else if route.name.hasPrefix("search") {
      row["offers"] = .array([])
    } else if route.name == "spend" {
      return spend(gpu: 0, disk: 0, isActive: false)
    } else if route.name == "charges" {
      row["success"] = .bool(true)
      row["count"] = .int(0)
      row["total"] = .int(0)
      row["next_token"] = .null
      row["results"] = .array([])
    } else if route.name == "price_increases" {
      row["success"] = .bool(true)
      row["count"] = .int(0)
      row["truncated"] = .bool(false)
      row["pending_price_increases"] = .array([])
    } else {
      row["instances"] = .null
    }
    return .ok(row.json)
  }

  /// As if this page were the last; half of its rows are gone too.
  private static func shortened(_ answer: Answer) -> Answer {
    let parsed: JSONValue
    do { parsed = try JSONValue.parse(answer.body) } catch { return answer }
    guard let object = parsed.asObject else { return answer }
    let list = ["instances", "results", "pending_price_increases"].first { object[$0] != nil } ?? ""
    let rows = object[list]?.asArray ?? []
    let kept = Array(rows.prefix(rows.count / 2))
    let members = object.members.map { member in
      switch member.name {
      case list: JSONObject.Member(name: member.name, value: .array(kept))
      case "instances_found", "count": JSONObject.Member(name: member.name, value: .int(kept.count))
      case "next_token": JSONObject.Member(name: member.name, value: .null)
      default: member
      }
    }
    return Answer(answer.status, .object(JSONObject(members)))
  }
}
