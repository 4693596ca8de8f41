import Domain
import Failpoints
import Glibc
import Locking
import Synchronization

/// The one thread that writes.
///
/// Group commit: a durable commit costs one wait for the disk, some 100 µs, whatever it holds. While one is under way
/// further writes queue up; all that wait then share the next. Within a group each write has a savepoint, so that one that
/// fails is undone alone, and nobody hears of success before the commit is on the disk. A lone write has no savepoint.
///
/// After a failed commit the connection stays open on purpose. The database counts the failed group as never written and
/// the next commit overwrites its bytes in the log; to open the log anew would read them back as if they were committed.
final class Writer: Sendable {
  /// A group beyond this would keep its first member waiting; by then the disk's share of each write is nothing.
  static let largestGroup = 1024

  private let queue: WriteQueue
  private let health: Locked<StoreError?>
  private let isProbing = Locked(false)
  private let committed: CommitCount

  /// Takes the connection over: no other thread touches it from here on.
  init(
    connection: any SQLConnection, dialect: Dialect, changes: Signal, events: Signal,
    now: @escaping @Sendable () -> Timestamp
  ) {
    let queue = WriteQueue()
    let health = Locked<StoreError?>(nil)
    let committed = CommitCount()
    let thread = WriterThread(
      connection: connection, dialect: dialect, queue: queue, health: health, committed: committed, changes: changes,
      events: events, now: now)
    self.queue = queue
    self.health = health
    self.committed = committed
    if let elsewhere = BlockingWork.present {
      queue.whenFilled = { elsewhere.schedule { thread.writeQueued() } }
    } else {
      startThread(name: "store-writer") { thread.run() }
    }
  }

  deinit { queue.stop() }

  /// Transactions that were committed so far.
  var commits: UInt64 { committed.count.load(ordering: .acquiring) }

  /// Why the last commit failed, until one succeeds.
  var lastFailure: StoreError? { health.withLock { $0 } }

  func write<Result: Sendable>(
    _ body: @escaping @Sendable (StoreTransaction) throws(StoreError) -> Result
  ) async throws(StoreError) -> Result {
    let outcome: Swift.Result<Result, StoreError> = await withCheckedContinuation { continuation in
      let write = QueuedWrite(body) { continuation.resume(returning: $0) }
      if !queue.append(write) { write.finish(.closed) }
    }
    return try outcome.get()
  }

  /// Tries a small write in the background, at most one at a time, so that health returns without anybody writing.
  func probe() {
    let isFirst = isProbing.withLock { isProbing in
      defer { isProbing = true }
      return !isProbing
    }
    guard isFirst else { return }
    let write = QueuedWrite { transaction throws(StoreError) in
      try transaction.setSetting("write_probe", String(transaction.now().microseconds))
    } completion: { [isProbing] _ in
      isProbing.withLock { $0 = false }
    }
    if !queue.append(write) { write.finish(.closed) }
  }

  /// Lets what is queued be written, then closes the connection. Later writes fail with `.closed`.
  func close() async {
    await withCheckedContinuation { continuation in
      queue.stop { continuation.resume() }
    }
  }
}

private final class CommitCount: Sendable {
  let count = Atomic<UInt64>(0)
}

/// A write on its way through the writer's thread.
private protocol PendingWrite: AnyObject, Sendable {
  /// Its failure, or nil.
  func run(in transaction: StoreTransaction) -> StoreError?
  /// Tells its caller. Called once; `failure` nil after a run without one whose commit is durable.
  func finish(_ failure: StoreError?)
}

/// `@unchecked Sendable`: made on the caller's thread, then touched by the writer's alone.
private final class QueuedWrite<Result: Sendable>: PendingWrite, @unchecked Sendable {
  private let body: @Sendable (StoreTransaction) throws(StoreError) -> Result
  private let completion: @Sendable (Swift.Result<Result, StoreError>) -> Void
  private var result: Result?

  init(
    _ body: @escaping @Sendable (StoreTransaction) throws(StoreError) -> Result,
    completion: @escaping @Sendable (Swift.Result<Result, StoreError>) -> Void
  ) {
    self.body = body
    self.completion = completion
  }

  func run(in transaction: StoreTransaction) -> StoreError? {
    do {
      result = try body(transaction)
      return nil
    } catch {
      return error
    }
  }

  func finish(_ failure: StoreError?) {
    if let failure { return completion(.failure(failure)) }
    guard let result else { return completion(.failure(.unavailable(detail: "a write was not run"))) }
    completion(.success(result))
  }
}

/// What the thread runs and owns.
///
/// `@unchecked Sendable`: handed to its thread once, and touched by that thread alone.
private final class WriterThread: @unchecked Sendable {
  private let connection: any SQLConnection
  private let dialect: Dialect
  private let queue: WriteQueue
  private let health: Locked<StoreError?>
  private let committed: CommitCount
  private let changes: Signal
  private let events: Signal
  private let now: @Sendable () -> Timestamp
  /// Deleted secrets are still in the files. At the start they may be: the last life may have ended between the commit that
  /// deleted them and this.
  private var mustErase = true

  init(
    connection: any SQLConnection, dialect: Dialect, queue: WriteQueue, health: Locked<StoreError?>,
    committed: CommitCount, changes: Signal, events: Signal, now: @escaping @Sendable () -> Timestamp
  ) {
    self.connection = connection
    self.dialect = dialect
    self.queue = queue
    self.health = health
    self.committed = committed
    self.changes = changes
    self.events = events
    self.now = now
  }

  func run() {
    erase()
    while let group = queue.next(atMost: Writer.largestGroup) { write(group) }
    finish()
  }

