import Glibc
import Locking

/// Takes finished lines and writes them to a descriptor from a thread of its own, so that a reader that is slow, stopped or
/// gone never holds up a request. What does not fit in the buffer meanwhile is dropped and counted, and the count is logged.
///
/// A line waits up to 2 ms for company: at 100,000 lines a second that is one write for 200 of them.
package final class LogSink: Sendable {
  private let buffer: LogBuffer

  /// Does not close `descriptor`. SIGPIPE must be ignored when that may be a pipe. `capacity` is in bytes: 4 MiB hold some
  /// 20,000 lines. `describeDrops` makes the line that tells how many were lost.
  package init(
    descriptor: Int32, capacity: Int = 4 << 20, describeDrops: @escaping @Sendable (_ count: Int) -> [UInt8]
  ) {
    let buffer = LogBuffer(capacity: capacity)
    self.buffer = buffer
    startThread(name: "log") {
      while let (batch, dropped) = buffer.next() {
        write(batch, to: descriptor)
        if dropped > 0 { write(describeDrops(dropped), to: descriptor) }
        buffer.recycle(batch)
      }
    }
  }

  deinit { buffer.close() }

  /// Copies the line; holds a lock for about as long as that takes.
  package func append(_ line: [UInt8]) {
    line.withUnsafeBufferPointer { append($0) }
  }

  package func append(_ line: UnsafeBufferPointer<UInt8>) {
    buffer.append(line)
  }

  /// Waits until every line appended before this call is written. False when that took longer, as with a stopped reader.
  @discardableResult
  package func flush(timeoutMilliseconds: Int = 1_000) -> Bool {
    buffer.waitUntilWritten(timeoutMilliseconds: timeoutMilliseconds)
  }

  /// Lines that never fitted, since the start.
  package var droppedLines: Int { buffer.droppedLines }
}

/// Writes all of it, or gives up when the descriptor is broken: there is nobody left to tell.
private func write(_ bytes: [UInt8], to descriptor: Int32) {
  bytes.withUnsafeBytes { all in
    var rest = all[...]
    while !rest.isEmpty {
      let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
      if count > 0 {
        rest = rest.dropFirst(count)
      } else if count < 0, errno == EAGAIN {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        poll(&waiting, 1, -1)
      } else if count < 0, errno != EINTR {
        return
      }
    }
  }
}

/// `@unchecked Sendable`: every field below the condition variables is touched only with `mutex` held.
private final class LogBuffer: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let filled = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private let written = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private let capacity: Int

  private var lines: [UInt8] = []
  private var spare: [UInt8] = []
  private var acceptedBatches = 0
  private var writtenBatches = 0
  private var unreportedDrops = 0
  private(set) var totalDrops = 0
  private var isClosed = false

  init(capacity: Int) {
    self.capacity = capacity
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(filled, nil)
    pthread_cond_init(written, nil)
  }

  deinit {
    pthread_cond_destroy(written)
    pthread_cond_destroy(filled)
    pthread_mutex_destroy(mutex)
    written.deallocate()
    filled.deallocate()
    mutex.deallocate()
  }

  var droppedLines: Int {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return totalDrops
  }

  func append(_ line: UnsafeBufferPointer<UInt8>) {
    pthread_mutex_lock(mutex)
    guard lines.count + line.count <= capacity else {
      unreportedDrops += 1
      totalDrops += 1
      pthread_mutex_unlock(mutex)
      return
    }
    let wasEmpty = lines.isEmpty
    lines.append(contentsOf: line)
    pthread_mutex_unlock(mutex)
    if wasEmpty { pthread_cond_signal(filled) }
  }

  /// The lines since the last call, after a moment for more to come; nil when closed and empty.
  func next() -> (batch: [UInt8], dropped: Int)? {
    pthread_mutex_lock(mutex)
    while lines.isEmpty, !isClosed { pthread_cond_wait(filled, mutex) }
    let mayGather = !isClosed
    pthread_mutex_unlock(mutex)
    if mayGather { usleep(2_000) }

    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    guard !lines.isEmpty else { return nil }
    let batch = lines
    lines = spare
    spare = []
    acceptedBatches += 1
    let dropped = unreportedDrops
    unreportedDrops = 0
    return (batch, dropped)
  }

  /// Marks the batch as written and keeps its memory for the next, unless a burst made it large.
  func recycle(_ batch: consuming [UInt8]) {
    pthread_mutex_lock(mutex)
    writtenBatches += 1
    if batch.capacity <= 256 << 10 {
      batch.removeAll(keepingCapacity: true)
      spare = batch
    }
    pthread_mutex_unlock(mutex)
    pthread_cond_broadcast(written)
  }

  func waitUntilWritten(timeoutMilliseconds: Int) -> Bool {
    var deadline = timespec()
    clock_gettime(CLOCK_REALTIME, &deadline)
    deadline.tv_sec += timeoutMilliseconds / 1_000
    deadline.tv_nsec += timeoutMilliseconds % 1_000 * 1_000_000
    if deadline.tv_nsec >= 1_000_000_000 {
      deadline.tv_sec += 1
      deadline.tv_nsec -= 1_000_000_000
    }
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    // Lines still in the buffer make up one more batch.
    let target = acceptedBatches + (lines.isEmpty ? 0 : 1)
    while writtenBatches < target {
      if pthread_cond_timedwait(written, mutex, &deadline) == ETIMEDOUT { return writtenBatches >= target }
    }
    return true
  }

  func close() {
    pthread_mutex_lock(mutex)
    isClosed = true
    pthread_mutex_unlock(mutex)
    pthread_cond_signal(filled)
  }
}
