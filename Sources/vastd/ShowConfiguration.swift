import ArgumentParser

/// `vastd config`: what applies and why.
struct ShowConfiguration: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config", abstract: "Prints every setting, its value and where it came from; secrets are masked.")

  @OptionGroup var options: ConfigurationOptions

  func run() throws {
    let sources = options.sources()
    for setting in Setting.all {
      let value = sources.values[setting]
      let shown = value.map { setting.isSecret ? "********" : $0.text } ?? "-"
      print(pad(setting.name, 20), pad(shown, 28), pad(value?.origin ?? "unset", 22), setting.help)
    }
    do throws(ConfigurationProblems) {
      _ = try Configuration(sources)
    } catch {
      throw ValidationError(error.description)
    }
  }

  private func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }
}
