import ArgumentParser
import CSystem
import Failpoints

/// `vastd serve`: the service, until SIGTERM or SIGINT.
struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "serve", abstract: "Runs the service.")

  @OptionGroup var options: ConfigurationOptions

  func run() async throws {
    let endings = csystem_catch_ending_signals()
    try await explained {
      if !Failpoints.areCompiled, processEnvironment()[Failpoints.variable] != nil {
        throw FailpointsInRelease()
      }
      let configuration = try Configuration(options.sources())
      forgetSecrets()
      try await Composition(configuration).serve(until: endings)
    }
  }
}

/// A program that serves people does not die on request.
private struct FailpointsInRelease: Error, CustomStringConvertible {
  let description = "\(Failpoints.variable) is set, and this is a release build: only debug builds have failpoints"
}
