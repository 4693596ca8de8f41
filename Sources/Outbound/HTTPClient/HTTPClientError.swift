/// Why there is no whole answer. What matters to a caller is whether the server may have acted.
package enum HTTPClientError: Error, Sendable, Hashable {
  /// Not one byte of the request reached a server: bad request, no such name, refused, no TLS, no connection in time.
  case notSent(reason: String)
  /// Not sent: every address that the name leads to is one where this client must not go.
  case forbiddenAddress
  /// The request was sent, and the connection broke or the answer was not HTTP.
  case broken(reason: String)
  /// The request was sent, and no whole answer came in time.
  case timedOut
  /// The answer, or its head, is larger than allowed.
  case tooLarge(limit: Int)
  /// The caller's task was cancelled; `wasSent` tells whether the server may have seen the request.
  case cancelled(wasSent: Bool)

  /// Whether the server may have acted on the request.
  package var mayHaveBeenSent: Bool {
    switch self {
    case .notSent, .forbiddenAddress: false
    case .broken, .timedOut, .tooLarge: true
    case .cancelled(let wasSent): wasSent
    }
  }
}
