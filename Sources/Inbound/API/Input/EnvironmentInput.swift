import Domain
import JSON

/// Reads variables: `env` and `secrets`.
enum EnvironmentInput {
  /// Where the values go decides what they may hold.
  enum Destination {
    /// A file that the job's shell reads: anything but NUL.
    case script
    /// Vast's `env`, which becomes arguments of docker: one line each.
    case container
  }

  static func read(_ reader: ObjectReader, _ name: StaticString, for destination: Destination) -> [String: String] {
    var variables: [String: String] = [:]
    var bytes = 0
    for member in reader.members(name, limit: Limits.environmentEntries) ?? [] {
      let pointer = JSONPointer.child(reader.pointer(to: name), member.name)
      guard case .string(let value) = member.value else {
        reader.problems.add(pointer, "must be a string, not \(member.value.kind)")
        continue
      }
      if let complaint = EnvironmentName.complaint(member.name) ?? self.complaint(value, destination) {
        reader.problems.add(pointer, complaint)
        continue
      }
      bytes += member.name.utf8.count + value.utf8.count
      variables[member.name] = value
    }
    if bytes > Limits.environmentBytes {
      reader.wrong(name, "must have at most \(Limits.environmentBytes) bytes in all") as Void?
    }
    return variables
  }

  private static func complaint(_ value: String, _ destination: Destination) -> String? {
    switch destination {
    case .script: value.hasNUL ? "must not have a NUL character" : nil
    case .container: value.hasControlCharacter ? "must not have control characters or line ends" : nil
    }
  }
}

/// Reads `registry_login`.
enum RegistryLoginInput {
  static func read(_ reader: ObjectReader) -> RegistryLogin? {
    guard let login = reader.object("registry_login") else { return nil }
    let server = required(login, "server")
    let user = required(login, "user")
    let password = required(login, "password")
    login.finish()
    guard let server, let user, let password else { return nil }
    return RegistryLogin(server: server, user: user, password: password)
  }

  private static func required(_ reader: ObjectReader, _ name: StaticString) -> String? {
    guard reader.has(name) else { return reader.wrong(name, "is required") }
    return reader.string(name, .loginPart)
  }
}
