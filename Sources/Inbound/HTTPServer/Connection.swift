import CMicrohttpd
import CSystem
import Glibc
import Locking
import Synchronization

// A connection's life, as the library's callbacks tell it and as the watching thread disturbs it:
//
//   idle ──request line──→ head ──headers, body announced──→ body ──complete──→ working ──answer queued──→ sending ─→ idle
//                            └───headers, no body───────────────────────────────────↑
//   head, body ──deadline, on the watching thread──→ refused      body ──on the library's thread──→ refused
//
// Everything but the atomics and `waiting` belongs to the library's thread of this connection. The watching thread moves a
// connection out of `head` and `body` by compare-and-exchange, after which the library's thread only throws bytes away; so
// each request is answered once.

/// One client connection and the request that it carries at the moment. Used again for each request of the connection.
///
/// `@unchecked Sendable`: see above; what crosses threads is atomic or locked.
final class Connection: @unchecked Sendable {
  enum Phase: UInt8, AtomicRepresentable {
    /// Between requests, or before the first one.
    case idle
    /// A request line was read, the headers are not complete.
    case head
    /// The body is on its way.
    case body
    /// A handler has the request.
    case working
    /// The answer was given to the library.
    case sending
    /// An answer was written past the library, because it takes none while a body is on its way. What still comes is
    /// thrown away until the client has seen the end.
    case refused
  }

  /// What the watching thread needs of a request that is not through.
  struct Waiting {
    var head: RequestHead?
    var answer: PendingAnswer?
    var stream: ResponseStream?
  }

  let core: ServerCore
  let handle: OpaquePointer
  let descriptor: Int32
  let peer: PeerAddress
  /// Given by the table when the connection enters it.
  var token: UInt64 = 0

  let phase = Atomic(Phase.idle)
  /// When the present phase has lasted too long, in monotonic nanoseconds.
  let deadline: Atomic<Int64>
  /// When the watching thread will look at `deadline`; one that is nearer has to be announced.
  let nextLook = Atomic<Int64>(.max)
  /// The client has closed its half; seen once the connection has been suspended for the first time.
  let hasLeft = Atomic(false)
  let waiting = Locked(Waiting())

  var fields = HeadFields()
  var startedAt: Int64 = 0
  var head: RequestHead?
  var reception: Reception?
  var body: [UInt8] = []
  var bodyCount = 0
  var receiver: (any BodyReceiver)?
  var pending: PendingAnswer?
  var isWatched = false
  /// `waiting` has something in it, so that a request that never waits leaves the lock alone.
  var isWaiting = false
  var isCounted = false
  var isUnanswered = false
  var answer = Answer()

  /// What was answered, for the record at the end of the request.
  struct Answer {
    var status = 0
    var length = 0
    var context: (any Sendable)?
    /// Kept while the library sends from their memory.
    var shared: SharedBytes?
    var stream: ResponseStream?
  }

  init(core: ServerCore, handle: OpaquePointer, descriptor: Int32, peer: PeerAddress, now: Int64) {
    self.core = core
    self.handle = handle
    self.descriptor = descriptor
    self.peer = peer
    deadline = Atomic(now + core.headerDeadline)
  }

  func setDeadline(_ time: Int64, now: Int64) {
    deadline.store(time, ordering: .releasing)
    if time < nextLook.load(ordering: .acquiring) { core.table.reschedule(self, now: now) }
  }

  /// Moves on unless the watching thread was faster.
  func move(from: Phase, to: Phase) -> Bool {
    phase.compareExchange(expected: from, desired: to, ordering: .acquiringAndReleasing).exchanged
  }

  func wait(_ change: (inout Waiting) -> Void) {
    isWaiting = true
    waiting.withLock { change(&$0) }
  }

  // MARK: On the watching thread

  /// The client of a connection that was suspended at least once has closed its half. A client that only half-closes and
  /// waits for its answer is treated alike: nothing tells the two apart.
  func clientLeft() {
    hasLeft.store(true, ordering: .sequentiallyConsistent)
    let waiting = waiting.withLock { $0 }
    guard waiting.answer != nil || waiting.stream != nil else { return }
    waiting.answer?.settle(.clientLeft, cancelling: true)
    waiting.stream?.abandon()
    core.table.whileOpen(self) { _ = csystem_shutdown_both($0) }
  }

  func deadlinePassed() {
    switch phase.load(ordering: .acquiring) {
    case .idle, .sending, .refused:
      core.table.whileOpen(self) { _ = csystem_shutdown_both($0) }
    case .head:
      guard move(from: .head, to: .refused) else { return }
      writeRefusal(.headersTooSlow, head: nil)
      core.table.whileOpen(self) { _ = csystem_shutdown_both($0) }
    case .body:
      guard move(from: .body, to: .refused) else { return }
      writeRefusal(.bodyTooSlow, head: waiting.withLock { $0.head })
    case .working:
      let waiting = waiting.withLock { $0 }
      waiting.answer?.settle(.answer(core.refusal(.answerTooSlow, head: waiting.head)), cancelling: true)
    }
  }

  private func writeRefusal(_ refusal: Refusal, head: RequestHead?) {
    let bytes = RawAnswer.render(core.refusal(refusal, head: head), for: head?.method)
    let now = csystem_monotonic_ns()
    deadline.store(now + ServerCore.lingerNanoseconds, ordering: .releasing)
    core.table.whileOpen(self) { RawAnswer.send(bytes, to: $0) }
  }

  /// The grace of a drain is over: whatever has no answer gets one or is cut.
  func giveUp() {
    let waiting = waiting.withLock { $0 }
    waiting.answer?.settle(.answer(core.refusal(.draining, head: waiting.head)), cancelling: true)
    if phase.load(ordering: .acquiring) == .body {
      core.table.whileOpen(self) { _ = csystem_shutdown_both($0) }
    }
  }
}
