import API
import ArgumentParser
import Artifacts
import Domain
import Glibc
import HTTPServer
import Locking
import Store
import Telemetry

/// `vastd serve`: the service, until SIGTERM or SIGINT.
struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "serve", abstract: "Runs the service.")

  @OptionGroup var options: ConfigurationOptions

  func run() async throws {
    try await explained {
      let configuration = try Configuration(options.sources())
      forgetSecrets()
      try await Composition(configuration).serve()
    }
  }
}
