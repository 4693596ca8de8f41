import CMicrohttpd
import CSystem
import Glibc
import Locking
import Synchronization

// The library's thread: a request from its handler to its end.
extension Connection {
  /// Runs a handler as a task, beginning on this thread. If it does not finish there the connection is suspended until the
  /// task, or whoever gives up on it, brings it back.
  func startTask(_ head: RequestHead, _ work: @escaping @Sendable () async -> Response) -> Bool {
    let core = core
    let handle = ConnectionHandle(pointer: handle)
    let pending = PendingAnswer(resume: { core.resume(handle) })
    self.pending = pending
    wait {
      $0.head = head
      $0.answer = pending
    }
    let now = csystem_monotonic_ns()
    setDeadline(now + core.answerDeadline, now: now)
    _ = core.tasks.wrappingAdd(1, ordering: .sequentiallyConsistent)
    let task = Task.immediate {
      pending.settle(.answer(await work()), cancelling: false)
      _ = core.tasks.wrappingSubtract(1, ordering: .sequentiallyConsistent)
    }
    // Before the outcome is taken: it may be the watching thread's, whose client left while the handler still works.
    pending.remember(task)
    if let outcome = pending.take() { return deliver(outcome) }
    core.suspend(handle)
    if !pending.suspended() { core.resume(handle) }
    watchForHangup()
    return true
  }

  /// The library calls again after a resume.
  func resumed() -> Bool {
    guard let outcome = pending?.take() else { return false }
    return deliver(outcome)
  }

  private func deliver(_ outcome: PendingAnswer.Outcome) -> Bool {
    pending = nil
    waiting.withLock { $0.answer = nil }
    switch outcome {
    case .answer(let response): return queue(response)
    case .clientLeft: return false
    }
  }

  /// Gives the library an answer. False when it took none, which cuts the connection.
  func queue(_ response: Response, closes: Bool = false) -> Bool {
    let now = csystem_monotonic_ns()
    setDeadline(response.body.length.map { now + core.sendingTime($0) } ?? .max, now: now)
    if !move(from: .working, to: .sending) {
      response.discard()
      return false
    }
    // A chunked request is the last one of its connection: the library reads chunk lines and trailers leniently, and this way
    // no reading of them can turn a part of a body into a request.
    let closes =
      closes || response.closesConnection || fields.isChunked || core.isDraining.load(ordering: .relaxed)
    answer.status = response.status
    answer.context = response.context
    let taken: Bool?
    switch response.body {
    case .bytes(let bytes):
      answer.length = bytes.count
      taken = withResponse(bytes.withUnsafeBytes { cmhd_response_copy($0.baseAddress, $0.count) }, response, closes)
    case .shared(let shared):
      answer.length = shared.count
      answer.shared = shared
      taken = shared.withResponse(status: response.status, headers: response.headers, closes: closes) { bytes in
        cmhd_response_shared(bytes.baseAddress, bytes.count).flatMap { addHeaders(response, closes, to: $0) }
      } _: {
        cmhd_queue(handle, UInt32(response.status), $0) != 0
      }
    case .file(let descriptor, let offset, let length):
      answer.length = Int(max(length, 0))
      let file =
        offset < 0 || length < 0 ? nil : cmhd_response_file(descriptor, UInt64(offset), UInt64(length))
      if file == nil { close(descriptor) }
      taken = withResponse(file, response, closes)
    case .stream(let stream):
      answer.stream = stream
      taken = queueStream(stream, response, closes)
    }
    markAnswered()
    return taken == true || queueBareError()
  }

  private func withResponse(_ made: OpaquePointer?, _ response: Response, _ closes: Bool) -> Bool? {
    guard let made, let ready = addHeaders(response, closes, to: made) else { return nil }
    defer { cmhd_response_release(ready) }
    return cmhd_queue(handle, UInt32(response.status), ready) != 0
  }

  /// nil, and the response released, when a field cannot be sent.
  private func addHeaders(_ response: Response, _ closes: Bool, to made: OpaquePointer) -> OpaquePointer? {
    for header in response.headers where !header.value.isEmpty {
      if cmhd_response_header(made, header.name, header.value) == 0 {
        cmhd_response_release(made)
        return nil
      }
    }
    if closes { _ = cmhd_response_header(made, "Connection", "close") }
    return made
  }

