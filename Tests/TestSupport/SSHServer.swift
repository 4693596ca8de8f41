import CSystem
package import Domain
import Glibc
import Locking

/// A real sshd on a high port of 127.0.0.1, whose "machine" is a temporary folder. One per test; ends with the test
/// process, whatever ends that.
///
/// The recipe, tried on OpenSSH 9.2 as root and good for any other user too:
///
/// - `/usr/sbin/sshd -D -e -f CONFIG`, by its absolute path because it runs itself again for each connection. As root it
///   wants the folder `/run/sshd` to exist, root's and 0755; it never puts anything there.
/// - `SetEnv HOME=DIR PATH=…` in one line (only the first such line counts) moves the home: `SetEnv` is applied last and
///   wins over the password file. The working folder at login stays that of the password file, so scripts must say
///   `cd "$HOME"` or use `~`. No `ForceCommand`, no chroot: commands, their stdin and their exit status are plain sshd's.
/// - `StrictModes no`, since the temporary folder's parents are not ours; `UsePAM no`, so that root's account state and
///   the system's PAM files play no part; `AuthorizedKeysFile` absolute. sshd reads that file at each login: rewriting it
///   adds or takes away a key without a restart, as Vast's "attach" does.
/// - `MaxStartups 200`: the default of 10 drops connections of tests that probe at the same time.
/// - A shell holds the read end of a pipe of ours and kills sshd at its end: nothing is left when the tests crash.
/// - Every process that a login starts carries `VASTD_TEST_MACHINE=<port>-<chance>` in its environment, so `reboot` can
///   kill what detached itself from its connection, and nothing else.
package final class SSHServer: Sendable {
  package let address: SSHAddress
  package let user: String
  /// Holds `home/`, keys, configuration and `sshd.log`.
  package let folder: String
  package var home: String { folder + "/home" }
  private let marker: String
  private let state: Locked<State>

  private struct State {
    var shell: pid_t?
    var lease: Int32 = -1
  }

  private init(address: SSHAddress, user: String, folder: String, marker: String) {
    self.address = address
    self.user = user
    self.folder = folder
    self.marker = marker
    state = Locked(State())
  }

  deinit { state.withLock { Self.end(&$0) } }

  /// - Parameter path: put before `/usr/bin:/bin` in the PATH of every login, for stand-ins of programs.
  /// - Parameter options: more lines of sshd_config. The first value of an option wins: these come first.
  package static func start(
    authorizedKeys: [String] = [], path: String? = nil, options: [String] = []
  ) async throws -> SSHServer {
    for _ in 0..<10 {
      do {
        return try await start(authorizedKeys, path: path, options: options)
      } catch is PortTaken {
        continue
      }
    }
    throw SSHServerError("no port stays free long enough")
  }

  private static func start(_ authorizedKeys: [String], path: String?, options: [String]) async throws -> SSHServer {
    guard let entry = getpwuid(getuid()) else { throw SSHServerError("no user entry") }
    var template = Array("/tmp/vastd-sshd-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { throw SSHServerError("mkdtemp failed") }
    let folder = String(cString: made)
    let port = try freePort()
    let marker = "VASTD_TEST_MACHINE=\(port)-\(UInt64.random(in: 0 ... .max))"
    let server = SSHServer(
      address: SSHAddress(host: "127.0.0.1", port: port), user: String(cString: entry.pointee.pw_name), folder: folder,
      marker: marker)
    guard mkdir(server.home, 0o700) == 0 else { throw SSHServerError("mkdir failed") }
    if getuid() == 0 { mkdir("/run/sshd", 0o755) }
    try server.makeHostKey()
    try server.authorize(authorizedKeys)
    let search = (path.map { $0 + ":" } ?? "") + "/usr/local/bin:/usr/bin:/bin"
    try write(
      (options + [
        "Port \(port)", "ListenAddress 127.0.0.1", "HostKey \(folder)/host_key", "PidFile \(folder)/sshd.pid",
        "AuthorizedKeysFile \(folder)/authorized_keys", "StrictModes no", "UsePAM no", "UseDNS no",
        "PermitRootLogin prohibit-password", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
        "MaxStartups 200", "LogLevel VERBOSE",
        "SetEnv \"HOME=\(server.home)\" \"PATH=\(search)\" \"\(marker)\"",
      ]).joined(separator: "\n") + "\n", to: folder + "/sshd_config")
    do {
      try await server.startListening()
    } catch {
      removeTree(folder)
      throw error
    }
    return server
  }

  /// Starts sshd again after `stop`, on the same port with the same home and the present host key.
  package func startListening() async throws {
    unlink(folder + "/sshd.pid")
    var pipe: [Int32] = [-1, -1]
    guard csystem_pipe(&pipe) == 0 else { throw SSHServerError("pipe failed") }
    let errors = csystem_open(folder + "/sshd.log", O_WRONLY | O_CREAT | O_APPEND, 0o600)
    defer {
      close(pipe[0])
      close(errors)
    }
    let shell = try spawn(
      ["/bin/sh", "-c", #""$@" & p=$!; read -r _; kill "$p"; wait "$p""#, "sh"]
        + ["/usr/sbin/sshd", "-D", "-e", "-f", folder + "/sshd_config"], input: pipe[0], output: errors)
    state.withLock {
      $0.shell = shell
      $0.lease = pipe[1]
    }
    // sshd writes its pid file once it listens.
    for _ in 0..<1000 {
      if listenerPID != nil { return }
      if log.contains("Cannot bind any address") { break }
      try await ContinuousClock().pause(for: .milliseconds(5))
    }
    if log.contains("Address already in use") { throw PortTaken() }
    throw SSHServerError("sshd did not start: " + log)
  }

  /// Replaces the accepted keys from the next login on.
  package func authorize(_ publicKeys: [String]) throws {
    try write(publicKeys.map { $0 + "\n" }.joined(), to: folder + "/authorized_keys")
  }

  /// A new host key, in use after the next `startListening`.
  package func makeHostKey(type: String = "ed25519") throws {
    unlink(folder + "/host_key")
    unlink(folder + "/host_key.pub")
    let null = csystem_open("/dev/null", O_RDWR, 0)
    defer { close(null) }
    let keygen = try spawn(
      ["/usr/bin/ssh-keygen", "-q", "-t", type, "-N", "", "-C", "test host", "-f", folder + "/host_key"],
      input: null, output: null)
    var status: Int32 = 0
    guard waitpid(keygen, &status, 0) == keygen, status == 0 else { throw SSHServerError("ssh-keygen failed") }
  }

  /// What sshd has logged so far.
  package var log: String { (try? readText(folder + "/sshd.log")) ?? "" }

  /// Cuts every connection, as a network that fails: sshd goes on listening, detached processes go on running.
  package func dropConnections() {
    guard let listenerPID else { return }
    for child in ProcessTable.children(of: listenerPID) { ProcessTable.killTree(child, sparing: marker) }
  }

  /// Kills every process that a login has started, its connections too, as a reboot of the machine does.
  package func reboot() {
    dropConnections()
    // Twice: a process that forked while the table was being read has left a child.
    for _ in 0..<2 {
      for process in ProcessTable.processes(with: marker) { kill(process, SIGKILL) }
    }
  }

  /// Stops listening, for `startListening` to begin again. Detached processes go on, and connections too: drop them before.
  package func stopListening() {
    state.withLock { Self.end(&$0) }
  }

  /// Stops all that runs on this machine and removes its folder.
  package func destroy() {
    reboot()
    stopListening()
    removeTree(folder)
  }

  private var listenerPID: pid_t? {
    guard let text = try? readText(folder + "/sshd.pid") else { return nil }
    return pid_t(text.prefix(while: \.isNumber))
  }

  private static func end(_ state: inout State) {
    if state.lease >= 0 { close(state.lease) }
    if let shell = state.shell { waitpid(shell, nil, 0) }
    state = State()
  }
}

package struct SSHServerError: Error, CustomStringConvertible {
  package let description: String
  init(_ description: String) { self.description = description }
}

/// Another program took the port between the look at it and sshd's start.
private struct PortTaken: Error {}

/// A port that nobody listens on now, below those that the kernel gives to outgoing connections.
private func freePort() throws -> UInt16 {
  for _ in 0..<1000 {
    let port = UInt16.random(in: 15_000..<32_000)
    if isFree(port) { return port }
  }
  throw SSHServerError("no free port")
}

private func isFree(_ port: UInt16) -> Bool {
  let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  defer { close(descriptor) }
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
  address.sin_port = port.bigEndian
  let length = socklen_t(MemoryLayout<sockaddr_in>.size)
  let failure = withUnsafeMutablePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
      bind(descriptor, generic, length) != 0
    }
  }
  return !failure
}

private func spawn(_ arguments: [String], input: Int32, output: Int32) throws -> pid_t {
  var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
  let variables = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
  var environment: [UnsafeMutablePointer<CChar>?] = variables.map { strdup($0) } + [nil]
  defer { for pointer in pointers + environment { free(pointer) } }
  var process: pid_t = 0
  let failure = csystem_spawn(&process, arguments[0], &pointers, &environment, input, output, output)
  if failure != 0 { throw SSHServerError("\(arguments[0]) did not start: errno \(failure)") }
  return process
}

private func write(_ text: String, to path: String) throws {
  let descriptor = csystem_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
  guard descriptor >= 0 else { throw SSHServerError("cannot write \(path)") }
  defer { close(descriptor) }
  let bytes = Array(text.utf8)
  guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count else { throw SSHServerError("cannot write \(path)") }
}

/// Removes a folder and all below it, following no link.
package func removeTree(_ path: String) {
  let null = csystem_open("/dev/null", O_RDWR, 0)
  defer { close(null) }
  guard let process = try? spawn(["/bin/rm", "-rf", "--", path], input: null, output: null) else { return }
  waitpid(process, nil, 0)
}
