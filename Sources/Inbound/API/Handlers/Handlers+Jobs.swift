import Domain
import FleetService
import HTTPServer

extension Handlers {
  func createJob(_ call: Call) async throws(APIError) -> Response {
    try refuseQuery(call)
    let key = try call.idempotencyKey(.createJob)
    let specification = try JobInput.read(
      call.body, lease: configuration.defaultLease, policy: configuration.approvalPolicy)
    let creation = try await asking { () async throws(FleetError) in
      try await fleet.submit(specification, idempotency: key.map { IdempotentRequest(key: $0, encode: Self.created) })
    }
    return created(creation, call, Self.created)
  }

  func planJob(_ call: Call) async throws(APIError) -> Response {
    try refuseQuery(call)
    let (specification, defaults) = try JobInput.readNoting(
      call.body, lease: configuration.defaultLease, gpuIdle: configuration.defaultGPUIdle,
      policy: configuration.approvalPolicy)
    let plan = try await asking { () async throws(FleetError) in
      try await fleet.plan(specification, defaults: defaults)
    }
    return call.dated(.bytes(PlanJSON.render(plan)), isDegraded: plan.isDegraded)
  }

  /// The versions of a page come from an index; the JSON of those that did not change is kept. The count of commits is read
  /// first, so that what is kept under it is never older than that.
  func listJobs(_ call: Call) throws(APIError) -> Response {
    let commits = fleet.commits
    let target = call.head.rawTarget
    if let bytes = jobAnswers.page(target, commits: commits) { return call.json(.shared(bytes)) }
    let list = try ListInput<JobFilter>(call.head, cursors)
    let versions = try asking { () throws(FleetError) in try fleet.jobVersions(list.filter, list.page) }
    if let bytes = jobAnswers.page(target, versions.items, commits: commits) { return call.json(.shared(bytes)) }
    let items = try asking { () throws(FleetError) in try renderedItems(versions.items, commits) }
    let next = versions.next.map { cursors.encode($0, scope: list.scope) }
    let bytes = SharedBytes(ListJSON.page(items, next: next))
    jobAnswers.keep(bytes, target, versions.items, commits: commits)
    return call.json(.shared(bytes))
  }

  private func renderedItems(
    _ versions: [JobVersion], _ commits: UInt64
  ) throws(FleetError) -> [[UInt8]] {
    var items: [[UInt8]] = []
    items.reserveCapacity(versions.count)
    for version in versions {
      if let kept = jobAnswers.rendered(version.id, version: version.version, commits: commits) {
        items.append(kept.item)
      } else {
        items.append(jobAnswers.rendered(try fleet.job(version.id), commits: commits).item)
      }
    }
    return items
  }

  func getJob(_ call: Call) throws(APIError) -> Response {
    try refuseQuery(call)
    let id = try id(call, Job.self)
    let commits = fleet.commits
    if let kept = jobAnswers.rendered(id, commits: commits) { return call.json(.shared(kept.whole)) }
    let version = try asking { () throws(FleetError) in try fleet.jobVersion(id) }
    if let kept = jobAnswers.rendered(id, version: version, commits: commits) { return call.json(.shared(kept.whole)) }
    let job = try asking { () throws(FleetError) in try fleet.job(id) }
    return call.json(.shared(jobAnswers.rendered(job, commits: commits).whole))
  }

  func approveJob(_ call: Call) async throws(APIError) -> Response {
    try refuseQuery(call)
    let id = try id(call, Job.self)
    return call.json(JobJSON.whole(try await asking { () async throws(FleetError) in try await fleet.approve(id) }))
  }

  func cancelJob(_ call: Call) async throws(APIError) -> Response {
    try refuseQuery(call)
    let id = try id(call, Job.self)
    let job = try await asking { () async throws(FleetError) in try await fleet.cancel(id) }
    return call.json(JobJSON.whole(job), status: 202)
  }

  func retryJob(_ call: Call) async throws(APIError) -> Response {
    try refuseQuery(call)
    let id = try id(call, Job.self)
    let key = try call.idempotencyKey(.retryJob)
    let creation = try await asking { () async throws(FleetError) in
      try await fleet.retry(id, idempotency: key.map { IdempotentRequest(key: $0, encode: Self.created) })
    }
    return created(creation, call, Self.created)
  }

  func getJobReport(_ call: Call) throws(APIError) -> Response {
    try refuseQuery(call)
    let id = try id(call, Job.self)
    return call.json(JobJSON.report(try asking { () throws(FleetError) in try fleet.report(on: id) }))
  }

  private static func created(_ job: Job) -> StoredAnswer {
    StoredAnswer(status: 201, location: "/v1/jobs/\(job.id)", body: JobJSON.whole(job))
  }
}
