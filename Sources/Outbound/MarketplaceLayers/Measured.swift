package import Domain

/// Writes down how every call ended.
package struct Measured: MarketplaceLayer {
  package let inner: any Marketplace
  private let record: CallRecord

  package init(_ inner: any Marketplace, record: CallRecord) {
    self.inner = inner
    self.record = record
  }

  package func around<Answer: Sendable>(
    _ operation: MarketplaceOperation, _ call: @Sendable () async throws(MarketplaceError) -> Answer
  ) async throws(MarketplaceError) -> Answer {
    do {
      let answer = try await call()
      record.callEnded(operation, nil)
      return answer
    } catch {
      record.callEnded(operation, error)
      throw error
    }
  }
}
