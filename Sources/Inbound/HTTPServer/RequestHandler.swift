/// What a server asks of the layer above it. Every method is called on the server's threads and must not block.
package protocol RequestHandler: Sendable {
  /// Decides what happens to a request whose headers are complete and pass the server's own checks.
  func begin(_ head: RequestHead) -> Reception

  /// The answer for what the server itself refuses, so that the layer above can render it in its own format.
  /// `reason` is a stable snake_case code, `detail` a sentence. `head` is nil when the request could not be read. The body
  /// must be bytes. The server closes the connection after it.
  func refusal(status: Int, reason: String, detail: String, head: RequestHead?) -> Response

  /// Called once for each request that had a readable head, when it has ended. `status` is 0 when the client left before an
  /// answer. `bytesSent` counts the body: all of it when it went out whole; what was produced so far when a stream broke off;
  /// 0 when other answers did.
  func completed(
    _ head: RequestHead, status: Int, bytesSent: Int, durationNanoseconds: Int64, context: (any Sendable)?)
}

/// What to do with a request, decided when its headers are complete and before a byte of the body is taken.
package enum Reception: Sendable {
  /// Answered on the server's own thread, which serves other connections too: must not block. The body is gathered first;
  /// beyond `bodyLimit` bytes it is refused with 413 without being gathered further.
  case respond(bodyLimit: Int, @Sendable (Request) -> Response)
  /// Runs as a task; the connection is suspended until it returns. The task is cancelled when the client goes away.
  case respondLater(bodyLimit: Int, @Sendable (Request) async -> Response)
  /// The body goes to `receiver` piece by piece on the server's thread, bounded by `bodyLimit` bytes and by an absolute
  /// deadline; then `then` runs as a task and answers. If the body breaks off, is too large or too slow,
  /// `receiver.abandon()` is called instead, and where the connection is still usable a refusal is sent.
  case receive(
    bodyLimit: Int, bodyDeadlineSeconds: Int, receiver: any BodyReceiver,
    then: @Sendable (RequestHead) async -> Response)
  /// Answered at once. If a body was announced it is not read, and the connection is closed.
  case refuse(Response)
}

/// Takes a streamed request body. Calls come one at a time from the server's thread, which waits for each.
package protocol BodyReceiver: Sendable {
  /// A piece, in order; the memory is valid only during the call. Returning a response (its body must be bytes) stops the
  /// reception: it is sent, the connection is closed, and `abandon` follows.
  func receive(_ bytes: UnsafeRawBufferPointer) -> Response?
  /// No more will come and `then` will not run. Called at most once.
  func abandon()
}

/// A request whose body is complete. `body` is empty when there was none or when it was streamed.
package struct Request: Sendable {
  package let head: RequestHead
  package let body: [UInt8]

  package init(head: RequestHead, body: [UInt8] = []) {
    self.head = head
    self.body = body
  }
}
