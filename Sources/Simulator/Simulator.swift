import CSystem
import Glibc
import HTTPServer
import Locking

/// Vast.ai on this machine: its REST shape over a world in memory, with a real sshd behind every running instance.
package final class Simulator: Sendable {
  package let url: String
  package let apiKey: String
  private let core: SimulatorCore
  private let server: HTTPServer

  /// Starts it. Throws `MachineError` with what to do when it cannot, `HTTPServerError` when the address is taken.
  package init(_ configuration: SimulatorConfiguration) throws {
    core = try SimulatorCore(configuration)
    var http = HTTPServerConfiguration(host: configuration.host, port: configuration.port)
    http.idleTimeoutSeconds = 120
    server = try HTTPServer(configuration: http, handler: SimulatorHandler(core: core))
    url = "http://\(configuration.host):\(server.port)"
    apiKey = configuration.apiKey
    core.open(base: url)
  }

  /// Ends every container, then stops answering.
  package func stop() async {
    core.close()
    await server.drain(grace: .seconds(1))
  }
}

package struct SimulatorConfiguration: Sendable {
  package var host = "127.0.0.1"
  /// 0 takes any free port.
  package var port: UInt16 = 0
  /// Where containers have their folders and the truth its log. Made if it does not exist.
  package var folder: String
  package var apiKey: String
  package var credit = 100.0
  package var settings = Settings()
  /// Whether instances have real processes behind them. Without, they are only numbers, and root is not needed: for tests
  /// of calls and for thousands of instances.
  package var hasMachines = true
  /// The first instance's number; one that no earlier start had if nil.
  package var firstContract: Int?
  /// Sentences for whoever runs it: what failed behind the scenes.
  package var report: @Sendable (String) -> Void

  package init(folder: String, apiKey: String, report: @escaping @Sendable (String) -> Void) {
    self.folder = folder
    self.apiKey = apiKey
    self.report = report
  }
}
