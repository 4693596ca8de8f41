import CMicrohttpd
import CSystem
import Glibc
import Locking
import Synchronization

// The library's thread: a request from its first line to the moment when a handler has it.
extension Connection {
  /// The request line was read; `target` is still whole.
  func requestLine(_ target: UnsafePointer<CChar>) {
    let now = csystem_monotonic_ns()
    startedAt = now
    if !isKnownUniquelyReferenced(&fields) { fields = HeadFields() }
    fields.peer = peer
    target.withMemoryRebound(to: UInt8.self, capacity: 1) {
      fields.begin(target: UnsafeBufferPointer(start: $0, count: strlen(target)))
    }
    phase.store(.head, ordering: .releasing)
    if deadline.load(ordering: .relaxed) > now + core.headerDeadline {
      setDeadline(now + core.headerDeadline, now: now)
    }
    if let refusal = targetRefusal { refuseLine(refusal, now: now) }
  }

  /// What can be said of a target before its headers. The library is about to file each pair of the query in its memory, and
  /// when that runs out it forgets the rest of the request and waits for ever; so such targets are refused here.
  private var targetRefusal: Refusal? {
    if fields.targetLength > core.configuration.targetLimitBytes { return .targetTooLong }
    let items = fields.withTarget { RequestTarget.queryItemCount(in: $0, upTo: core.configuration.queryItemLimit) }
    return items > core.configuration.queryItemLimit ? .tooManyQueryItems : nil
  }

  private func refuseLine(_ refusal: Refusal, now: Int64) {
    guard move(from: .head, to: .refused) else { return }
    RawAnswer.send(RawAnswer.render(core.refusal(refusal, head: nil), for: nil), to: descriptor)
    setDeadline(now + ServerCore.lingerNanoseconds, now: now)
  }

  /// The library's request callback. False cuts the connection.
  func request(
    method: UnsafePointer<CChar>, version: UnsafePointer<CChar>, upload: UnsafePointer<CChar>?,
    size: UnsafeMutablePointer<Int>
  ) -> Bool {
    switch phase.load(ordering: .acquiring) {
    case .head:
      // The first call of a request, with its headers complete.
      return headersComplete(method: method, version: version)
    case .body:
      guard size.pointee > 0 else { return bodyComplete() }
      let piece = UnsafeRawBufferPointer(start: upload, count: size.pointee)
      size.pointee = 0
      return receive(piece)
    case .working:
      // Without a body the handler starts here; after a resume its answer waits here.
      return pending == nil ? start() : resumed()
    case .refused:
      // The rest of a refused body is thrown away; at its end the connection is cut.
      let goesOn = size.pointee > 0
      size.pointee = 0
      abandonBody()
      return goesOn
    case .idle, .sending:
      return false
    }
  }

  private func headersComplete(method: UnsafePointer<CChar>, version: UnsafePointer<CChar>) -> Bool {
    _ = core.inFlight.wrappingAdd(1, ordering: .sequentiallyConsistent)
    _ = core.unanswered.wrappingAdd(1, ordering: .sequentiallyConsistent)
    isCounted = true
    isUnanswered = true
    let head: RequestHead
    do throws(Refusal) {
      head = try readHead(method: method, version: version)
      self.head = head
      // Counted first, looked at second: so a drain that finds nothing in flight has refused whatever comes after.
      if core.isDraining.load(ordering: .sequentiallyConsistent) { throw .draining }
    } catch {
      guard move(from: .head, to: .working) else { return false }
      return queue(core.refusal(error, head: self.head))
    }
    if fields.announcesBody { return bodyAnnounced(head) }
    return move(from: .head, to: .working)
  }

  private func readHead(method: UnsafePointer<CChar>, version: UnsafePointer<CChar>) throws(Refusal) -> RequestHead {
    let size = cmhd_header_size(handle)
    let start = UnsafeRawPointer(method), versionStart = UnsafeRawPointer(version)
    guard size <= core.configuration.headerLimitBytes else { throw .headersTooLarge }
    // Method, NUL, target, NUL, "HTTP/1.x", NUL, NUL, and nothing between them: no second space, no byte hidden by a NUL.
    let methodCount = strlen(method)
    let lineCount = methodCount + 1 + fields.targetLength + 1
    guard versionStart - start == lineCount, strlen(version) == 8, size >= lineCount + 12,
      versionStart.load(fromByteOffset: 9, as: UInt8.self) == 0
    else { throw .malformed("The request line is not method, target and version with one space between.") }
    let parsedMethod = try Method(
      UnsafeBufferPointer(start: start.assumingMemoryBound(to: UInt8.self), count: methodCount))
    let minor = versionStart.load(fromByteOffset: 7, as: UInt8.self)
    guard minor == UInt8(ascii: "0") || minor == UInt8(ascii: "1") else { throw .version }

    let block = (versionStart + 10).assumingMemoryBound(to: UInt8.self)
    try fields.readFields(
      UnsafeBufferPointer(start: block, count: size - lineCount - 10), limit: core.configuration.headerCountLimit)
    try fields.checkFraming(isVersion11: minor == UInt8(ascii: "1"))
    let path = try fields.withTarget { (target) throws(Refusal) in
      let path = try RequestTarget.path(of: target)
      if path.utf8.count < target.count {
        _ = try RequestTarget.query(of: target)
      }
      return path
    }
    return RequestHead(method: parsedMethod, path: path, fields: fields)
  }

