import Locking
import TestSupport
import Testing

@Suite struct `A signal` {
  @Test func `raised between looking and waiting is not lost`() async {
    let signal = Signal()
    let seen = signal.count
    signal.raise()
    await signal.wait(after: seen)
    #expect(signal.count == 1)
  }

  @Test func `wakes everyone who waits`() async {
    let signal = Signal()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<50 { group.addTask { await signal.wait(after: 0) } }
      signal.raise()
    }
  }

  /// A consumer that looks and then waits must see every value that a producer set before it raised, however they meet. A
  /// lost wakeup leaves the consumer waiting for ever, and the test with it.
  @Test(.timeLimit(.minutes(1))) func `never leaves a consumer asleep over a change`() async {
    for _ in 0..<20 {
      let signal = Signal()
      let value = Locked(0)
      let consumer = Task.detached {
        while true {
          let seen = signal.count
          if value.withLock({ $0 }) == 400 { return }
          await signal.wait(after: seen)
        }
      }
      await withTaskGroup(of: Void.self) { group in
        for _ in 0..<4 {
          group.addTask {
            for _ in 0..<100 {
              value.withLock { $0 += 1 }
              signal.raise()
            }
          }
        }
      }
      await consumer.value
      #expect(value.withLock { $0 } == 400)
    }
  }

  @Test(.timeLimit(.minutes(1))) func `lets a cancelled waiter go, before and while it waits`() async {
    let signal = Signal()
    for _ in 0..<500 {
      let task = Task.detached { await signal.wait(after: 0) }
      task.cancel()
      await task.value
    }
    #expect(signal.count == 0)
  }

  @Test func `waits no longer than the span`() async {
    let signal = Signal()
    let clock = ManualClock()
    let task = Task { await signal.wait(after: 0, upTo: .seconds(5), clock: clock) }
    await clock.sleepers(1)
    clock.advance(by: .seconds(4))
    #expect(clock.sleeperCount == 1, "not yet")
    clock.advance(by: .seconds(1))
    await task.value
    #expect(signal.count == 0)
  }

  @Test func `that comes first leaves no sleeper behind`() async {
    let signal = Signal()
    let clock = ManualClock()
    let task = Task { await signal.wait(after: 0, upTo: .seconds(5), clock: clock) }
    await clock.sleepers(1)
    signal.raise()
    await task.value
    #expect(clock.sleeperCount == 0)
  }
}

@Suite struct `Signals by name` {
  @Test func `wake only those who wait for that name`() {
    let signals = KeyedSignals<Int>()
    let (one, two) = (signals.signal(for: 1), signals.signal(for: 2))
    signals.raise(1)
    #expect(one.count == 1)
    #expect(two.count == 0)
    #expect(signals.signal(for: 1) === one, "all who hold it share it")
  }

  @Test func `live as long as somebody holds them`() {
    let signals = KeyedSignals<Int>()
    weak var seen: Signal?
    do {
      let signal = signals.signal(for: 1)
      seen = signal
      #expect(signal.count == 0)
    }
    #expect(seen == nil)
    signals.raise(1)
    #expect(signals.signal(for: 1).count == 0, "a raise that nobody waited for is nothing")
  }

  @Test func `survive the sweep that the table has now and then`() {
    let signals = KeyedSignals<Int>()
    let kept = signals.signal(for: -1)
    for key in 0..<10_000 { _ = signals.signal(for: key) }
    signals.raise(-1)
    #expect(kept.count == 1)
    #expect(signals.signal(for: -1) === kept)
  }
}
