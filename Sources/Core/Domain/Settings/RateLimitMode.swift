/// What becomes of a caller's call for which Vast's pace leaves no room yet. Raw values are stored and served.
package enum RateLimitMode: String, Sendable, Hashable, CaseIterable {
  /// It waits for its turn.
  case queue
  /// The caller is told when to come again. The loops wait for their turns in either mode: nobody asks again for them.
  case reject
}
