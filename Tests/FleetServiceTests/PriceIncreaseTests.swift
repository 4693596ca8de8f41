import Domain
import FleetService
import Locking
import Store
import TestSupport
import Testing

@Suite struct `Answering a price increase` {
  private let world: FleetWorld

  init() throws { world = try FleetWorld() }

  /// An increase that waits, of an instance that runs for a job or for nobody.
  private func announced(
    for job: ID<Job>? = nil, to price: Money? = Money(microdollars: 500_000), number: Int64 = 31
  ) async throws -> AnnouncedIncrease {
    let instance = try await world.instance(for: job, [.orderSent, .created, .booted])
    if let job {
      try await world.move(job, []) { $0.instanceID = instance.id }
    }
    let terms = PriceIncrease(id: PriceIncreaseID(number), instanceID: MarketID(4711))
    world.market.change { $0.priceIncreases.append(terms) }
    var increase = AnnouncedIncrease(
      id: ID(at: world.now), instanceID: instance.id, jobID: job, terms: terms, firstSeenAt: world.now)
    increase.pricePerHour = price.map { .init(from: Money(microdollars: 400_000), to: $0) }
    let row = increase
    try await world.store.write { (tx) throws(StoreError) in try tx.insert(row) }
    return row
  }

  private func approvedJob() async throws -> ID<Job> {
    let id = try await world.job { $0.approval = .required }
    let job = try await world.fleet.approve(id)
    // A tenth above the cheapest offer that nobody holds.
    #expect(job.quote?.ceiling.map { $0 <= Money(microdollars: 550_000) } == true)
    return id
  }

  private func closings() throws -> [FleetEvent] {
    try world.store.read { (r) throws(StoreError) in try r.events(after: 0, limit: 100) }.map(\.event)
      .filter { $0.type == "billing.price_increase_closed" }
  }

  private var calls: Int { world.market.count(.answerPriceIncrease) }

  private func conflict(of body: () async throws -> AnnouncedIncrease) async throws -> String? {
    try await fault(of: body)?.conflictCode
  }

  private func lose(_ error: MarketplaceError = .unknownOutcome(detail: "timeout")) {
    world.market.change { $0.failures[.answerPriceIncrease] = [error] }
  }

  @Test(arguments: AnnouncedIncrease.Answer.allCases)
  func `the same again is harmless, and the other comes too late`(answer: AnnouncedIncrease.Answer) async throws {
    let increase = try await announced()
    let answered = try await world.fleet.answer(increase.id, answer)
    #expect(answered.answer == answer)
    #expect(!answered.isOpen && !answered.isInDoubt)
    #expect(answered.answeredAt == answered.closedAt)
    #expect(world.market.snapshot.priceAnswers == [increase.terms.id: answer == .accepted])
    #expect(try await world.fleet.answer(increase.id, answer) == answered)
    let other: AnnouncedIncrease.Answer = answer == .accepted ? .refused : .accepted
    #expect(try await conflict { try await world.fleet.answer(increase.id, other) } == "already_answered")
    #expect(calls == 1)
    #expect(try closings().map(\.data["answer"]) == [.text(answer.rawValue)])
    #expect(try closings().map(\.subject) == [increase.instanceID.rawValue])
  }

