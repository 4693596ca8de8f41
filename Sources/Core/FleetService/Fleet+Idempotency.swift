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
  /// restart or a lost answer meets all of them or none. `make` refuses before it writes anything.
  func create<Made: Sendable>(
    _ request: IdempotentRequest<Made>?,
    _ make: @escaping @Sendable (StoreTransaction) throws(StoreError) -> Result<Made, FleetError>
  ) async throws(FleetError) -> Creation<Made> {
    let now = now()
    let result = try await write { (tx) throws(StoreError) -> Claim<Made> in
      guard let request else { return Claim(try make(tx)) }
      if let (fingerprint, answer) = try tx.remembered(request.key, now: now) {
        return fingerprint == request.key.fingerprint ? .replayed(answer) : .mismatch
      }
      let result = try make(tx)
      if case .success(let made) = result {
        try tx.remember(request.key, request.encode(made), expiresAt: now + IdempotencyKey.lifetime)
      }
      return Claim(result)
    }
    switch result {
    case .made(let made): return .made(made)
    case .replayed(let answer): return .replayed(answer)
    case .mismatch: throw .idempotencyMismatch
    case .refused(let error): throw error
    }
  }

  /// The answer that a key has already, before anything slow is done for it.
  func replay<Made>(_ request: IdempotentRequest<Made>?) throws(FleetError) -> Creation<Made>? {
    guard let request else { return nil }
    let now = now()
    guard let (fingerprint, answer) = try read({ (r) throws(StoreError) in try r.remembered(request.key, now: now) })
    else { return nil }
    guard fingerprint == request.key.fingerprint else { throw .idempotencyMismatch }
    return .replayed(answer)
  }
}

private enum Claim<Made: Sendable>: Sendable {
  case made(Made)
  case replayed(StoredAnswer)
  case mismatch
  case refused(FleetError)

  init(_ result: Result<Made, FleetError>) {
    switch result {
    case .success(let made): self = .made(made)
    case .failure(let error): self = .refused(error)
    }
  }
}
