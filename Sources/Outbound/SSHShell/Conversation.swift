import CSystem
import Domain
import Glibc
import Locking

/// Feeds a child, reads what it says and sees it end, on the calling thread, which is one of the child's own.
///
/// A thread for each running child and not one for all: the client process beside it costs a hundred times as much, a slow
/// disk under one download holds up nobody else, and nothing at all runs while no command does.
struct Conversation {
  /// Sent first, before what `source` gives.
  var preface: [UInt8] = []
  var source = Source.none
  /// On the monotonic clock, in nanoseconds.
  var deadline: Int64
  let control: ConversationControl
  var onOutput: (UnsafeRawBufferPointer) -> Flow
  var onError: (UnsafeRawBufferPointer) -> Void

  enum Source {
    case none
    case bytes([UInt8])
    /// An open file, read from its present position to its end. Closed by whoever opened it.
    case file(Int32)
  }

  enum Flow {
    case more
    /// Nothing more is read from stdout until `ConversationControl.resume`.
    case pause
    case stop
  }

  enum Ending {
    case exited(ChildProcess.Exit)
    case timedOut
    case cancelled
    /// `onOutput` or `ConversationControl.stop` said so.
    case stopped
    case failed(detail: String)
  }

  /// Big enough for half a gigabyte a second through a pipe, small enough to be nothing beside an ssh client.
  static let chunkSize = 128 << 10

  /// Returns once the child is reaped; kills its group when it has not ended by itself.
  consuming func hold(_ child: ChildProcess) -> Ending {
    blockSignals()
    var feed = Feed(preface: preface, source: source)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.chunkSize, alignment: 16)
    defer { buffer.deallocate() }
    var isPaused = false
    var hasEnded = false
    if feed.isDone { child.closeInput() }

    while true {
      if hasEnded && !isPaused && child.output < 0 && child.error < 0 { return .exited(child.reap()) }
      let now = csystem_monotonic_ns()
      if now >= deadline { return finish(child, .timedOut) }
      var watched = [
        pollfd(fd: control.descriptor, events: Int16(POLLIN), revents: 0),
        pollfd(fd: hasEnded ? -1 : child.ending, events: Int16(POLLIN), revents: 0),
        pollfd(fd: feed.isDone ? -1 : child.input, events: Int16(POLLOUT), revents: 0),
        pollfd(fd: isPaused ? -1 : child.output, events: Int16(POLLIN), revents: 0),
        pollfd(fd: child.error, events: Int16(POLLIN), revents: 0),
      ]
      // Once it has ended, only what is in the pipes counts, even when somebody else still holds them open.
      let isDraining = hasEnded && (child.error >= 0 || !isPaused)
      // Rounded up, or the last millisecond would spin.
      let patience = isDraining ? 0 : min((deadline - now + 999_999) / 1_000_000, Int64(Int32.max))
      let ready = poll(&watched, nfds_t(watched.count), Int32(patience))
      if ready < 0 && csystem_errno() != EINTR { return finish(child, .failed(detail: "poll: \(csystem_errno())")) }
      if ready <= 0 && !isDraining { continue }

      if watched[0].revents != 0 {
        let news = control.take()
        if news.isCancelled { return finish(child, .cancelled) }
        if news.isStopped { return finish(child, .stopped) }
        if news.isResumed { isPaused = false }
      }
      // Seen before the pipes are read: what it wrote before its end is in them now.
      if watched[1].revents != 0 { hasEnded = true }
      if watched[2].revents != 0 {
        switch feed.write(to: child.input) {
        case .more: break
        case .done: child.closeInput()
        case .failed(let detail): return finish(child, .failed(detail: detail))
        }
      }
      if watched[4].revents != 0 || hasEnded, child.error >= 0 {
        switch read(child.error, buffer) {
        case .bytes(let count): onError(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        case .nothingNow: if hasEnded { child.closeError() }
        case .end: child.closeError()
        }
      }
      if watched[3].revents != 0 || (hasEnded && !isPaused), child.output >= 0 {
        switch read(child.output, buffer) {
        case .bytes(let count):
          switch onOutput(UnsafeRawBufferPointer(rebasing: buffer[..<count])) {
          case .more: break
          case .pause: isPaused = true
          case .stop: return finish(child, .stopped)
          }
        case .nothingNow: if hasEnded { child.closeOutput() }
        case .end: child.closeOutput()
        }
      }
    }
  }

