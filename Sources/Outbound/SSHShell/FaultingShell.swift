package import Domain
import Failpoints

/// Dies or fails before and after each command where a test wants it. In a release build it only passes calls on.
package struct FaultingShell: RemoteShell {
  private let inner: any RemoteShell

  package init(_ inner: any RemoteShell) { self.inner = inner }

  package func publicKey() async throws(RemoteShellError) -> String { try await inner.publicKey() }

  package func reachableAddress(among addresses: [SSHAddress], patience: Duration) async -> SSHAddress? {
    if Failpoints.pass("ssh.probe.before") { return nil }
    return await inner.reachableAddress(among: addresses, patience: patience)
  }

  package func run(
    _ command: RemoteCommand, on host: RemoteHost
  ) async throws(RemoteShellError) -> RemoteResult {
    let place = "ssh.\(command.verb)"
    if Failpoints.pass("\(place).before") { throw .unreachable(detail: "failpoint before the command") }
    let result = try await inner.run(command, on: host)
    if Failpoints.pass("\(place).after") { throw .unreachable(detail: "failpoint after the command") }
    return result
  }

  package func forget(_ host: RemoteHost) async { await inner.forget(host) }
}

extension RemoteCommand {
  /// Our scripts begin with `# vastd VERB`.
  fileprivate var verb: String {
    let words = script.prefix { $0 != "\n" }.split(separator: " ")
    return words.count == 3 && words[0] == "#" && words[1] == "vastd" ? String(words[2]) : "run"
  }
}
