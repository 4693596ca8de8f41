/// A caller's promise that two requests are one. Scoped to who calls and to the route, so that nobody meets another's key.
package struct IdempotencyKey: Sendable, Hashable {
  package var principal: String
  /// The operation, `createJob`.
  package var route: String
  /// 1 to 255 printable characters.
  package var key: String
  /// SHA-256 of the request's body in hex: the same key with another body is an error.
  package var fingerprint: String

  package init(principal: String, route: String, key: String, fingerprint: String) {
    self.principal = principal
    self.route = route
    self.key = key
    self.fingerprint = fingerprint
  }

  /// Keys are remembered for a day, as the contract says.
  package static let lifetime = Duration.seconds(24 * 3600)
}

/// An answer kept under a key, given again byte for byte. Holds no secret.
package struct StoredAnswer: Sendable, Hashable {
  package var status: Int
  package var location: String?
  package var body: [UInt8]

  package init(status: Int, location: String?, body: [UInt8]) {
    self.status = status
    self.location = location
    self.body = body
  }
}

/// A keyed request on its way: `encode` makes the answer within the transaction that makes the thing.
package struct IdempotentRequest<Made: Sendable>: Sendable {
  package var key: IdempotencyKey
  package var encode: @Sendable (Made) -> StoredAnswer

  package init(key: IdempotencyKey, encode: @escaping @Sendable (Made) -> StoredAnswer) {
    self.key = key
    self.encode = encode
  }
}

/// What a keyed or plain creation led to.
package enum Creation<Made: Sendable>: Sendable {
  case made(Made)
  /// The key was known: the first answer again.
  case replayed(StoredAnswer)
}
