import Domain
import Store

extension IdempotencyKey {
  /// The key without what was asked under it.
  struct Scope: Sendable, Hashable {
    let principal: String
    let route: String
    let key: String
  }

  var scope: Scope { Scope(principal: principal, route: route, key: key) }
}

extension Fleet {
  /// Makes something once for a key: the thing, its answer and the key are one transaction, so that a second request, a
  /// restart or a lost answer meets all of them or none.
  func create<Made: Sendable>(
    _ request: IdempotentRequest<Made>?,
    _ make: @escaping @Sendable (StoreTransaction) throws(StoreError) -> Made
  ) async throws(FleetError) -> Creation<Made> {
    let now = now()
    let result = try await write { (tx) throws(StoreError) -> Claim<Made> in
      guard let request else { return .made(try make(tx)) }
      if let (fingerprint, answer) = try tx.remembered(request.key, now: now) {
        return fingerprint == request.key.fingerprint ? .replayed(answer) : .mismatch
      }
      let made = try make(tx)
      try tx.remember(request.key, request.encode(made), expiresAt: now + IdempotencyKey.lifetime)
      return .made(made)
    }
    switch result {
    case .made(let made): return .made(made)
    case .replayed(let answer): return .replayed(answer)
    case .mismatch: throw .idempotencyMismatch
    }
  }
}

private enum Claim<Made: Sendable>: Sendable {
  case made(Made)
  case replayed(StoredAnswer)
  case mismatch
}
