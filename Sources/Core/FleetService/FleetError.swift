import Artifacts
package import Domain
import Store

/// Why the facade could not do what a caller asked. Cases are what the caller can do about it.
package enum FleetError: Error, Sendable, Hashable {
  /// `what` is the kind of thing: `job`, `instance`, `upload`.
  case notFound(what: String)
  /// The thing is not in a state that allows it.
  case conflict(code: String, detail: String)
  /// As a conflict, but it passes by itself: asking again later is the thing to do.
  case notYet(code: String, detail: String)
  /// It was there and is not kept any more.
  case gone(code: String, detail: String)
  /// Values that are wrong in themselves or beside what exists, each with its place in the request.
  case invalid([FieldProblem])
  /// The key was used with another request before.
  case idempotencyMismatch
  /// The first request with this key is still under way.
  case keyInFlight
  /// The marketplace could not do it.
  case market(MarketplaceError)
  /// The marketplace does not answer, and what needs it at once is held back; nothing was done.
  case held(retryAfter: Duration)
  /// An upload that is no archive, or holds what it must not.
  case badArchive(detail: String)
  case tooLarge(limit: Int64)
  /// The disk is full: nothing was taken.
  case storageFull
  case storage(detail: String, isTransient: Bool)

  init(_ error: StoreError) {
    switch error {
    case .full: self = .storageFull
    default: self = .storage(detail: "\(error)", isTransient: error.isTransient)
    }
  }

  init(_ error: ArtifactError) {
    switch error {
    case .notAnArchive(let detail): self = .badArchive(detail: "The body is no tar.gz archive: \(detail)")
    case .unsafeEntry(let name, let reason): self = .badArchive(detail: "The entry \"\(name)\" is refused: \(reason)")
    case .tooManyEntries(let limit): self = .badArchive(detail: "The archive has more than \(limit) entries.")
    case .empty: self = .badArchive(detail: "The archive is empty.")
    case .tooLarge(let limit): self = .tooLarge(limit: Int64(limit))
    case .storageFull: self = .storageFull
    case .io(let detail): self = .storage(detail: detail, isTransient: true)
    }
  }
}

/// One wrong field: a JSON pointer into the request's body, or `?name` for a query parameter, and what is wrong with it.
package struct FieldProblem: Sendable, Hashable {
  package var pointer: String
  package var detail: String

  package init(pointer: String, detail: String) {
    self.pointer = pointer
    self.detail = detail
  }
}
