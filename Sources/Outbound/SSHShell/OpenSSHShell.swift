package import Domain
import Glibc
import Locking

/// Commands on rented machines through the OpenSSH client of this system.
///
/// A subprocess and not a library: libssh2 here lacks strict key exchange and today's ciphers, and OpenSSH brings its
/// review, its known hosts and its own address space. A first command costs a handshake (150 to 200 ms), each later one
/// 10 ms; a master costs 1.3 MB while it lives.
package final class OpenSSHShell: RemoteShell {
  package struct Configuration: Sendable {
    /// Keys and pins are kept in `ssh/` below it.
    package var dataDirectory: String
    package var user = "root"
    package var clientPath = "/usr/bin/ssh"
    package var keygenPath = "/usr/bin/ssh-keygen"
    /// For the sockets of the masters when the data directory's own path is too long for one.
    package var runtimeDirectory = "/tmp"
    package var sessionsPerHost = 8
    /// How long a master outlives its last session. Long enough to serve a job's steps, short enough to be no leftover.
    package var persistenceSeconds = 60
    /// TCP, key exchange and login together. The client's own `ConnectTimeout` bounds the first two only.
    package var loginPatience = Duration.seconds(20)
    /// Handshakes at once, each of which costs tens of milliseconds of a core.
    package var loginsAtOnce = 16

    package init(dataDirectory: String) { self.dataDirectory = dataDirectory }
  }

  private let configuration: Configuration
  private let folder: String
  private let socketFolder: String
  private let keyPair: KeyPair
  private let logins: SessionLimiter
  private let connections = Locked<[RemoteHost: HostConnection]>([:])

  /// Makes the folders and ends the masters that a predecessor left: what they still carry is nobody's any more. So the
  /// data directory must be this process's alone by now.
  package init(_ configuration: Configuration) throws(RemoteShellError) {
    self.configuration = configuration
    folder = configuration.dataDirectory + "/ssh"
    guard SSHOptions.isUsable(path: folder), SSHOptions.isUsable(path: configuration.runtimeDirectory) else {
      throw .local(
        detail: "ssh cannot use the path \(folder): it must be absolute, without quotes, $, ~ and backslashes")
    }
    try Files.makePrivateFolder(folder)
    try Files.makePrivateFolder(folder + "/known")
    socketFolder = Self.socketFolder(below: folder, orBelow: configuration.runtimeDirectory)
    try Files.makePrivateFolder(socketFolder)
    for name in Files.names(in: socketFolder) { ControlSocket.terminate(socketFolder + "/" + name) }
    keyPair = KeyPair(path: folder + "/id_ed25519", keygenPath: configuration.keygenPath)
    logins = SessionLimiter(limit: configuration.loginsAtOnce)
  }

  package func publicKey() async throws(RemoteShellError) -> String { try await keyPair.load() }

  package func reachableAddress(among addresses: [SSHAddress], patience: Duration) async -> SSHAddress? {
    await BannerProbe.firstAnswering(among: addresses.filter(\.isPlausible), patience: patience)
  }

  /// When `Output.pieces` ends the command, the exit status is 141, as of a program whose reader has gone.
  package func run(_ command: RemoteCommand, on host: RemoteHost) async throws(RemoteShellError) -> RemoteResult {
    guard host.address.isPlausible else { throw .local(detail: "no plausible address of an SSH server") }
    guard SSHOptions.isUsable(pinName: host.pinName) else { throw .local(detail: "no plausible name for a pin") }
    _ = try await keyPair.load()
    let connection = connection(to: host)
    try await connection.sessions.enter()
    defer { connection.sessions.leave() }
    try await connection.makeReady(logins: logins)
    let session = RemoteSession(command: command, frame: RemoteFrame(), options: connection.sessionOptions)
    do throws(RemoteShellError) {
      return try await session.run()
    } catch .timedOut where !session.hasBegun {
      // Not even the shell spoke: the connection hangs, and it would hang the next command too.
      connection.close()
      throw .timedOut
    }
  }

  package func forget(_ host: RemoteHost) async {
    let gone = connections.withLock { connections in
      let gone = connections.filter { $0.key.pinName == host.pinName }
      for host in gone.keys { connections[host] = nil }
      return gone.values
    }
    for connection in gone { connection.close() }
    if SSHOptions.isUsable(pinName: host.pinName) { unlink(knownHostsFile(host.pinName)) }
  }

  /// Ends every connection, for the end of the program. What runs detached on the machines goes on.
  package func close() {
    let all = connections.withLock { connections in
      defer { connections = [:] }
      return connections.values
    }
    for connection in all { connection.close() }
  }

  private func connection(to host: RemoteHost) -> HostConnection {
    connections.withLock { connections in
      if let connection = connections[host] { return connection }
      // By chance and not by the host's name: two hosts can never meet in one socket.
      var name = String(UInt32.random(in: 0 ... .max), radix: 16)
      while connections.values.contains(where: { $0.options.controlPath.hasSuffix("/" + name) }) {
        name = String(UInt32.random(in: 0 ... .max), radix: 16)
      }
      let connection = HostConnection(
        options: SSHOptions(
          clientPath: configuration.clientPath, user: configuration.user, identityFile: keyPair.path, host: host,
          knownHostsFile: knownHostsFile(host.pinName), controlPath: socketFolder + "/" + name, isFirstContact: true),
        sessionLimit: configuration.sessionsPerHost, persistenceSeconds: configuration.persistenceSeconds,
        loginPatience: configuration.loginPatience)
      connections[host] = connection
      return connection
    }
  }

  /// The key that a machine showed first under this name, `ssh-ed25519 AAAA…`; nil before the first contact.
  package func hostKey(pinnedAs pinName: String) -> String? {
    guard SSHOptions.isUsable(pinName: pinName) else { return nil }
    do throws(RemoteShellError) {
      guard let bytes = try Files.read(knownHostsFile(pinName)) else { return nil }
      // `NAME TYPE KEY`, as ssh wrote it.
      let words = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace)
      return words.count >= 3 ? "\(words[1]) \(words[2])" : nil
    } catch {
      // It is shown for people; whoever connects reads the file again and is told.
      return nil
    }
  }

  private func knownHostsFile(_ pinName: String) -> String { folder + "/known/" + pinName }

  /// In the data directory, or else at a place that the next process with this data directory finds again.
  private static func socketFolder(below folder: String, orBelow runtimeDirectory: String) -> String {
    let preferred = folder + "/c"
    if preferred.utf8.count + 9 <= ControlSocket.pathLimit { return preferred }
    // FNV-1a: told apart from other data directories; protected by its mode and owner, not by its name.
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in folder.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return runtimeDirectory + "/vastd-ssh-" + String(hash, radix: 16)
  }
}