  private func finish(_ child: ChildProcess, _ ending: Ending) -> Ending {
    child.kill()
    _ = child.reap()
    return ending
  }

  private enum Reading {
    case bytes(Int)
    case nothingNow
    case end
  }

  private func read(_ descriptor: Int32, _ buffer: UnsafeMutableRawBufferPointer) -> Reading {
    let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
    if count > 0 { return .bytes(count) }
    if count < 0 && (csystem_errno() == EAGAIN || csystem_errno() == EINTR) { return .nothingNow }
    return .end
  }

  /// A child that closes its stdin must not end us: with the signal blocked, the write says EPIPE. Other signals are for
  /// the threads of the program.
  private func blockSignals() {
    var all = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_BLOCK, &all, nil)
  }
}

/// What is still to be written to a child's stdin.
private struct Feed {
  private var pending: [UInt8]
  private var written = 0
  private var source: Conversation.Source
  private(set) var isDone = false

  enum Progress {
    case more
    case done
    case failed(detail: String)
  }

  init(preface: [UInt8], source: Conversation.Source) {
    pending = preface
    self.source = source
    if case .bytes(let bytes) = source {
      pending += bytes
      self.source = .none
    }
    if case .none = self.source { isDone = pending.isEmpty }
  }

  mutating func write(to descriptor: Int32) -> Progress {
    if written == pending.count {
      guard case .file(let file) = source else { return finish() }
      if pending.count != Conversation.chunkSize { pending = [UInt8](repeating: 0, count: Conversation.chunkSize) }
      let count = pending.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, $0.count) }
      if count < 0 { return .failed(detail: "input file: \(String(cString: strerror(csystem_errno())))") }
      if count == 0 { return finish() }
      pending.removeLast(pending.count - count)
      written = 0
    }
    let count = pending.withUnsafeBytes {
      Glibc.write(descriptor, $0.baseAddress! + written, $0.count - written)
    }
    if count > 0 {
      written += count
      if written == pending.count, case .none = source { return finish() }
      return .more
    }
    // EPIPE: the child wants no more of it. Why, its end will tell.
    return csystem_errno() == EAGAIN || csystem_errno() == EINTR ? .more : finish()
  }

  private mutating func finish() -> Progress {
    isDone = true
    pending = []
    return .done
  }
}

/// Reaches into a conversation from other threads.
final class ConversationControl: Sendable {
  struct News {
    var isCancelled = false
    var isStopped = false
    var isResumed = false
  }

  /// Readable while there is news.
  let descriptor: Int32
  private let news = Locked(News())

  init() throws(RemoteShellError) {
    descriptor = csystem_eventfd()
    if descriptor < 0 { throw .local(detail: "no eventfd: \(String(cString: strerror(csystem_errno())))") }
  }

  deinit { close(descriptor) }

  var isCancelled: Bool { news.withLock { $0.isCancelled } }

  func cancel() { raise { $0.isCancelled = true } }
  func stop() { raise { $0.isStopped = true } }
  func resume() { raise { $0.isResumed = true } }

  /// What happened since the last time; a cancel and a stop stay.
  func take() -> News {
    var count: UInt64 = 0
    read(descriptor, &count, 8)
    return news.withLock { news in
      defer { news.isResumed = false }
      return news
    }
  }

  private func raise(_ change: (inout News) -> Void) {
    news.withLock { change(&$0) }
    var one: UInt64 = 1
    write(descriptor, &one, 8)
  }
}
