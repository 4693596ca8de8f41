import Domain
import Locking
import MarketplaceLayers
import TestSupport
import Testing

/// The pure machine.
@Suite struct CircuitTests {
  private static let reads: [MarketplaceOperation] = [.searchOffers, .gpuNames, .account, .priceIncreases]
  /// What finds and ends what costs money.
  private static let always: [MarketplaceOperation] = [.destroy, .listInstances, .readInstance, .spend]
  private static let changes: [MarketplaceOperation] = [
    .create, .start, .stop, .answerPriceIncrease, .registerKey, .registerWebhook, .attachKey,
  ]
  /// A read that is many calls.
  private static let long: [MarketplaceOperation] = [.charges]

  private func ticket(
    _ circuit: Machine, _ operation: MarketplaceOperation = .searchOffers, at now: Duration
  ) throws -> Circuit.Ticket {
    guard case .passes(let ticket) = circuit.admit(operation, at: now) else { throw Refused() }
    return ticket
  }

  /// A circuit that opened at 4 s.
  private func opened() throws -> Machine {
    let circuit = Machine()
    for second in 0..<5 {
      let ticket = try ticket(circuit, at: .seconds(second))
      #expect(circuit.note(.failed, of: ticket, at: .seconds(second)) == (second == 4))
    }
    #expect(circuit.state(at: .seconds(4)) == .open)
    return circuit
  }

  @Test func `five failures in a row open it, four do not`() throws {
    let circuit = Machine()
    for second in 0..<4 {
      let ticket = try ticket(circuit, at: .seconds(second))
      _ = circuit.note(.failed, of: ticket, at: .seconds(second))
    }
    #expect(circuit.state(at: .seconds(4)) == .closed)
    _ = try opened()
  }

  @Test func `an answer in between begins the count anew`() throws {
    let circuit = Machine()
    for second in 0..<100 {
      let ticket = try ticket(circuit, at: .seconds(second))
      _ = circuit.note(second % 5 == 4 ? .reached : .failed, of: ticket, at: .seconds(second))
    }
    #expect(circuit.state(at: .seconds(100)) == .closed)
  }