  /// Decides on a request before its body is taken.
  private func bodyAnnounced(_ head: RequestHead) -> Bool {
    let reception = core.handler.begin(head)
    let limit: Int
    var time = core.bodyDeadline
    switch reception {
    case .respond(let bodyLimit, _), .respondLater(let bodyLimit, _): limit = bodyLimit
    case .receive(let bodyLimit, let seconds, let receiver, _):
      limit = bodyLimit
      time = Int64(seconds) * 1_000_000_000
      self.receiver = receiver
    case .refuse(let response): return refuseBody(response)
    }
    if let length = head.contentLength, length > limit {
      return refuseBody(core.refusal(.bodyTooLarge, head: head))
    }
    self.reception = reception
    bodyCount = 0
    body = []
    if let length = head.contentLength, receiver == nil { body.reserveCapacity(min(length, 1 << 20)) }
    wait { $0.head = head }
    let now = csystem_monotonic_ns()
    guard move(from: .head, to: .body) else { return false }
    setDeadline(now + time, now: now)
    return true
  }

  private func receive(_ piece: UnsafeRawBufferPointer) -> Bool {
    bodyCount += piece.count
    switch reception {
    case .respond(let limit, _), .respondLater(let limit, _):
      guard bodyCount <= limit else { return breakOff(core.refusal(.bodyTooLarge, head: head)) }
      body.append(contentsOf: piece)
    case .receive(let limit, _, let receiver, _):
      guard bodyCount <= limit else { return breakOff(core.refusal(.bodyTooLarge, head: head)) }
      if let response = receiver.receive(piece) { return breakOff(response) }
    case .refuse, nil:
      return false
    }
    return true
  }

  private func bodyComplete() -> Bool {
    guard move(from: .body, to: .working) else { return false }
    return start()
  }

  /// Hands a complete request to its handler.
  private func start() -> Bool {
    guard let head else { return false }
    let body = self.body
    self.body = []
    receiver = nil
    let chosen = reception ?? core.handler.begin(head)
    reception = nil
    switch chosen {
    case .respond(_, let handler):
      return queue(handler(Request(head: head, body: body)))
    case .respondLater(_, let handler):
      let request = Request(head: head, body: body)
      return startTask(head) { await handler(request) }
    case .receive(_, _, _, let then):
      return startTask(head) { await then(head) }
    case .refuse(let response):
      return queue(response)
    }
  }

  /// Refuses a request whose body has not begun. A client that waits for `100 Continue` gets the answer instead of it; one
  /// that sends already is answered past the library and read on for a moment, since closing a socket with unread bytes
  /// resets it, and the reset can overtake the answer.
  private func refuseBody(_ response: Response) -> Bool {
    if fields.expectsContinue || !RawAnswer.canRender(response) {
      receiver?.abandon()
      receiver = nil
      guard move(from: .head, to: .working) else {
        response.discard()
        return false
      }
      return queue(response, closes: true)
    }
    guard move(from: .head, to: .body) else { return false }
    return breakOff(response)
  }

  /// Ends a request in the middle of its body.
  private func breakOff(_ response: Response) -> Bool {
    guard move(from: .body, to: .refused) else {
      response.discard()
      return false
    }
    let sendable = RawAnswer.canRender(response) ? response : core.refusal(.unsendable, head: head)
    if !RawAnswer.canRender(response) { response.discard() }
    answer.status = sendable.status
    answer.context = sendable.context
    answer.length = Int(sendable.body.length ?? 0)
    RawAnswer.send(RawAnswer.render(sendable, for: head?.method), to: descriptor)
    markAnswered()
    abandonBody()
    let now = csystem_monotonic_ns()
    setDeadline(now + ServerCore.lingerNanoseconds, now: now)
    return true
  }

  /// Tells a receiver, once, that the body will not come to its end.
  func abandonBody() {
    receiver?.abandon()
    receiver = nil
    reception = nil
    body = []
  }
}
