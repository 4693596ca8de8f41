/// A loop that makes what is so into what is wanted.
///
/// `activate` takes no input and looks at everything, so that a lost nudge, a crash and a second replica lead to the same
/// work. It never retries inside; the next activation will.
package protocol Reconciler: Sendable {
  var name: String { get }
  func activate() async -> Outcome
}

/// What one activation came to, for the log.
package struct Outcome: Sendable, Hashable {
  package var examined = 0
  package var changed = 0
  /// Changes that somebody else made first: counted, not errors.
  package var raced = 0
  package var failures = 0

  package init() {}
}
