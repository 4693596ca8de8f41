import CCrypto
import HTTPServer

/// A token that callers show, kept as its digest only.
package struct AccessToken: Sendable {
  /// Names the holder in logs and separates idempotency keys; says nothing about the secret.
  package let principal: String
  package let scope: Scope
  let digest: [UInt8]

  /// Why a token is no good as a secret.
  package enum Weakness: Error, Sendable, Hashable {
    case tooShort(minimum: Int)
    case tooLong(maximum: Int)
    /// White space within or characters that an Authorization header does not carry.
    case unusableCharacters
  }

  /// The bootstrap token, from the environment or a file: white space around it is cut, as editors add it.
  package init(bootstrap text: String) throws(Weakness) {
    let trimmed = text.trimmingWhitespace()
    guard trimmed.utf8.count >= Limits.shortestToken else { throw .tooShort(minimum: Limits.shortestToken) }
    guard trimmed.utf8.count <= Limits.longestToken else { throw .tooLong(maximum: Limits.longestToken) }
    guard trimmed.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { throw .unusableCharacters }
    principal = "bootstrap"
    scope = .admin
    digest = SHA256.digest(of: Array(trimmed.utf8))
  }
}

/// Decides who a caller is.
struct Authenticator: Sendable {
  /// Nil: no token is configured and everybody who can connect is let in. The program then listens on loopback only.
  let token: AccessToken?

  /// Who may do everything when no token is configured.
  static let anonymous = "local"

  /// The holder's name, once the token is known and reaches far enough.
  func principal(of head: RequestHead, for scope: Scope) throws(APIError) -> String {
    let shown = try bearerToken(of: head)
    guard let token else {
      guard LocalCaller.isPlausible(host: head.header("host"), origin: head.header("origin")) else {
        throw .foreignCaller
      }
      return Self.anonymous
    }
    guard let shown else { throw .unauthenticated(wasTokenShown: false) }
    // Digests have one length whatever was sent, and the comparison takes the same time wherever they differ.
    let digest = SHA256.digest(of: shown)
    guard ccrypto_equal(digest, token.digest, digest.count) == 1 else { throw .unauthenticated(wasTokenShown: true) }
    guard token.scope >= scope else { throw .forbidden(needs: scope) }
    return token.principal
  }

  /// The bytes after `Bearer `; nil without an Authorization header. Two headers are two readings of one request.
  private func bearerToken(of head: RequestHead) throws(APIError) -> [UInt8]? {
    let values = head.headerValues("authorization")
    guard values.count < 2 else { throw .malformedRequest("The request has more than one Authorization header.") }
    guard let value = values.first else { return nil }
    let utf8 = Array(value.utf8)
    let scheme = Array("bearer ".utf8)
    guard utf8.count > scheme.count, utf8.count <= Limits.longestToken + scheme.count,
      zip(utf8, scheme).allSatisfy({ $0 | 0x20 == $1 })
    else {
      guard token == nil else { throw .unauthenticated(wasTokenShown: true) }
      return nil
    }
    return Array(utf8[scheme.count...].drop { $0 == UInt8(ascii: " ") })
  }
}
