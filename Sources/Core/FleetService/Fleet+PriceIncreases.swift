import Locking
package import Domain
import Store

extension Fleet {
  package func priceIncreases(
    _ filter: PriceIncreaseFilter, _ page: PageRequest
  ) throws(FleetError) -> Page<AnnouncedIncrease> {
    try read { (r) throws(StoreError) in try r.priceIncreases(filter, page) }
  }

  package func priceIncrease(_ id: ID<AnnouncedIncrease>) throws(FleetError) -> AnnouncedIncrease {
    guard let increase = try read({ (r) throws(StoreError) in try r.priceIncrease(id) }) else { throw Self.noIncrease }
    return increase
  }

  /// Accepts or refuses an increase at the marketplace. The same answer again is harmless and asks nobody.
  ///
  /// The call is written down before it leaves. When nobody knows whether it was heard, a second one settles that: it is taken,
  /// or the increase no longer waits and what ended it may have been the first, which is all that can be said.
  ///
  /// - Parameter aboveApproval: accept also above the price by the hour that was approved for the job of the instance.
  package func answer(
    _ id: ID<AnnouncedIncrease>, _ answer: AnnouncedIncrease.Answer, aboveApproval: Bool = false
  ) async throws(FleetError) -> AnnouncedIncrease {
    guard answersInFlight.withLock({ $0.insert(id).inserted }) else {
      throw .notYet(code: "answer_in_flight", detail: "Another answer to this price increase is under way.")
    }
    defer { answersInFlight.withLock { _ = $0.remove(id) } }
    let before = try await intend(id, answer, aboveApproval: aboveApproval)
    if before.answer == answer { return before }
    do throws(MarketplaceError) {
      try await current.answerPriceIncrease(before.terms.id, accept: answer == .accepted)
    } catch {
      throw try await settle(failure: error, of: answer, before)
    }
    return try await change(id) { $0.take(answer, at: $1) }
  }

  /// Writes down that the call leaves now, unless it must not. The row as it was before.
  private func intend(
    _ id: ID<AnnouncedIncrease>, _ answer: AnnouncedIncrease.Answer, aboveApproval: Bool
  ) async throws(FleetError) -> AnnouncedIncrease {
    let now = now()
    let result = try await write { (tx) throws(StoreError) -> Result<AnnouncedIncrease, FleetError> in
      guard let before = try tx.priceIncrease(id) else { return .failure(Self.noIncrease) }
      if let given = before.answer {
        return given == answer ? .success(before) : .failure(Self.alreadyAnswered(given))
      }
      guard before.isOpen, try tx.instance(before.instanceID)?.state.isFinal == false else {
        return .failure(Self.over(before))
      }
      if answer == .accepted, !aboveApproval, let excess = try tx.excess(of: before) { return .failure(excess) }
      var increase = before
      increase.ask(answer, at: now)
      try tx.update(increase)
      return .success(before)
    }
    return try result.get()
  }

  /// What a failed call means for its caller, once the row says what it means for the increase.
  private func settle(
    failure: MarketplaceError, of answer: AnnouncedIncrease.Answer, _ before: AnnouncedIncrease
  ) async throws(FleetError) -> FleetError {
    switch failure {
    case .unknownOutcome:
      return .market(failure)
    case .notFound:
      return Self.over(
        try await change(before.id) { increase, now in
          increase.takeBack(answer, to: before.asked[answer])
          increase.close(at: now)
        })
    default:
      _ = try await change(before.id) { increase, _ in increase.takeBack(answer, to: before.asked[answer]) }
      return .market(failure)
    }
  }

  /// Changes the row, with the event when that ends its waiting.
  private func change(
    _ id: ID<AnnouncedIncrease>, _ body: @escaping @Sendable (inout AnnouncedIncrease, Timestamp) -> Void
  ) async throws(FleetError) -> AnnouncedIncrease {
    let now = now()
    let changed = try await write { (tx) throws(StoreError) -> AnnouncedIncrease? in
      guard let before = try tx.priceIncrease(id) else { return nil }
      var increase = before
      body(&increase, now)
      try tx.update(increase)
      // The watcher may have closed it while the call was out; what was answered is told all the same.
      if increase.closedAt != before.closedAt || increase.answer != before.answer {
        try tx.append(increase.closedEvent(at: now))
      }
      return increase
    }
    guard let changed else { throw Self.noIncrease }
    return changed
  }

  private static let noIncrease = FleetError.notFound(what: "price increase")

  private static func alreadyAnswered(_ answer: AnnouncedIncrease.Answer) -> FleetError {
    .conflict(
      code: "already_answered", detail: "The price increase was \(answer.rawValue), and Vast takes one answer only.")
  }

  private static func over(_ increase: AnnouncedIncrease) -> FleetError {
    if increase.isInDoubt {
      return .conflict(
        code: "answer_in_doubt",
        detail: """
          The price increase no longer waits at Vast. What ended it may have been an earlier call of ours that got no clear \
          answer, or its host; once its term ends, the instance's price or its end tells.
          """)
    }
    return .conflict(
      code: "increase_over",
      detail:
        "The price increase no longer waits for an answer: it was withdrawn, its term is over, or its instance is gone."
    )
  }
}

extension StoreReader {
  /// Why accepting would go beyond what was approved for the job that the instance serves; nil when it would not.
  fileprivate func excess(of increase: AnnouncedIncrease) throws(StoreError) -> FleetError? {
    guard let jobID = increase.jobID, let job = try job(jobID), !job.state.isFinal,
      job.instanceID == increase.instanceID, let ceiling = job.quote?.ceiling
    else { return nil }
    let price = increase.pricePerHour?.new
    if let price, price <= ceiling { return nil }
    let new = price.map { "$\($0.decimal) an hour" } ?? "of an unknown amount by the hour"
    return .conflict(
      code: "above_approved_price",
      detail: """
        The new price, \(new), is above the $\(ceiling.decimal) that the approval of \(jobID) covers. Send \
        {"above_approval": true} to accept it all the same.
        """)
  }
}
