import Glibc
import Locking
import Synchronization

/// A read connection for each thread that reads, opened at its first read and closed when the thread ends or the store
/// closes, whichever comes first. No hand-over between threads and no waiting for a free one: a point read is then little
/// more than its steps in the database.
final class ReaderPool: Sendable {
  private struct State {
    var slots: [ReaderSlot] = []
    var isClosed = false
  }

  private let driver: any SQLDriver
  private let state = Locked(State())

  init(driver: any SQLDriver) { self.driver = driver }

  deinit { close() }

  /// Runs `body` with the calling thread's connection, in a transaction that sees one moment. A read within a read uses
  /// the outer one's.
  func read<Result>(_ body: (StoreReader) throws(StoreError) -> Result) throws(StoreError) -> Result {
    let readers = ThreadReaders.ofThisThread
    if let slot = readers.slots.first(where: { $0.pool == ObjectIdentifier(self) && !$0.isClosed }) {
      return try slot.read(begin: driver.dialect.beginRead, body)
    }
    let slot = ReaderSlot(pool: ObjectIdentifier(self), connection: try driver.openReader())
    let isClosed = state.withLock { state in
      if !state.isClosed {
        // Those of threads that have ended.
        state.slots.removeAll { $0.isClosed }
        state.slots.append(slot)
      }
      return state.isClosed
    }
    guard !isClosed else {
      slot.close()
      throw .closed
    }
    // Those of stores that have closed.
    readers.slots.removeAll { $0.isClosed }
    readers.slots.append(slot)
    return try slot.read(begin: driver.dialect.beginRead, body)
  }

  /// Waits for reads under way, then closes every connection. Later reads throw `.closed`.
  func close() {
    let slots = state.withLock { state in
      defer { state.slots = [] }
      state.isClosed = true
      return state.slots
    }
    for slot in slots { slot.close() }
  }
}

/// One thread's connection to one store.
///
/// `@unchecked Sendable`: `connection` is touched with `mutex` held, which only the owning thread and `close` take;
/// `depth` by the owning thread alone.
private final class ReaderSlot: @unchecked Sendable {
  /// Whose it is. A pool closes its slots before it goes, so that another at the same address never finds an open one.
  let pool: ObjectIdentifier
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private var connection: (any SQLConnection)?
  private var reader: StoreReader?
  private var depth = 0
  private let closed = Atomic(false)

  init(pool: ObjectIdentifier, connection: any SQLConnection) {
    self.pool = pool
    self.connection = connection
    reader = StoreReader(connection: connection)
    pthread_mutex_init(mutex, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  /// Set once and for ever; asked by any thread without waiting for a read under way.
  var isClosed: Bool { closed.load(ordering: .acquiring) }

  func read<Result>(
    begin: String, _ body: (StoreReader) throws(StoreError) -> Result
  ) throws(StoreError) -> Result {
    if depth > 0, let reader { return try body(reader) }
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    guard let connection, let reader else { throw .closed }
    depth += 1
    defer { depth -= 1 }
    try connection.run(begin)
    let result: Result
    do { result = try body(reader) } catch {
      // The transaction has written nothing: should its end fail as well, the first failure says more.
      do { try connection.run("ROLLBACK") } catch { close(holdingMutex: connection) }
      throw error
    }
    try connection.run("COMMIT")
    return result
  }

  func close() {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    if let connection { close(holdingMutex: connection) }
  }

  private func close(holdingMutex connection: any SQLConnection) {
    connection.close()
    self.connection = nil
    reader = nil
    closed.store(true, ordering: .releasing)
  }
}

/// The slots of one thread, for each store that it has read; a pthread key leads to them and ends them with the thread.
private final class ThreadReaders {
  var slots: [ReaderSlot] = []

  static var ofThisThread: ThreadReaders {
    if let pointer = pthread_getspecific(key) {
      return Unmanaged<ThreadReaders>.fromOpaque(pointer).takeUnretainedValue()
    }
    let readers = ThreadReaders()
    pthread_setspecific(key, Unmanaged.passRetained(readers).toOpaque())
    return readers
  }

  /// One for the process and never deleted: there are 1024 in all.
  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    let failure = pthread_key_create(&key, endThreadReaders)
    precondition(failure == 0, "no pthread key is left")
    return key
  }()
}

private func endThreadReaders(_ pointer: UnsafeMutableRawPointer?) {
  guard let pointer else { return }
  for slot in Unmanaged<ThreadReaders>.fromOpaque(pointer).takeRetainedValue().slots { slot.close() }
}
