import Domain
import JSON

// What goes to the table `secrets` and never to another column; nil when there is nothing to keep.

extension JobSpecification {
  var storedSecrets: [UInt8]? {
    guard !secrets.isEmpty || registryLogin != nil else { return nil }
    return JSONWriter.document { writer in
      writer.textsByName("secrets", secrets)
      if let login = registryLogin {
        writer.object("registry_login") { writer in
          writer.member("server", login.server)
          writer.member("user", login.user)
          writer.member("password", login.password)
        }
      }
    }
  }

  mutating func restoreSecrets(_ document: StoredDocument) {
    secrets = document.textsByName("secrets") ?? [:]
    guard let login = document.document("registry_login"), let server = login.text("server"),
      let user = login.text("user"), let password = login.text("password")
    else { return }
    registryLogin = RegistryLogin(server: server, user: user, password: password)
  }
}

extension RentalOrder {
  /// The whole environment: which of its values came from a job's secrets is not known here.
  var storedSecrets: [UInt8]? {
    guard !environment.isEmpty || registryLogin != nil else { return nil }
    return JSONWriter.document { writer in
      writer.textsByName("env", environment)
      writer.known("registry_login", registryLogin)
    }
  }

  mutating func restoreSecrets(_ document: StoredDocument) {
    environment = document.textsByName("env") ?? [:]
    registryLogin = document.text("registry_login")
  }

  mutating func forgetSecrets() {
    environment = [:]
    registryLogin = nil
  }
}
