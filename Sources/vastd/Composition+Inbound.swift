import API
import Domain
import FleetService
import HTTPServer
import Store
import Telemetry

/// The listeners and what they serve.
struct Inbound: Sendable {
  let api: HTTPServer
  let probes: HTTPServer?

  init(
    _ configuration: Configuration, fleet: Fleet, store: Store, metrics: Metrics,
    circuit: @escaping @Sendable () -> CircuitState, logs: Logs
  ) throws {
    let gauges = Gauges(store: store, metrics: metrics, circuit: circuit)
    let render: @Sendable () -> [UInt8] = {
      gauges.refresh()
      return metrics.render()
    }
    var settings = APIConfiguration(
      version: Build.version, token: try configuration.token.map { try AccessToken(bootstrap: $0) },
      cursorSecret: Self.cursorSecret(of: store))
    settings.servesMetrics = configuration.probeListen == nil
    settings.defaultLease = configuration.lease
    settings.defaultGPUIdle = configuration.idleGPUStop
    settings.approvalPolicy = configuration.approval
    settings.allowsPrivateWebhooks = configuration.allowsPrivateWebhooks
    let logger = logs.logger("api")
    let accessLog = AccessLog(logs: logs)
    api = try HTTPServer(
      configuration: HTTPServerConfiguration(host: configuration.listen.host, port: configuration.listen.port),
      handler: API(
        fleet: fleet, configuration: settings, metrics: render, httpSeries: metrics.http, accessLog: accessLog,
        logger: logger))
    probes = try configuration.probeListen.map { address in
      try HTTPServer(
        configuration: HTTPServerConfiguration(host: address.host, port: address.port),
        handler: API(
          probesOf: fleet, configuration: settings, metrics: render, httpSeries: metrics.http, accessLog: accessLog,
          logger: logger))
    }
  }

  /// Signs cursors. Made from what only this installation has and keeps; a cursor is no secret, it must only not be
  /// mistaken for another list's.
  private static func cursorSecret(of store: Store) -> [UInt8] {
    Array("vastd cursor \(store.owner.name)".utf8)
  }
}
