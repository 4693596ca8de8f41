import ArgumentParser
import CSystem

/// `vastd serve`: the service, until SIGTERM or SIGINT.
struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "serve", abstract: "Runs the service.")

  @OptionGroup var options: ConfigurationOptions

  func run() async throws {
    let endings = csystem_catch_ending_signals()
    try await explained {
      let configuration = try Configuration(options.sources())
      forgetSecrets()
      try await Composition(configuration).serve(until: endings)
    }
  }
}
