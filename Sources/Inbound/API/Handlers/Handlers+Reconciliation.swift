import Domain
import FleetService
import HTTPServer

extension Handlers {
  /// Reads a row for each instance and day, so not on the server's own thread.
  func getReconciliation(_ call: Call) async throws(APIError) -> Response {
    let input = try ReconciliationInput(call.head, cursors, now: fleet.moment())
    let result = try asking { () throws(FleetError) in try fleet.reconciliation(input.range, input.page) }
    let next = result.page.next.map { cursors.encode($0, scope: input.scope) }
    return call.json(ReconciliationJSON.render(result, next: next))
  }
}
