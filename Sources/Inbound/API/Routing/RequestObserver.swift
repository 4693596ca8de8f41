import HTTPServer
import Logging
import Telemetry

/// Counts and logs requests when they have ended.
final class RequestObserver: Sendable {
  private let series: [HTTPRouteSeries]
  private let templates: [String]
  /// Probes and scrapes come every few seconds and would be most of the log: they are counted, and logged at level debug.
  private let isQuiet: [Bool]
  private let unmatched: HTTPRouteSeries
  private let accessLog: AccessLog

  init(_ routes: [Route], _ httpSeries: HTTPSeries, _ accessLog: AccessLog, _ logger: Logger) {
    series = routes.map { httpSeries.route($0.template, method: $0.method.rawValue) }
    templates = routes.map(\.template)
    isQuiet = routes.map { route in
      switch route.operation {
      case .getLiveness, .getReadiness, .getHealth, .getMetrics: logger.logLevel > .debug
      default: false
      }
    }
    unmatched = httpSeries.route("unmatched", method: "any")
    self.accessLog = accessLog
  }

  func completed(
    _ head: RequestHead, status: Int, bytesSent: Int, durationNanoseconds: Int64, context: RequestContext?
  ) {
    let place = context?.route
    (place.map { series[$0] } ?? unmatched).record(status: status, durationNs: durationNanoseconds)
    if let place, isQuiet[place], status < 500 { return }
    accessLog.record(
      requestID: context?.requestID ?? "-", traceID: context?.traceID, method: head.method.rawValue,
      route: place.map { templates[$0] } ?? "unmatched", path: head.path, status: status,
      durationNs: durationNanoseconds, bytes: bytesSent, principal: context?.principal)
  }
}
