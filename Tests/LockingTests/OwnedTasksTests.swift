import Locking
import TestSupport
import Testing

@Suite struct `Owned tasks` {
  @Test func `are one for a key at a time, and another once that has ended`() async {
    let tasks = OwnedTasks<Int>()
    let gate = Signal()
    #expect(tasks.start(1) { await gate.wait(after: 0) })
    #expect(!tasks.start(1) {})
    #expect(tasks.start(2) { await gate.wait(after: 0) })
    #expect(tasks.isUnderWay(1))
    #expect(tasks.count == 2)
    gate.raise()
    await eventually { tasks.count == 0 }
    #expect(tasks.start(1) {})
    await tasks.close()
  }

  @Test(.timeLimit(.minutes(1))) func `never run twice for a key, however many ask`() async {
    let tasks = OwnedTasks<Int>()
    let running = Locked(0)
    let most = Locked(0)
    let runs = Locked(0)
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask {
          for _ in 0..<500 {
            tasks.start(1) {
              let now = running.withLock { count in
                count += 1
                return count
              }
              most.withLock { $0 = max($0, now) }
              await Task.yield()
              running.withLock { $0 -= 1 }
              runs.withLock { $0 += 1 }
            }
            await Task.yield()
          }
        }
      }
    }
    await tasks.close()
    #expect(most.withLock { $0 } == 1)
    #expect(runs.withLock { $0 } > 1)
    #expect(tasks.count == 0)
  }

  @Test func `are cancelled and awaited at the end, and none begins after it`() async {
    let tasks = OwnedTasks<Int>()
    let ended = Locked(0)
    for key in 0..<10 {
      tasks.start(key) {
        await Signal().wait(after: 0)
        await Task.yield()
        ended.withLock { $0 += 1 }
      }
    }
    await tasks.close()
    #expect(ended.withLock { $0 } == 10, "close returned before they had ended")
    #expect(!tasks.start(99) { Issue.record("begun after the end") })
    await tasks.close()
  }
}
