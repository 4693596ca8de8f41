import Domain
import FleetService
import HTTPServer

/// What adds up the ledger reads a row for each instance and day, so not on the server's own thread.
extension Handlers {
  func listBillingEvents(_ call: Call) async throws(APIError) -> Response {
    let list = try ListInput<LedgerFilter>(call.head, cursors)
    let page = try asking { () throws(FleetError) in try fleet.ledger(list.filter, list.page) }
    let next = page.next.map { cursors.encode($0, scope: list.scope) }
    guard call.head.prefersCSV else {
      return call.json(ListJSON.page(page.items.map(BillingJSON.render), next: next))
    }
    // A table has no room for the cursor.
    return call.csv(BillingCSV.render(page.items), extra: next.map { [("X-Next-Cursor", $0)] } ?? [])
  }

  func getBillingSummary(_ call: Call) async throws(APIError) -> Response {
    let input = try SummaryInput(call.head, now: fleet.moment())
    let report = try asking { () throws(FleetError) in
      try fleet.summary(input.range, by: input.grouping, limit: input.limit)
    }
    guard call.head.prefersCSV else { return call.json(BillingJSON.render(report, by: input.grouping)) }
    return call.csv(BillingCSV.render(report, by: input.grouping))
  }

  func getBudget(_ call: Call) async throws(APIError) -> Response {
    try refuseQuery(call)
    return try budget(call)
  }

  func updateBudget(_ call: Call) async throws(APIError) -> Response {
    try refuseQuery(call)
    let budgets = try BudgetInput.read(call.body)
    try await asking { () async throws(FleetError) in try await fleet.setBudgets(budgets) }
    return try budget(call)
  }

  private func budget(_ call: Call) throws(APIError) -> Response {
    call.json(BillingJSON.render(try asking { () throws(FleetError) in try fleet.budgets() }))
  }
}
