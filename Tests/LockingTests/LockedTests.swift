import Glibc
import Locking
import TestSupport
import Testing

@Suite struct `Locked state` {
  @Test func `loses no change to another thread`() async {
    let count = Locked(0)
    let ended = Locked(0)
    for _ in 0..<4 {
      startThread(name: "counter") {
        for _ in 0..<50_000 { count.withLock { $0 += 1 } }
        ended.withLock { $0 += 1 }
      }
    }
    await eventually { ended.withLock { $0 } == 4 }
    #expect(count.withLock { $0 } == 200_000)
  }

  @Test func `is free again after its body threw`() {
    struct Fault: Error {}
    let value = Locked(1)
    #expect(throws: Fault.self) {
      try value.withLock { value in
        value = 2
        throw Fault()
      }
    }
    #expect(value.withLock { $0 } == 2)
  }
}

/// An actor on a thread of its own.
private actor Worker {
  private let executor = ThreadExecutor(name: "worker")
  private var isBusy = false
  private var turns = 0
  nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  func turn() -> (thread: UInt, turns: Int) {
    precondition(!isBusy, "two at once")
    isBusy = true
    defer { isBusy = false }
    turns += 1
    return (UInt(pthread_self()), turns)
  }
}

@Suite struct `A thread's executor` {
  @Test func `runs all of an actor's work on its one thread, one after the other`() async {
    let worker = Worker()
    let turns = await withTaskGroup(of: (UInt, Int).self) { group in
      for _ in 0..<200 { group.addTask { await worker.turn() } }
      return await group.reduce(into: [(UInt, Int)]()) { $0.append($1) }
    }
    #expect(Set(turns.map(\.0)).count == 1)
    #expect(turns.map(\.1).sorted() == Array(1...200))
  }
}
