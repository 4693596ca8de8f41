import Glibc
import Locking

/// An answer. Date, Connection, Content-Length and Transfer-Encoding are the server's business.
package struct Response: Sendable {
  package var status: Int
  /// In the order sent. Names and values without line breaks; a field with an empty value is not sent.
  package var headers: [(name: String, value: String)]
  package var body: Body
  /// Ends the connection after this answer.
  package var closesConnection = false
  /// Handed to `RequestHandler.completed`, for instance the route's name and the request's id.
  package var context: (any Sendable)?

  package enum Body: Sendable {
    /// Copied once into the library's memory: for answers up to some megabytes.
    case bytes([UInt8])
    /// Bytes that many answers share; never copied.
    case shared(SharedBytes)
    /// A part of a regular file, sent by the kernel. The descriptor belongs to the response, which closes it.
    case file(descriptor: Int32, offset: Int64, length: Int64)
    /// Of unknown length, pushed by a task.
    case stream(ResponseStream)

    /// nil when nobody knows yet.
    var length: Int64? {
      switch self {
      case .bytes(let bytes): Int64(bytes.count)
      case .shared(let bytes): Int64(bytes.count)
      case .file(_, _, let length): length
      case .stream: nil
      }
    }
  }

  package init(
    status: Int, contentType: String? = nil, headers: [(name: String, value: String)] = [], body: Body = .bytes([]),
    closesConnection: Bool = false, context: (any Sendable)? = nil
  ) {
    self.status = status
    if let contentType {
      self.headers = [(name: "Content-Type", value: contentType)] + headers
    } else {
      self.headers = headers
    }
    self.body = body
    self.closesConnection = closesConnection
    self.context = context
  }

  /// Releases what a response that will never be sent holds.
  func discard() {
    switch body {
    case .bytes, .shared: break
    case .file(let descriptor, _, _): close(descriptor)
    case .stream(let stream): stream.abandon()
    }
  }
}
