package import Domain
import Failpoints

/// Dies or fails before and after each call where a test wants it: before it nothing has happened at the marketplace, after
/// it everything has and the answer is lost. In a release build it only passes calls on.
package struct Faulting: MarketplaceLayer {
  package let inner: any Marketplace

  package init(_ inner: any Marketplace) { self.inner = inner }

  package func around<Answer: Sendable>(
    _ operation: MarketplaceOperation, _ call: @Sendable () async throws(MarketplaceError) -> Answer
  ) async throws(MarketplaceError) -> Answer {
    if Failpoints.pass("vast.\(operation.rawValue).before") { throw .unavailable(detail: "failpoint before the call") }
    let answer = try await call()
    if Failpoints.pass("vast.\(operation.rawValue).after") { throw .unknownOutcome(detail: "failpoint after the call") }
    return answer
  }
}
