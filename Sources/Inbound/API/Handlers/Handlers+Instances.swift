import Domain
import FleetService
import HTTPServer

extension Handlers {
  func createInstance(_ call: Call) async throws(APIError) -> Response {
    try refuseQuery(call)
    let key = try call.idempotencyKey(.createInstance)
    let (request, count) = try InstanceInput.read(call.body)
    let encode: @Sendable ([Instance]) -> StoredAnswer = { instances in
      StoredAnswer(
        status: 202, location: count == 1 ? instances.first.map { "/v1/instances/\($0.id)" } : nil,
        body: InstanceJSON.created(instances, count: count))
    }
    let creation = try await asking { () async throws(FleetError) in
      try await fleet.createInstances(
        request, count: count, idempotency: key.map { IdempotentRequest(key: $0, encode: encode) })
    }
    return created(creation, call, encode)
  }

  func planInstance(_ call: Call) async throws(APIError) -> Response {
    try refuseQuery(call)
    let (request, count, defaults) = try InstanceInput.readNoting(call.body)
    let plan = try await asking { () async throws(FleetError) in
      try await fleet.plan(request, count: count, defaults: defaults)
    }
    return call.dated(.bytes(PlanJSON.render(plan)), isDegraded: plan.isDegraded)
  }

  func listInstances(_ call: Call) throws(APIError) -> Response {
    let list = try ListInput<InstanceFilter>(call.head, cursors)
    let page = try asking { () throws(FleetError) in try fleet.instances(list.filter, list.page) }
    let next = page.next.map { cursors.encode($0, scope: list.scope) }
    return call.json(ListJSON.page(page.items.map(InstanceJSON.render), next: next))
  }

  func getInstance(_ call: Call) throws(APIError) -> Response {
    try refuseQuery(call)
    let id = try id(call, Instance.self)
    return call.json(InstanceJSON.render(try asking { () throws(FleetError) in try fleet.instance(id) }))
  }

  /// Accepted, not gone: the state says `destroyed` once that is proved.
  func deleteInstance(_ call: Call) async throws(APIError) -> Response {
    try refuseQuery(call)
    let id = try id(call, Instance.self)
    let instance = try await asking { () async throws(FleetError) in try await fleet.destroyInstance(id) }
    return call.json(InstanceJSON.render(instance), status: 202)
  }

  func getInstanceSSH(_ call: Call) throws(APIError) -> Response {
    try refuseQuery(call)
    let id = try id(call, Instance.self)
    return call.json(InstanceJSON.ssh(try asking { () throws(FleetError) in try fleet.sshAccess(to: id) }))
  }
}