  @Test func `what says nothing neither counts nor ends a count`() throws {
    let circuit = Machine()
    for second in 0..<4 {
      let ticket = try ticket(circuit, at: .seconds(second))
      _ = circuit.note(.failed, of: ticket, at: .seconds(second))
      for _ in 0..<9 { #expect(circuit.note(.nothing, of: ticket, at: .seconds(second)) == false) }
    }
    #expect(circuit.state(at: .seconds(4)) == .closed)
    let last = try ticket(circuit, at: .seconds(4))
    #expect(circuit.note(.failed, of: last, at: .seconds(4)))
  }

  @Test func `a hundred calls that break in one moment are one failure and not many`() throws {
    let circuit = Machine()
    let tickets = try (0..<100).map { _ in try ticket(circuit, at: .zero) }
    for ticket in tickets { _ = circuit.note(.failed, of: ticket, at: .milliseconds(1999)) }
    #expect(circuit.state(at: .milliseconds(1999)) == .closed)
    let next = try ticket(circuit, at: .seconds(2))
    _ = circuit.note(.failed, of: next, at: .seconds(4))
    #expect(circuit.state(at: .seconds(4)) == .open)
  }

  @Test(arguments: MarketplaceOperation.allCases)
  func `while open everything is refused and told until when, but for what ends costs`(operation: MarketplaceOperation)
    throws
  {
    let circuit = try opened()
    let admission = circuit.admit(operation, at: .seconds(11))
    guard !Self.always.contains(operation) else {
      guard case .passes = admission else { throw Refused() }
      return
    }
    #expect(admission == .refused(retryAfter: .seconds(3)))
  }

  @Test(arguments: reads) func `after the pause one read passes as the probe, and its answer closes it`(
    operation: MarketplaceOperation
  ) throws {
    let circuit = try opened()
    #expect(circuit.state(at: .milliseconds(13_999)) == .open)
    #expect(circuit.state(at: .seconds(14)) == .halfOpen)
    let probe = try ticket(circuit, operation, at: .seconds(14))
    for other in Self.reads + Self.changes + Self.long {
      #expect(circuit.admit(other, at: .seconds(14)) == .refused(retryAfter: .seconds(1)))
    }
    #expect(circuit.state(at: .seconds(15)) == .halfOpen)
    #expect(circuit.note(.reached, of: probe, at: .seconds(15)))
    #expect(circuit.state(at: .seconds(15)) == .closed)
    for other in MarketplaceOperation.allCases { _ = try ticket(circuit, other, at: .seconds(15)) }
  }

  @Test(arguments: changes + long) func `what changes something, or is many calls, is never the probe`(
    operation: MarketplaceOperation
  ) throws {
    let circuit = try opened()
    #expect(circuit.admit(operation, at: .seconds(100)) == .refused(retryAfter: .seconds(1)))
    #expect(circuit.state(at: .seconds(100)) == .halfOpen)
  }

  @Test func `probes that fail double the pause up to a minute, and closing begins anew`() throws {
    let circuit = try opened()
    var now = Duration.seconds(4)
    for pause in [10, 20, 40, 60, 60, 60] {
      #expect(circuit.admit(.searchOffers, at: now) == .refused(retryAfter: .seconds(pause)))
      now += .seconds(pause)
      let probe = try ticket(circuit, at: now)
      #expect(circuit.note(.failed, of: probe, at: now) == false, "it was open before")
    }
    now += .seconds(60)
    let probe = try ticket(circuit, at: now)
    _ = circuit.note(.reached, of: probe, at: now)
    for second in 0..<5 {
      let ticket = try ticket(circuit, at: now + .seconds(second))
      _ = circuit.note(.failed, of: ticket, at: now + .seconds(second))
    }
    #expect(circuit.admit(.account, at: now + .seconds(4)) == .refused(retryAfter: .seconds(10)))
  }

  @Test func `a probe that is given up makes room for the next`() throws {
    let circuit = try opened()
    let probe = try ticket(circuit, at: .seconds(14))
    #expect(circuit.note(.nothing, of: probe, at: .seconds(15)) == false)
    #expect(circuit.state(at: .seconds(15)) == .halfOpen)
    _ = try ticket(circuit, at: .seconds(15))
  }

  @Test func `the answer to a destroy closes it, its failure changes nothing`() throws {
    let circuit = try opened()
    let failing = try ticket(circuit, .destroy, at: .seconds(5))
    #expect(circuit.note(.failed, of: failing, at: .seconds(6)) == false)
    #expect(circuit.admit(.account, at: .seconds(6)) == .refused(retryAfter: .seconds(8)))
    let probe = try ticket(circuit, at: .seconds(14))
    let beside = try ticket(circuit, .destroy, at: .seconds(14))
    #expect(circuit.note(.failed, of: beside, at: .seconds(15)) == false)
    #expect(circuit.state(at: .seconds(15)) == .halfOpen, "the probe is still under way")
    let working = try ticket(circuit, .destroy, at: .seconds(15))
    #expect(circuit.note(.reached, of: working, at: .seconds(15)))
    #expect(circuit.state(at: .seconds(15)) == .closed)
    #expect(circuit.note(.failed, of: probe, at: .seconds(16)) == false, "older than the answer")
    #expect(circuit.state(at: .seconds(16)) == .closed)
  }

  @Test func `calls that left before it opened and fail after it closed do not count`() throws {
    let circuit = Machine()
    let slow = try (0..<20).map { _ in try ticket(circuit, at: .zero) }
    for second in 0..<5 {
      let ticket = try ticket(circuit, at: .seconds(second))
      _ = circuit.note(.failed, of: ticket, at: .seconds(second))
    }
    let probe = try ticket(circuit, at: .seconds(14))
    _ = circuit.note(.reached, of: probe, at: .seconds(14))
    for (second, ticket) in slow.enumerated() { _ = circuit.note(.failed, of: ticket, at: .seconds(20 + second)) }
    #expect(circuit.state(at: .seconds(60)) == .closed)
  }

  private struct Refused: Error {}

  /// A circuit that an expectation may change.
  private final class Machine {
    private var circuit = Circuit()

    func state(at now: Duration) -> CircuitState { circuit.state(at: now) }

    func admit(_ operation: MarketplaceOperation, at now: Duration) -> Circuit.Admission {
      circuit.admit(operation, at: now)
    }

    func note(_ evidence: Circuit.Evidence, of ticket: Circuit.Ticket, at now: Duration) -> Bool {
      circuit.note(evidence, of: ticket, at: now)
    }
  }
}

/// The layer around a marketplace.
@Suite(.timeLimit(.minutes(1)))
struct CircuitBreakingTests {
  let clock = ManualClock()
  let changes = Locked(0)
  let breaker: CircuitBreaker

