import ArgumentParser

@main
struct Vastd: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "vastd",
    abstract: "Rents GPUs on Vast.ai and runs jobs on them over a REST API.",
    discussion: "Configured by the environment: `vastd config` lists every setting, its value and where it came from.",
    version: Build.version,
    subcommands: [Serve.self, ShowConfiguration.self, Migrate.self, Version.self],
    defaultSubcommand: nil)
}

/// What was built. The commit is filled in by the image's build, which knows it.
enum Build {
  static let version = "0.1.0"
  static let commit = "unknown"
}

struct Version: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "version", abstract: "Prints the version.")

  func run() {
    print("vastd \(Build.version)")
  }
}

/// Flags that every command with a configuration takes.
struct ConfigurationOptions: ParsableArguments {
  @Option(name: .long, help: "A setting as name=value; stronger than the environment. Repeatable.")
  var set: [String] = []

  func sources() -> SettingSources {
    let environment = processEnvironment()
    let directory = environment["VASTD_CONFIG_DIR"] ?? "config"
    return SettingSources(flags: set, environment: environment, directory: directory)
  }
}
