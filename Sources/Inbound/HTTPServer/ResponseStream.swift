import CMicrohttpd
import Glibc
import Locking

/// The client has left, the stream was finished, or the server is draining: nothing more will be sent.
package struct StreamClosed: Error, Sendable {
  package init() {}
}

/// A body of unknown length, pushed by tasks and taken by the server's thread: a log that is followed, events.
///
/// What is pushed waits in a queue of at most about `bound` bytes. When the queue is empty the connection is suspended and
/// costs nothing; the next push brings it back. Suspending happens inside the lock and a push looks inside the lock whether
/// it has to resume, so no wake-up is lost.
package final class ResponseStream: Sendable {
  fileprivate struct State {
    var queue: [[UInt8]] = []
    /// The first piece that was not taken whole, and how much of it was.
    var head = 0
    var offset = 0
    var queuedBytes = 0
    var sentBytes = 0
    var end = End.open
    /// Brings the connection back; present while it is suspended for this stream.
    var resume: (@Sendable () -> Void)?
    var writers: [UInt64: CheckedContinuation<Void, Never>] = [:]
    var nextWriter: UInt64 = 0
    var onClose: [@Sendable () -> Void] = []
    var closeReported = false
  }

  fileprivate enum End {
    case open
    /// `finish` was called: the rest is sent, then the body ends properly.
    case finished
    /// The server drains: the rest is sent, then the connection breaks off, so that nobody takes the part for the whole.
    case cut
    /// The client has left: nothing is sent any more.
    case abandoned
  }

  private let bound: Int
  private let state = Locked(State())

  package init(bound: Int = 1 << 20) { self.bound = bound }

  /// Queues bytes; waits while more than `bound` bytes are queued. Throws once nothing more will be sent, and when the
  /// waiting task is cancelled.
  package func write(_ bytes: [UInt8]) async throws(StreamClosed) {
    while true {
      switch offer(bytes, whenFull: { $0 > self.bound }) {
      case .taken: return
      case .closed: throw StreamClosed()
      case .full: break
      }
      await waitForRoom()
      if Task.isCancelled { throw StreamClosed() }
    }
  }

  /// Queues bytes unless that would make the queue longer than `bound`, or nothing more will be sent; tells whether it did.
  package func tryWrite(_ shared: [UInt8]) -> Bool {
    if case .taken = offer(shared, whenFull: { $0 + shared.count > self.bound }) { return true }
    return false
  }

  /// Ends the body after what is queued. Later writes throw.
  package func finish() { end(.finished) }

  /// Breaks the connection off after what is queued, so that nobody takes the part for the whole: the source failed, or the
  /// server drains.
  package func cut() { end(.cut) }

  /// True once nothing more will be accepted.
  package var isClosed: Bool { state.withLock { $0.end != .open } }

  /// Runs `body` once, when the client has left or the stream has ended, at once if that has happened; on any thread.
  package func onClose(_ body: @escaping @Sendable () -> Void) {
    let runNow = state.withLock { state in
      if !state.closeReported { state.onClose.append(body) }
      return state.closeReported
    }
    if runNow { body() }
  }

  // MARK: The server's side

  /// The client has left, or the response will never be sent.
  func abandon() {
    end(.abandoned)
    reportClose()
  }

  /// The connection is through with this stream.
  /// - Returns: the bytes that were taken.
  func connectionEnded() -> Int {
    abandon()
    return state.withLock { $0.sentBytes }
  }

  enum Taken {
    case bytes(Int)
    case suspended
    case finished
    case broken
  }

  /// Moves queued bytes to `target`. When there are none it calls `suspend`, inside the lock, and keeps `resume` for the
  /// next push.
  func take(
    into target: UnsafeMutableRawBufferPointer, suspend: () -> Void, resume: @escaping @Sendable () -> Void
  ) -> Taken {
    let (taken, writers) = state.withLock { state -> (Taken, [CheckedContinuation<Void, Never>]) in
      if state.end == .abandoned { return (.broken, []) }
      if state.queuedBytes == 0 {
        switch state.end {
        case .finished: return (.finished, [])
        case .cut, .abandoned: return (.broken, [])
        case .open:
          suspend()
          state.resume = resume
          return (.suspended, [])
        }
      }
      let count = state.copy(into: target)
      guard state.queuedBytes <= bound, !state.writers.isEmpty else { return (.bytes(count), []) }
      let writers = Array(state.writers.values)
      state.writers = [:]
      return (.bytes(count), writers)
    }
    for writer in writers { writer.resume() }
    return taken
  }

  // MARK: Steps

  private enum Offered { case taken, full, closed }

  private func offer(_ bytes: [UInt8], whenFull isFull: (Int) -> Bool) -> Offered {
    let (offered, resume) = state.withLock { state -> (Offered, (@Sendable () -> Void)?) in
      guard state.end == .open else { return (.closed, nil) }
      if bytes.isEmpty { return (.taken, nil) }
      if state.queuedBytes > 0, isFull(state.queuedBytes) { return (.full, nil) }
      state.queue.append(bytes)
      state.queuedBytes += bytes.count
      return (.taken, state.takeResume())
    }
    resume?()
    return offered
  }

  private func waitForRoom() async {
    let number = state.withLock { state in
      state.nextWriter += 1
      return state.nextWriter
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let goOn = state.withLock { state in
          if state.end != .open || state.queuedBytes <= bound || Task.isCancelled { return true }
          state.writers[number] = continuation
          return false
        }
        if goOn { continuation.resume() }
      }
    } onCancel: {
      state.withLock { $0.writers.removeValue(forKey: number) }?.resume()
    }
  }

  private func end(_ how: End) {
    let (resume, writers) = state.withLock { state -> ((@Sendable () -> Void)?, [CheckedContinuation<Void, Never>]) in
      guard state.end == .open || how == .abandoned else { return (nil, []) }
      state.end = how
      if how == .abandoned {
        state.queue = []
        state.head = 0
        state.offset = 0
        state.queuedBytes = 0
      }
      let writers = Array(state.writers.values)
      state.writers = [:]
      return (state.takeResume(), writers)
    }
    for writer in writers { writer.resume() }
    resume?()
  }

  private func reportClose() {
    let bodies = state.withLock { state in
      state.closeReported = true
      defer { state.onClose = [] }
      return state.onClose
    }
    for body in bodies { body() }
  }
}

extension ResponseStream.State {
  fileprivate mutating func takeResume() -> (@Sendable () -> Void)? {
    defer { resume = nil }
    return resume
  }

  fileprivate mutating func copy(into target: UnsafeMutableRawBufferPointer) -> Int {
    var filled = 0
    while filled < target.count, head < queue.count {
      let count = min(queue[head].count - offset, target.count - filled)
      queue[head].withUnsafeBytes { piece in
        UnsafeMutableRawBufferPointer(rebasing: target[filled..<(filled + count)])
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: piece[offset..<(offset + count)]))
      }
      filled += count
      offset += count
      if offset == queue[head].count {
        queue[head] = []
        head += 1
        offset = 0
      }
    }
    if head == queue.count {
      queue.removeAll(keepingCapacity: queue.capacity <= 64)
      head = 0
    } else if head > 64 {
      queue.removeFirst(head)
      head = 0
    }
    queuedBytes -= filled
    sentBytes += filled
    return filled
  }
}
