import Synchronization

/// A fixed row of counters that any thread may bump without a lock.
///
/// `@unchecked Sendable`: the pointer never changes and each cell behind it is atomic.
final class AtomicCells: @unchecked Sendable {
  private let cells: UnsafeMutablePointer<Atomic<Int>>
  let count: Int

  init(count: Int) {
    self.count = count
    cells = .allocate(capacity: count)
    for index in 0..<count { (cells + index).initialize(to: Atomic(0)) }
  }

  deinit {
    cells.deinitialize(count: count)
    cells.deallocate()
  }

  func add(_ amount: Int, at index: Int) {
    cells[index].wrappingAdd(amount, ordering: .relaxed)
  }

  subscript(index: Int) -> Int {
    cells[index].load(ordering: .relaxed)
  }
}
