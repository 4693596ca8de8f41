import Domain
import FleetService
import HTTPServer
import JSON

extension Handlers {
  func getAccount(_ call: Call) async throws(APIError) -> Response {
    try refuseQuery(call)
    let account = try await asking { () async throws(FleetError) in try await fleet.account() }
    let (burnRate, timeLeft) = try asking { () throws(FleetError) in try fleet.timeLeft(of: account) }
    var writer = JSONWriter(capacity: 192)
    writer.object { writer in
      writer.member("label", account.defaultLabel)
      writer.member("credit_usd", account.credit)
      writer.member("balance_usd", account.balance)
      writer.member("burn_rate_usd_per_hour", burnRate)
      writer.member("hours_left_at_current_rate", timeLeft.map { $0.inSeconds / 3600 })
      writer.member("as_of", account.asOf)
      if account.isDegraded { writer.member("degraded", true) }
    }
    return call.dated(.bytes(writer.bytes), isDegraded: account.isDegraded)
  }
}
