import Domain
import FleetService
import HTTPServer

extension Handlers {
  func listCheckpoints(_ call: Call) throws(APIError) -> Response {
    try refuseQuery(call)
    let id = try id(call, Job.self)
    let checkpoints = try asking { () throws(FleetError) in try fleet.checkpoints(of: id) }
    return call.json(ListJSON.page(checkpoints.map(RecoveryJSON.render), next: nil))
  }

  func getCheckpoint(_ call: Call) throws(APIError) -> Response {
    try refuseQuery(call)
    let job = try id(call, Job.self)
    let id = try part(call, Checkpoint.self)
    let file = try asking { () throws(FleetError) in try fleet.checkpoint(id, of: job) }
    return try archive(
      file.path, sizeBytes: file.checkpoint.sizeBytes, sha256: file.checkpoint.sha256, name: id.rawValue, call)
  }

  func listExclusions(_ call: Call) throws(APIError) -> Response {
    try refuseQuery(call)
    let exclusions = try asking { () throws(FleetError) in try fleet.exclusions() }
    return call.json(ListJSON.page(exclusions.map(RecoveryJSON.render), next: nil))
  }

  func deleteExclusion(_ call: Call) async throws(APIError) -> Response {
    try refuseQuery(call)
    let id = try id(call, Exclusion.self)
    try await asking { () async throws(FleetError) in try await fleet.deleteExclusion(id) }
    return Response(status: 204, headers: [("X-Request-Id", call.context.requestID)], context: call.context)
  }
}
