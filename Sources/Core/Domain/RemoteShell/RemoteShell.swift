/// Commands on a rented machine: OpenSSH in the service, memory in tests of the loops.
///
/// The machine is a stranger's. Whatever it sends is bytes with a bound, never a name or a decision of ours.
package protocol RemoteShell: Sendable {
  /// Our public key in one line of OpenSSH's format, made at first use and kept.
  func publicKey() async throws(RemoteShellError) -> String

  /// The first address, in the order given, whose server shows an SSH banner within `patience`; each is tried again and
  /// again until then. Nil when none does.
  func reachableAddress(among addresses: [SSHAddress], patience: Duration) async -> SSHAddress?

  /// Runs one command through the shell of the machine's root and waits for its end. Many may run at once on one host;
  /// all share its one connection.
  func run(_ command: RemoteCommand, on host: RemoteHost) async throws(RemoteShellError) -> RemoteResult

  /// Closes the shared connection and forgets the pinned key. For a host that is gone.
  func forget(_ host: RemoteHost) async
}

/// A machine to talk to. `pinName` stands for one boot of one contract: a host key seen first under it is the only one
/// accepted under it; another boot or contract has another name.
package struct RemoteHost: Sendable, Hashable {
  package var address: SSHAddress
  package var pinName: String

  package init(address: SSHAddress, pinName: String) {
    self.address = address
    self.pinName = pinName
  }
}

package struct RemoteCommand: Sendable {
  /// A script for a POSIX shell, sent as data; quote with `ShellQuoting`.
  package var script: String
  package var input = Input.none
  package var output = Output.collected(limit: 1 << 20)
  /// From the start of the command to its end.
  package var timeout: Duration

  package enum Input: Sendable {
    case none
    case bytes([UInt8])
    /// A local file, streamed.
    case file(path: String)
  }

  package enum Output: Sendable {
    /// Kept in memory up to `limit` bytes of each of stdout and stderr; the rest is read, dropped and marked.
    case collected(limit: Int)
    /// Stdout written to a local file, created or cut to nothing first; more than `limit` bytes is an error.
    case file(path: String, limit: Int64)
    /// Stdout handed over in pieces as it comes. Returning false ends the command.
    case pieces(@Sendable ([UInt8]) async -> Bool)
  }

  package init(script: String, timeout: Duration) {
    self.script = script
    self.timeout = timeout
  }
}

package struct RemoteResult: Sendable, Hashable {
  /// The command's own exit status, told apart from a failure of the connection.
  package var exitCode: Int32
  package var standardOutput: [UInt8]
  package var standardError: [UInt8]
  package var isTruncated: Bool

  package init(exitCode: Int32, standardOutput: [UInt8] = [], standardError: [UInt8] = [], isTruncated: Bool = false) {
    self.exitCode = exitCode
    self.standardOutput = standardOutput
    self.standardError = standardError
    self.isTruncated = isTruncated
  }

  package var outputText: String { String(decoding: standardOutput, as: UTF8.self) }
  package var errorText: String { String(decoding: standardError, as: UTF8.self) }
}

package enum RemoteShellError: Error, Sendable, Hashable {
  /// No connection, or it broke: try again. Whether the command ran is unknown.
  case unreachable(detail: String)
  /// Our key was refused: attach it again, then try again.
  case permissionDenied
  /// Another host key than the pinned one: never talk to it again under this name.
  case hostKeyChanged
  case timedOut
  /// More output than the limit of the command.
  case tooMuchOutput(limit: Int64)
  /// A local file could not be read or written, or ssh could not be started.
  case local(detail: String)
  case cancelled

  package var isTransient: Bool {
    switch self {
    case .unreachable, .permissionDenied, .timedOut: true
    case .hostKeyChanged, .tooMuchOutput, .local, .cancelled: false
    }
  }
}