  private func queueStream(_ stream: ResponseStream, _ response: Response, _ closes: Bool) -> Bool? {
    let core = core
    let handle = ConnectionHandle(pointer: handle)
    let source = StreamSource(stream: stream, connection: self, resume: { core.resume(handle) })
    wait { $0.stream = stream }
    // Registered first, looked at second: so a drain cuts every stream, before or after.
    if core.isDraining.load(ordering: .sequentiallyConsistent) { stream.cut() }
    if head?.method == .head { stream.abandon() }
    let context = Unmanaged.passRetained(source).toOpaque()
    guard let made = cmhd_response_stream(context, readStream, releaseStream) else {
      releaseStream(context)
      return nil
    }
    return withResponse(made, response, closes)
  }

  /// Stands in for an answer that the library refuses: the handler made a field or a status that cannot be sent, or memory
  /// ran out.
  private func queueBareError() -> Bool {
    answer.stream?.abandon()
    answer = Answer()
    answer.status = 500
    guard let made = cmhd_response_copy(nil, 0) else { return false }
    defer { cmhd_response_release(made) }
    _ = cmhd_response_header(made, "Connection", "close")
    return cmhd_queue(handle, 500, made) != 0
  }

  func markAnswered() {
    guard isUnanswered else { return }
    isUnanswered = false
    _ = core.unanswered.wrappingSubtract(1, ordering: .sequentiallyConsistent)
  }

  /// Has the watching thread tell when the client leaves: once for a connection, from its first suspension on.
  func watchForHangup() {
    if !isWatched { isWatched = core.watch.hangups(of: descriptor, token: token) }
    // It may have left between two suspensions, when nobody was waiting for it.
    if hasLeft.load(ordering: .sequentiallyConsistent) { clientLeft() }
  }

  /// The request is over, one way or another; the connection may carry another one.
  func requestEnded(whole: Bool) {
    if reception != nil || receiver != nil { abandonBody() }
    if let pending {
      // The daemon cut a connection whose answer had come but was not taken.
      if case .answer(let response) = pending.take() { response.discard() }
      self.pending = nil
    }
    let streamed = answer.stream?.connectionEnded()
    if isCounted {
      let now = csystem_monotonic_ns()
      if let head {
        // A refused request counts as through: its answer was written in one piece.
        let isRefused = phase.load(ordering: .acquiring) == .refused
        let length = head.method != .head && (whole || isRefused) ? answer.length : 0
        core.handler.completed(
          head, status: status, bytesSent: streamed ?? length, durationNanoseconds: now - startedAt,
          context: answer.context)
      }
      markAnswered()
      isCounted = false
      if isWaiting { waiting.withLock { $0 = Waiting() } }
      isWaiting = false
      answer = Answer()
      head = nil
      _ = core.inFlight.wrappingSubtract(1, ordering: .sequentiallyConsistent)
      deadline.store(now + core.idleTimeout + core.headerDeadline, ordering: .releasing)
    }
    phase.store(.idle, ordering: .releasing)
  }

  /// 408 when the watching thread refused the request; it leaves the record to this thread.
  private var status: Int {
    answer.status == 0 && phase.load(ordering: .acquiring) == .refused ? 408 : answer.status
  }
}

/// The library's pointer to a connection, for closures that bring it back.
///
/// `@unchecked Sendable`: used for nothing but resuming a connection that is suspended, and so alive, from any thread.
struct ConnectionHandle: @unchecked Sendable {
  let pointer: OpaquePointer
}

extension ServerCore {
  /// On the connection's thread only, inside a callback.
  func suspend(_ connection: ConnectionHandle) {
    _ = suspended.wrappingAdd(1, ordering: .sequentiallyConsistent)
    cmhd_suspend(connection.pointer)
  }

  /// From any thread, once for each suspension.
  func resume(_ connection: ConnectionHandle) {
    cmhd_resume(connection.pointer)
    _ = suspended.wrappingSubtract(1, ordering: .sequentiallyConsistent)
  }
}
