import Domain
import FleetService
import HTTPServer

extension Handlers {
  func listOrphans(_ call: Call) throws(APIError) -> Response {
    try refuseQuery(call)
    return call.json(OrphanJSON.render(fleet.orphans()))
  }

  func getSettings(_ call: Call) throws(APIError) -> Response {
    try refuseQuery(call)
    return settings(call)
  }

  func updateSettings(_ call: Call) async throws(APIError) -> Response {
    try refuseQuery(call)
    let changes = try SettingsInput.read(call.body)
    try await asking { () async throws(FleetError) in try await fleet.changeSettings(changes) }
    return settings(call)
  }

  private func settings(_ call: Call) -> Response {
    let settings = fleet.settings()
    return call.json(SettingsJSON.render(settings.current, changed: settings.changed))
  }
}
