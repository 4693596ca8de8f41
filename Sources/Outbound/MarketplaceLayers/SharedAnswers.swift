import Domain
import Locking

/// How a look-up went: kept, asked for, waited for with others, or kept and too old.
enum CachePath { case hit, miss, joined, stale }

/// Answers kept for a while, and one call for all who ask the same at the same time.
///
/// Errors are handed to those who waited and not kept. Who is cancelled leaves alone; when the last one leaves, the call is
/// cancelled too. Kept at most `capacity`, the least recently used go first. An answer that is no longer fresh is kept on for
/// those who ask for it by `stale`.
final class SharedAnswers<Key: Hashable & Sendable, Answer: Sendable>: Sendable {
  typealias Outcome = Result<Answer, MarketplaceError>

  /// What a caller meets.
  private enum Step { case answered(Answer), joined, starts(UInt64) }

  private struct Entry {
    var answer: Answer
    let fetchedAt: Duration
    let freshUntil: Duration
    var lastUse: UInt64
  }

  private struct Flight {
    let number: UInt64
    var task: Task<Void, Never>?
    var waiters: [UInt64: CheckedContinuation<Outcome, Never>] = [:]
  }

  private struct State {
    var entries: [Key: Entry] = [:]
    var flights: [Key: Flight] = [:]
    /// Numbers flights, waiters and uses.
    var ticks: UInt64 = 0

    mutating func tick() -> UInt64 {
      ticks += 1
      return ticks
    }

    mutating func freshAnswer(_ key: Key, _ now: Duration) -> Answer? {
      guard let entry = entries[key], entry.freshUntil > now else { return nil }
      let use = tick()
      entries[key]?.lastUse = use
      return entry.answer
    }
  }

  private let timeToLive: Duration
  /// From the answer to its being forgotten.
  private let keeping: Duration
  private let capacity: Int
  private let timeline: Timeline
  private let count: @Sendable (CachePath) -> Void
  private let state = Locked(State())

  /// - Parameters:
  ///   - timeToLive: how long an answer is fresh; zero keeps none.
  ///   - keeping: how long it can be had by `stale`.
  init(
    timeToLive: Duration, keeping: Duration = .zero, capacity: Int, timeline: Timeline,
    count: @escaping @Sendable (CachePath) -> Void
  ) {
    self.timeToLive = timeToLive
    self.keeping = max(keeping, timeToLive)
    self.capacity = capacity
    self.timeline = timeline
    self.count = count
  }

  /// A fresh answer, now or not at all.
  func peek(_ key: Key) -> Answer? {
    let now = timeline.elapsed()
    let answer = state.withLock { $0.freshAnswer(key, now) }
    if answer != nil { count(.hit) }
    return answer
  }

  /// What was answered not longer ago than `age`, fresh or not.
  func stale(_ key: Key, within age: Duration) -> Answer? {
    let now = timeline.elapsed()
    let answer = state.withLock { state -> Answer? in
      guard let entry = state.entries[key], now - entry.fetchedAt <= min(age, keeping) else { return nil }
      let use = state.tick()
      state.entries[key]?.lastUse = use
      return entry.answer
    }
    if answer != nil { count(.stale) }
    return answer
  }

  /// Begins a call whose answer will be kept, unless one is under way. Nobody waits for it.
  func refresh(_ key: Key, fetch: @escaping @Sendable () async throws(MarketplaceError) -> Answer) {
    let number = state.withLock { state -> UInt64? in
      guard state.flights[key] == nil else { return nil }
      let number = state.tick()
      state.flights[key] = Flight(number: number)
      return number
    }
    guard let number else { return }
    count(.miss)
    start(key, number, fetch)
  }

  /// A fresh answer, or that of a call under way, or that of `fetch`.
  func answer(
    _ key: Key, fetch: @escaping @Sendable () async throws(MarketplaceError) -> Answer
  ) async throws(MarketplaceError) -> Answer {
    if Task.isCancelled { throw .cancelled }
    let waiter = state.withLock { $0.tick() }
    let outcome = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        join(key, waiter, continuation, fetch)
        // A cancellation before we joined found nobody to take out.
        if Task.isCancelled { leave(key, waiter) }
      }
    } onCancel: {
      leave(key, waiter)
    }
    return try outcome.get()
  }

  /// Changes what is kept, such as a listing whose offer was just taken.
  func update(_ change: (inout Answer) -> Void) {
    state.withLock { state in
      for (key, var entry) in state.entries {
        change(&entry.answer)
        state.entries[key] = entry
      }
    }
  }

  private func join(
    _ key: Key, _ waiter: UInt64, _ continuation: CheckedContinuation<Outcome, Never>,
    _ fetch: @escaping @Sendable () async throws(MarketplaceError) -> Answer
  ) {
    let now = timeline.elapsed()
    let step = state.withLock { state -> Step in
      if let answer = state.freshAnswer(key, now) { return .answered(answer) }
      if state.flights[key] != nil {
        state.flights[key]?.waiters[waiter] = continuation
        return .joined
      }
      let number = state.tick()
      state.flights[key] = Flight(number: number, waiters: [waiter: continuation])
      return .starts(number)
    }
    switch step {
    case .answered(let answer):
      count(.hit)
      continuation.resume(returning: .success(answer))
    case .joined:
      count(.joined)
    case .starts(let number):
      count(.miss)
      start(key, number, fetch)
    }
  }

  private func start(
    _ key: Key, _ number: UInt64, _ fetch: @escaping @Sendable () async throws(MarketplaceError) -> Answer
  ) {
    // A task of its own: it belongs to all who wait and not to the one who came first.
    let task = Task {
      let outcome: Outcome
      do throws(MarketplaceError) { outcome = .success(try await fetch()) } catch { outcome = .failure(error) }
      land(key, number, outcome)
    }
    let isWanted = state.withLock { state in
      guard state.flights[key]?.number == number else { return false }
      state.flights[key]?.task = task
      return true
    }
    // Landed already, or left by everyone.
    if !isWanted { task.cancel() }
  }

  private func land(_ key: Key, _ number: UInt64, _ outcome: Outcome) {
    let now = timeline.elapsed()
    let waiters = state.withLock { state -> [CheckedContinuation<Outcome, Never>] in
      guard let flight = state.flights[key], flight.number == number else { return [] }
      state.flights[key] = nil
      if case .success(let answer) = outcome, timeToLive > .zero { keep(answer, key, now, &state) }
      return Array(flight.waiters.values)
    }
    for waiter in waiters { waiter.resume(returning: outcome) }
  }

  private func keep(_ answer: Answer, _ key: Key, _ now: Duration, _ state: inout State) {
    for (key, entry) in state.entries where now - entry.fetchedAt > keeping { state.entries[key] = nil }
    state.entries[key] = Entry(
      answer: answer, fetchedAt: now, freshUntil: now + timeToLive, lastUse: state.tick())
    if state.entries.count > capacity, let oldest = state.entries.min(by: { $0.value.lastUse < $1.value.lastUse })?.key
    {
      state.entries[oldest] = nil
    }
  }

  private func leave(_ key: Key, _ waiter: UInt64) {
    let (continuation, abandoned) = state.withLock { state in
      let continuation = state.flights[key]?.waiters.removeValue(forKey: waiter)
      guard continuation != nil, let flight = state.flights[key], flight.waiters.isEmpty else {
        return (continuation, nil as Task<Void, Never>?)
      }
      state.flights[key] = nil
      return (continuation, flight.task)
    }
    abandoned?.cancel()
    continuation?.resume(returning: .failure(.cancelled))
  }
}
