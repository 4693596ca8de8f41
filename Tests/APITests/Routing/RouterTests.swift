import HTTPServer
import Testing

@testable import API

@Suite struct RouterTests {
  private let router = Router([
    .make(.get, "/livez", .getLiveness),
    .make(.get, "/v1/jobs", .listJobs),
    .make(.post, "/v1/jobs", .createJob),
    .make(.post, "/v1/jobs/plan", .planJob),
    .make(.get, "/v1/jobs/{id}", .getJob),
    .make(.get, "/v1/jobs/{id}/logs", .getJobLogs),
    .make(.delete, "/v1/instances/{id}", .deleteInstance),
    .make(.post, "/v1/webhooks/{id}/deliveries/{delivery}/replay", .replayDelivery),
    .make(.get, "/v1/webhooks/{id}/deliveries", .listDeliveries),
  ])

  private func answer(_ method: Method, _ path: String) -> String {
    switch router.match(method, path) {
    case .route(let place, let id, let part):
      ([router.routes[place].operation.rawValue] + [id, part].compactMap { $0 }).joined(separator: " ")
    case .otherMethods(let allow): "allow " + allow
    case .none: "none"
    }
  }

  @Test(arguments: [
    (Method.get, "/livez", "getLiveness"), (.head, "/livez", "getLiveness"), (.post, "/livez", "allow GET, HEAD"),
    (.get, "/v1/jobs", "listJobs"), (.post, "/v1/jobs", "createJob"), (.put, "/v1/jobs", "allow GET, HEAD, POST"),
    (.options, "/v1/jobs", "allow GET, HEAD, POST"), (.post, "/v1/jobs/plan", "planJob"),
    (.get, "/v1/jobs/job_1", "getJob job_1"), (.head, "/v1/jobs/job_1/logs", "getJobLogs job_1"),
    (.delete, "/v1/jobs/job_1", "allow GET, HEAD"), (.get, "/v1/instances/ins_1", "allow DELETE"),
    (.head, "/v1/instances/ins_1", "allow DELETE"), (.delete, "/v1/instances/ins_1", "deleteInstance ins_1"),
    (.post, "/v1/webhooks/whk_1/deliveries/dlv_2/replay", "replayDelivery whk_1 dlv_2"),
    (.get, "/v1/webhooks/whk_1/deliveries/dlv_2/replay", "allow POST"),
    (.get, "/v1/webhooks/whk_1/deliveries", "listDeliveries whk_1"),
  ])
  func `a request finds the route of its path and method`(method: Method, path: String, expected: String) {
    #expect(answer(method, path) == expected)
  }

  @Test(arguments: [
    "/", "", "/LIVEZ", "/livez/", "/livez.", "/v1", "/v1/", "/v1/jobs/", "/v1/jobs//logs", "/v1/jobs/job_1/",
    "/v1/jobs/job_1/logs/", "/v1/jobs/job_1/logs/x", "/v1/jobs/a/b", "/v1/Jobs/job_1", "/v1/jobs/job_1/LOGS",
    "/v2/jobs",
    "/v1/instances", "/v1/jobs/job_1/unknown", "/v1/webhooks/whk_1/deliveries//replay",
    "/v1/webhooks/whk_1/deliveries/dlv_2", "/v1/webhooks/whk_1/deliveries/dlv_2/replay/", "/v1/webhooks//deliveries",
    "/v1/webhooks/whk_1/deliveries/dlv_2/x/replay",
  ])
  func `a path that is not in the table is nothing, however close it comes`(path: String) {
    #expect(answer(.get, path) == "none")
  }

  @Test func `a word in the place of an id is an id, and its form is checked later`() {
    #expect(answer(.get, "/v1/jobs/..;") == "getJob ..;")
    #expect(answer(.get, "/v1/jobs/ä") == "getJob ä")
  }
}

extension Route {
  static func make(_ method: Method, _ template: String, _ operation: Operation) -> Route {
    Route(method, template, operation, .read, .now { _ in Response(status: 204) })
  }
}