  @Test func `one that nobody announced is not found`() async throws {
    let id = ID<AnnouncedIncrease>(at: world.now)
    #expect(
      try await fault { try await world.fleet.answer(id, .accepted) } == .notFound(what: "price increase"))
    #expect(try await fault { try world.fleet.priceIncrease(id) } == .notFound(what: "price increase"))
    #expect(calls == 0)
  }

  @Test func `what Vast knows no more is over, and stays so`() async throws {
    let increase = try await announced()
    world.market.change { $0.priceIncreases = [] }
    #expect(try await conflict { try await world.fleet.answer(increase.id, .accepted) } == "increase_over")
    let row = try world.fleet.priceIncrease(increase.id)
    #expect(!row.isOpen && row.answer == nil && row.asked.isEmpty)
    #expect(try await conflict { try await world.fleet.answer(increase.id, .refused) } == "increase_over")
    #expect(calls == 1)
    #expect(try closings().map(\.data["answer"]) == [nil])
  }

  @Test func `an instance that is gone has nothing to answer`() async throws {
    let increase = try await announced()
    try await world.store.write { (tx) throws(StoreError) in
      guard var instance = try tx.instance(increase.instanceID) else { return }
      instance.restore(state: .destroyed)
      _ = try tx.update(&instance)
    }
    #expect(try await conflict { try await world.fleet.answer(increase.id, .accepted) } == "increase_over")
    #expect(calls == 0)
  }

  @Test func `a lost call stays on record, and a second one that is taken settles it`() async throws {
    let increase = try await announced()
    lose()
    #expect(
      try await fault { try await world.fleet.answer(increase.id, .accepted) }
        == .market(.unknownOutcome(detail: "timeout")))
    let row = try world.fleet.priceIncrease(increase.id)
    #expect(row.isOpen && row.isInDoubt && row.asked[.accepted] != nil)
    let settled = try await world.fleet.answer(increase.id, .accepted)
    #expect(settled.answer == .accepted && !settled.isInDoubt)
    #expect(calls == 2)
  }

  @Test(arguments: AnnouncedIncrease.Answer.allCases)
  func `after a lost call that was heard nobody can say what ended it, and nobody does`(
    second: AnnouncedIncrease.Answer
  ) async throws {
    let increase = try await announced()
    lose()
    _ = try await fault { try await world.fleet.answer(increase.id, .accepted) }
    world.market.change { $0.priceIncreases = [] }
    for _ in 0..<2 {
      #expect(try await conflict { try await world.fleet.answer(increase.id, second) } == "answer_in_doubt")
    }
    let row = try world.fleet.priceIncrease(increase.id)
    #expect(!row.isOpen && row.isInDoubt && row.answer == nil)
    #expect(Set(row.asked.keys) == [.accepted], "the second call surely did nothing")
    #expect(calls == 2)
    #expect(try closings().map(\.data["in_doubt"]) == [.flag(true)])
  }

  @Test func `a call is on record before it leaves, and no other goes beside it`() async throws {
    let increase = try await announced()
    let world = world
    let seen = Locked<(row: AnnouncedIncrease?, code: String?)>((nil, nil))
    world.market.change {
      $0.beforePriceAnswer = {
        let row = try? world.fleet.priceIncrease(increase.id)
        let other = try? await fault { try await world.fleet.answer(increase.id, .refused) }
        seen.withLock { $0 = (row, other?.conflictCode) }
      }
    }
    #expect(try await world.fleet.answer(increase.id, .accepted).answer == .accepted)
    #expect(seen.withLock { $0.row?.asked[.accepted] != nil && $0.row?.isInDoubt == true })
    #expect(seen.withLock { $0.code } == "answer_in_flight")
    #expect(calls == 1)
  }

  @Test func `an answer that is taken counts, also when the increase was given up while the call was out`()
    async throws
  {
    let increase = try await announced()
    let world = world
    world.market.change {
      $0.beforePriceAnswer = {
        let isWritten = try? await world.store.write { (tx) throws(StoreError) in
          guard var row = try tx.priceIncrease(increase.id) else { return false }
          row.close(at: increase.firstSeenAt)
          try tx.update(row)
          return true
        }
        #expect(isWritten == true)
      }
    }
    let answered = try await world.fleet.answer(increase.id, .refused)
    #expect(answered.answer == .refused && answered.closedAt == increase.firstSeenAt)
    #expect(try world.fleet.priceIncrease(increase.id) == answered)
    #expect(try closings().map(\.data["answer"]) == ["refused"])
  }

  @Test func `a second thought that is taken means that the lost call was not`() async throws {
    let increase = try await announced()
    lose()
    _ = try await fault { try await world.fleet.answer(increase.id, .accepted) }
    #expect(try await world.fleet.answer(increase.id, .refused).answer == .refused)
  }

  @Test(arguments: [
    MarketplaceError.unavailable(detail: "down"), .circuitOpen(retryAfter: .seconds(5)), .rateLimited(retryAfter: nil),
    .unauthorized(detail: "key"), .refused(code: "x", detail: "y"), .cancelled,
  ])
  func `a call that surely did nothing leaves nothing behind`(error: MarketplaceError) async throws {
    let increase = try await announced()
    lose(error)
    #expect(try await fault { try await world.fleet.answer(increase.id, .refused) } == .market(error))
    #expect(try world.fleet.priceIncrease(increase.id) == increase)
    #expect(try closings().isEmpty)
  }

  @Test func `a job's approval bounds what is accepted, unless the caller says otherwise`() async throws {
    let increase = try await announced(for: try await approvedJob(), to: Money(microdollars: 440_001))
    #expect(try await conflict { try await world.fleet.answer(increase.id, .accepted) } == "above_approved_price")
    #expect(try world.fleet.priceIncrease(increase.id) == increase)
    #expect(calls == 0)
    let answered = try await world.fleet.answer(increase.id, .accepted, aboveApproval: true)
    #expect(answered.answer == .accepted)
  }

  @Test func `a price that cannot be told is above what was approved, one up to it is not`() async throws {
    let job = try await approvedJob()
    let unknown = try await announced(for: job, to: nil)
    #expect(try await conflict { try await world.fleet.answer(unknown.id, .accepted) } == "above_approved_price")
    #expect(try await world.fleet.answer(unknown.id, .refused).answer == .refused, "to refuse is always fine")
  }

  @Test func `up to what was approved, for a job without approval or one that is over, is no question`() async throws {
    let job = try await approvedJob()
    let within = try await announced(for: job, to: Money(microdollars: 440_000))
    #expect(try await world.fleet.answer(within.id, .accepted).answer == .accepted)
    let free = try await announced(for: try await world.job(), to: Money(microdollars: 9_000_000), number: 32)
    #expect(try await world.fleet.answer(free.id, .accepted).answer == .accepted)
    let ended = try await approvedJob()
    let kept = try await announced(for: ended, to: Money(microdollars: 9_000_000), number: 33)
    try await world.bring(ended, to: .failed)
    #expect(try await world.fleet.answer(kept.id, .accepted).answer == .accepted)
  }
}
