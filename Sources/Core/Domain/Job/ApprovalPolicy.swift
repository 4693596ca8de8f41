/// Which jobs wait for approval when they do not say. A job that says so itself has its way. Raw values are configured.
package enum ApprovalPolicy: String, Sendable, Hashable, CaseIterable {
  case always
  /// Those whose cost nothing bounds.
  case withoutBudget = "without_budget"
  case never

  package func approval(of specification: JobSpecification) -> Approval {
    switch self {
    case .always: .required
    case .withoutBudget: specification.isBudgeted ? .automatic : .required
    case .never: .automatic
    }
  }
}

extension JobSpecification {
  /// Its cost is bounded: by itself, or by its time and its price.
  fileprivate var isBudgeted: Bool {
    maximumCost != nil || (maximumDuration != nil && resources.maximumPricePerHour != nil)
  }
}