  init() {
    let changes = changes
    breaker = CircuitBreaker(clock: clock) { changes.withLock { $0 += 1 } }
  }

  private func breaking(_ inner: ScriptedMarketplace) -> CircuitBreaking { CircuitBreaking(inner, breaker: breaker) }

  /// Lists five times, a second apart.
  private func fail(_ layer: some Marketplace) async {
    for _ in 0..<5 {
      _ = await layer.attempt(.listInstances)
      clock.advance(by: .seconds(1))
    }
  }

  @Test(arguments: MarketplaceError.all) func `it opens for what is no answer, and for nothing else`(
    error: MarketplaceError
  ) async {
    let inner = ScriptedMarketplace(failing: error)
    await fail(breaking(inner))
    switch error {
    case .unavailable, .unknownOutcome, .malformedAnswer:
      #expect(breaker.state == .open)
      #expect(changes.withLock { $0 } == 1)
      #expect(await breaking(inner).attempt(.create) == .circuitOpen(retryAfter: .seconds(9)))
      #expect(inner.count(.create) == 0, "nothing was sent")
    case .unauthorized, .insufficientCredit, .offerTaken, .createdUnusable, .startQueued, .notFound, .rateLimited,
      .quotaExceeded, .refused, .circuitOpen, .cancelled:
      #expect(breaker.state == .closed)
      #expect(changes.withLock { $0 } == 0)
      #expect(await breaking(inner).attempt(.listInstances) == error)
    }
  }

  @Test func `a destroy goes out whatever the circuit says`() async {
    let inner = ScriptedMarketplace { operation, _ throws(MarketplaceError) in
      if operation != .destroy { throw .unavailable(detail: "x") }
    }
    await fail(breaking(inner))
    #expect(breaker.state == .open)
    #expect(await breaking(inner).attempt(.destroy) == nil)
    #expect(inner.count(.destroy) == 1)
    #expect(breaker.state == .closed, "it answers")
    #expect(changes.withLock { $0 } == 2)
  }

  @Test func `one circuit serves every stack that shares it`() async {
    await fail(breaking(ScriptedMarketplace(failing: .unavailable(detail: "x"))))
    let other = ScriptedMarketplace()
    #expect(await breaking(other).attempt(.account) == .circuitOpen(retryAfter: .seconds(9)))
    #expect(other.count(.account) == 0)
  }

  @Test func `of all who come when the pause is over one asks`() async {
    let gate = Signal()
    let inner = ScriptedMarketplace { operation, call throws(MarketplaceError) in
      if operation == .listInstances { throw .unavailable(detail: "x") }
      await gate.wait(after: 0)
    }
    let layer = breaking(inner)
    await fail(layer)
    clock.advance(by: .seconds(10))
    let probe = Task.immediate { await layer.attempt(.searchOffers) }
    for _ in 0..<20 { #expect(await layer.attempt(.searchOffers) == .circuitOpen(retryAfter: .seconds(1))) }
    gate.raise()
    #expect(await probe.value == nil)
    #expect(inner.count(.searchOffers) == 1)
    #expect(breaker.state == .closed)
  }

  @Test func `repetitions end when it opens, and nobody waits for it`() async {
    let inner = ScriptedMarketplace(failing: .unavailable(detail: "x"))
    let layer = Retrying(breaking(inner), retries: 9, clock: clock) { $0.upperBound }
    let isDone = Locked(false)
    let task = Task {
      let error = await layer.attempt(.account)
      isDone.withLock { $0 = true }
      return error
    }
    await eventually {
      clock.advance(by: clock.untilNextDeadline ?? .zero)
      return isDone.withLock { $0 }
    }
    guard case .circuitOpen = await task.value else {
      Issue.record("not refused")
      return
    }
    #expect(inner.count(.account) == 5)
  }
}
