import ArgumentParser
import Artifacts
import SQLiteDriver
import Store

/// `vastd migrate`: brings the database up to date and ends, for a deployment that wants that as a step of its own.
struct Migrate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "migrate", abstract: "Brings the database up to date; `serve` does it too.")

  @OptionGroup var options: ConfigurationOptions

  func run() async throws {
    try await explained {
      let configuration = try Configuration(options.sources())
      let data = try DataDirectory(path: configuration.dataDirectory)
      let path = configuration.databasePath ?? data.databasePath
      let store = try Store(driver: SQLiteDriver(path: path), owner: configuration.owner, now: currentTime)
      let applied = store.opening.migrations.map(String.init).joined(separator: ", ")
      print(applied.isEmpty ? "\(path) is up to date" : "\(path): applied \(applied)")
      await store.close()
    }
  }
}
