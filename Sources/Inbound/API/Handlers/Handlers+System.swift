import FleetService
import HTTPServer
import Telemetry

extension Handlers {
  /// 200 while anything works, so that a load balancer keeps a degraded service; 503 when nothing does.
  func health(_ call: Call) -> Response {
    let report = fleet.health()
    return call.json(
      HealthJSON.render(report, version: configuration.version), status: report.status == .unhealthy ? 503 : 200)
  }

  /// Says that this thread still answers, and nothing about anything else: who restarts on it must not do so because
  /// Vast or a disk is away.
  func liveness(_ call: Call) -> Response { call.text(.bytes(Self.ok), type: Self.plainText) }

  func readiness(_ call: Call) -> Response {
    fleet.isReady
      ? call.text(.bytes(Self.ok), type: Self.plainText)
      : call.text(.bytes(Self.notReady), status: 503, type: Self.plainText)
  }

  func metrics(_ call: Call) -> Response { call.text(.bytes(metricsText()), type: Metrics.contentType) }

  func openAPIYAML(_ call: Call) -> Response { call.text(.shared(Self.yaml), type: "application/yaml") }

  func openAPIJSON(_ call: Call) -> Response { call.text(.shared(Self.specification), type: "application/json") }

  private static let ok = Array("ok\n".utf8)
  private static let notReady = Array("not ready\n".utf8)
  private static let plainText = "text/plain; charset=utf-8"
  private static let yaml = SharedBytes(PackageResources.openapi_yaml)
  private static let specification = SharedBytes(PackageResources.openapi_json)
}
