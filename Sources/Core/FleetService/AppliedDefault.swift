package import Domain

/// What a request left out, and what stands in for it.
package struct AppliedDefault: Sendable, Hashable {
  /// The member's name in the request.
  package var field: String
  package var value: Value
  package var source: Source

  package init(_ field: String, _ value: Value, _ source: Source = .contract) {
    self.field = field
    self.value = value
    self.source = source
  }

  package enum Value: Sendable, Hashable {
    case text(String)
    case integer(Int64)
    case number(Double)
    case flag(Bool)
    case money(Money)
    case texts([String])
  }

  /// Who chose it. Raw values are served.
  package enum Source: String, Sendable, Hashable, CaseIterable {
    /// The same everywhere; openapi.yaml has it.
    case contract
    /// The job's kind.
    case kind
    /// A setting of this server's.
    case configuration
    /// The setting `approval`.
    case policy
    case accountNickname = "account_nickname"
    case accountEmail = "account_email"
    /// The chosen offer.
    case offer
  }
}
