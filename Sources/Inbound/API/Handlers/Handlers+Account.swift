import Domain
import FleetService
import HTTPServer
import JSON

extension Handlers {
  func getAccount(_ call: Call) async throws(APIError) -> Response {
    try refuseQuery(call)
    let account = try await asking { () async throws(FleetError) in try await fleet.account() }
    var writer = JSONWriter(capacity: 128)
    writer.object { writer in
      writer.member("label", account.defaultLabel)
      writer.member("credit_usd", account.credit)
      writer.member("balance_usd", account.balance)
      writer.member("as_of", account.asOf)
      if account.isDegraded { writer.member("degraded", true) }
    }
    return call.dated(.bytes(writer.bytes), isDegraded: account.isDegraded)
  }
}
