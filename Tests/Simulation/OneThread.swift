import CExecutor
import Domain
import Locking
import TestSupport

/// Everything that happens in a simulation happens here, one thing after another: the jobs of Swift's tasks, the commits of
/// the store, what the world does by itself. Which of the things that are ready comes next is drawn by the dice, as threads
/// would have it by chance; when none is ready, time jumps to the next thing that is due. So the same seed gives the same
/// history, to the last id.
///
/// `@unchecked Sendable`: there is one thread.
final class OneThread: @unchecked Sendable {
  private enum Ready {
    case job(UnownedJob)
    case body(@Sendable () -> Void)
  }

  private struct Timer {
    let at: Duration
    let number: Int
    let body: @Sendable () -> Void
  }

  var dice: Dice
  /// Since the beginning of the simulation.
  private(set) var time = Duration.zero
  /// What was run so far.
  private(set) var steps = 0
  /// The clock that the present life of vastd sleeps on.
  var clock = ManualClock()
  private var ready: [Ready] = []
  /// Latest first.
  private var timers: [Timer] = []
  private var timersMade = 0
  private let executor = Executor()

  init(seed: UInt64) {
    dice = Dice(seed: seed)
    current = self
    cexecutor_divert { job in
      guard let job else { return }
      current?.ready.append(.job(unsafeBitCast(job, to: UnownedJob.self)))
    }
  }

  /// 45 s before a midnight, so that the first machines of most seeds live on two days.
  static let epoch = Timestamp(seconds: 1_800_057_555)
  var now: Timestamp { Self.epoch + time }

  /// Work that would have had a thread of its own.
  func schedule(_ body: @escaping @Sendable () -> Void) { ready.append(.body(body)) }

  /// What the world does later, whoever lives then.
  func after(_ span: Duration, _ body: @escaping @Sendable () -> Void) {
    timersMade += 1
    let timer = Timer(at: time + span, number: timersMade, body: body)
    let place = timers.firstIndex { ($0.at, $0.number) < (timer.at, timer.number) } ?? timers.count
    timers.insert(timer, at: place)
  }

  /// Runs what is ready, in an order that the dice give. False when nothing was.
  func step() -> Bool {
    guard !ready.isEmpty else { return false }
    // Mostly in the order in which things became ready: a thread pool is fair, but no promise.
    let place = dice.isIn(700) ? 0 : Int.random(in: 0..<ready.count, using: &dice)
    steps += 1
    switch ready.remove(at: place) {
    case .job(let job): job.runSynchronously(on: executor.asUnownedTaskExecutor())
    case .body(let body): body()
    }
    return true
  }

  /// Lets time pass until something is due, at most until `end`. False when nothing is before that.
  func jump(noFurtherThan end: Duration) -> Bool {
    let dues = [clock.untilNextDeadline.map { time + $0 }, timers.last?.at].compactMap { $0 }
    guard let next = dues.min(), next <= end else {
      pass(max(.zero, end - time))
      return false
    }
    pass(max(.zero, next - time))
    return true
  }

  private func pass(_ span: Duration) {
    time += span
    clock.advance(by: span)
    while let timer = timers.last, timer.at <= time {
      timers.removeLast()
      timer.body()
    }
  }

  /// A death: what was ready never runs, and nobody who slept wakes. The tasks stay where they are for ever.
  func dropEverything() {
    ready = []
    graveyard.append(clock)
    clock = ManualClock()
  }

  /// Clocks whose sleepers are dead; a continuation that goes without having been resumed would complain.
  private var graveyard: [ManualClock] = []
}

/// The one that runs now; the runtime's hook is a C function and holds no reference.
private nonisolated(unsafe) var current: OneThread?

private final class Executor: TaskExecutor {
  func enqueue(_ job: consuming ExecutorJob) {
    current?.adopt(UnownedJob(job))
  }
}

extension OneThread {
  fileprivate func adopt(_ job: UnownedJob) { ready.append(.job(job)) }
}

/// An answer on its way. Given once; what comes later is dropped, and nobody who is dead gets one.
///
/// `@unchecked Sendable`: there is one thread.
final class Reply<Answer: Sendable>: @unchecked Sendable {
  private var continuation: UnsafeContinuation<Answer?, Never>?
  private let isAlive: () -> Bool

  private init(isAlive: @escaping () -> Bool) { self.isAlive = isAlive }

  func give(_ answer: Answer?) {
    guard isAlive() else { return }
    continuation?.resume(returning: answer)
    continuation = nil
  }

  /// Asks, and waits for the answer. Nil when the task was cancelled meanwhile; what was asked for happens all the same.
  static func wait(
    isAlive: @escaping @Sendable () -> Bool, _ ask: @Sendable (Reply) -> Void
  ) async -> Answer? {
    let reply = Reply(isAlive: isAlive)
    return await withTaskCancellationHandler {
      await withUnsafeContinuation { continuation in
        reply.continuation = continuation
        ask(reply)
        if Task.isCancelled { reply.give(nil) }
      }
    } onCancel: {
      reply.give(nil)
    }
  }
}