  /// The same without a thread to wait on: what is queued now. `queue` calls for it when there is something.
  func writeQueued() {
    while let group = queue.nextIfAny(atMost: Writer.largestGroup) { write(group) }
    if queue.isToFinish { finish() }
  }

  private func write(_ group: [any PendingWrite]) {
    var rest = group[...]
    while !rest.isEmpty { write(&rest) }
    if mustErase, queue.isEmpty { erase() }
  }

  private func finish() {
    erase()
    connection.close()
    queue.finishStopping()
  }

  /// Writes a group in one transaction. What an error of the whole transaction left untried stays in `group`.
  private func write(_ group: inout ArraySlice<any PendingWrite>) {
    var written: [any PendingWrite] = []
    let transaction = StoreTransaction(connection: connection, now: now)
    do throws(StoreError) {
      try connection.run(dialect.beginWrite)
      let isAlone = group.count == 1
      while let next = group.popFirst() {
        if let failure = try isAlone ? next.run(in: transaction) : runGuarded(next, in: transaction) {
          // A full disk, for one, ends the whole transaction: what ran before in it is undone as well. Health knows before
          // the caller does, who may look at it next.
          let endedAll = !connection.isInTransaction
          if endedAll { health.withLock { $0 = failure } }
          next.finish(failure)
          if endedAll { throw failure }
        } else {
          written.append(next)
        }
      }
      // Nothing to keep, and a lone write that failed is undone here.
      guard !written.isEmpty else { return try rollBack() }
      if Failpoints.pass("store.commit.before") { throw .unavailable(detail: "failpoint before a commit") }
      try connection.run("COMMIT")
      // Nothing can fail any more; only dying can keep the news from those who wait.
      _ = Failpoints.pass("store.commit.after")
    } catch {
      abandon(error)
      if written.isEmpty, let first = group.popFirst() { written = [first] }
      for write in written { write.finish(error) }
      return
    }
    // Before anybody is told: who knows of the write and asks must not get an answer from before it.
    committed.count.wrappingAdd(1, ordering: .releasing)
    health.withLock { $0 = nil }
    if transaction.hasDeletedSecrets { mustErase = true }
    for write in written { write.finish(nil) }
    changes.raise()
    if transaction.hasAppendedEvents { events.raise() }
  }

  private func runGuarded(
    _ write: any PendingWrite, in transaction: StoreTransaction
  ) throws(StoreError) -> StoreError? {
    try connection.run("SAVEPOINT write")
    let failure = write.run(in: transaction)
    guard connection.isInTransaction else { return failure }
    if failure != nil { try connection.run("ROLLBACK TO SAVEPOINT write") }
    try connection.run("RELEASE SAVEPOINT write")
    return failure
  }

  private func rollBack() throws(StoreError) {
    if connection.isInTransaction { try connection.run("ROLLBACK") }
  }

  private func abandon(_ failure: StoreError) {
    health.withLock { $0 = failure }
    // Should this fail too, the next BEGIN says so and its group fails.
    do { try rollBack() } catch { health.withLock { $0 = error } }
  }

  /// Tried again after the next write when a reader stood in the way or the disk failed.
  private func erase() {
    do {
      if try connection.eraseDeleted() { mustErase = false }
    } catch {
      health.withLock { $0 = error }
    }
  }
}

/// `@unchecked Sendable`: everything is touched with `mutex` held.
private final class WriteQueue: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var writes: [any PendingWrite] = []
  private var isStopping = false
  private var isStopped = false
  private var waiters: [@Sendable () -> Void] = []
  /// Called after each write and at the stop, where no thread waits. Set before the first.
  var whenFilled: (@Sendable () -> Void)?

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  /// False when no more are taken.
  func append(_ write: any PendingWrite) -> Bool {
    pthread_mutex_lock(mutex)
    let isTaken = !isStopping
    if isTaken { writes.append(write) }
    pthread_cond_signal(condition)
    pthread_mutex_unlock(mutex)
    if isTaken { whenFilled?() }
    return isTaken
  }

  /// Waits for at least one; nil once stopping and empty.
  func next(atMost limit: Int) -> [any PendingWrite]? {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while writes.isEmpty {
      if isStopping { return nil }
      pthread_cond_wait(condition, mutex)
    }
    return take(atMost: limit)
  }

  /// Nil when there is none.
  func nextIfAny(atMost limit: Int) -> [any PendingWrite]? {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return writes.isEmpty ? nil : take(atMost: limit)
  }

  private func take(atMost limit: Int) -> [any PendingWrite] {
    if writes.count <= limit {
      defer { writes = [] }
      return writes
    }
    defer { writes.removeFirst(limit) }
    return Array(writes.prefix(limit))
  }

  /// Stopping, with nothing left, and not yet stopped.
  var isToFinish: Bool {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return isStopping && !isStopped && writes.isEmpty
  }

  var isEmpty: Bool {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return writes.isEmpty
  }

  /// Takes no more. `whenDone` is called once the rest is written and the connection closed.
  func stop(_ whenDone: (@Sendable () -> Void)? = nil) {
    pthread_mutex_lock(mutex)
    isStopping = true
    let isDone = isStopped
    if let whenDone, !isDone { waiters.append(whenDone) }
    pthread_cond_signal(condition)
    pthread_mutex_unlock(mutex)
    if isDone { whenDone?() } else { whenFilled?() }
  }

  func finishStopping() {
    pthread_mutex_lock(mutex)
    isStopped = true
    let waiters = waiters
    self.waiters = []
    pthread_mutex_unlock(mutex)
    for waiter in waiters { waiter() }
  }
}
