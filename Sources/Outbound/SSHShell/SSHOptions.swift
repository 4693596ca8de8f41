import Domain

/// Every option of the client, fixed here: no configuration file, agent, environment variable or password plays a part.
struct SSHOptions {
  var clientPath: String
  var user: String
  var identityFile: String
  var host: RemoteHost
  var knownHostsFile: String
  var controlPath: String
  /// First contact under this name: the key that is shown becomes the only one. Later contacts accept no other.
  var isFirstContact: Bool

  /// `LC_ALL` so that messages can be told apart; no agent, no display, no terminal.
  static let environment = ["PATH=/usr/bin:/bin", "LC_ALL=C"]

  /// A connection that goes into the background once it stands and the login was accepted, serves the sessions of one
  /// host and ends `persistence` seconds after the last of them.
  func master(persistenceSeconds: Int) -> [String] {
    [clientPath] + common(controlMaster: "yes") + ["-N", "-o", "ControlPersist=\(persistenceSeconds)"] + destination
  }

  /// One command over the master. Should that be gone in this very moment, the client connects by itself, under the same
  /// rules.
  func session(command: String) -> [String] {
    [clientPath] + common(controlMaster: "no") + destination + [command]
  }

  /// `--` ends the options: a host cannot be one. It was checked to be a plain name or address before.
  private var destination: [String] { ["-p", "\(host.address.port)", "-l", user, "--", host.address.host] }

  private func common(controlMaster: String) -> [String] {
    let options = [
      "BatchMode=yes",
      "IdentitiesOnly=yes",
      "IdentityAgent=none",
      "IdentityFile=\(Self.fileValue(identityFile))",
      "CertificateFile=none",
      "PubkeyAuthentication=yes",
      "PreferredAuthentications=publickey",
      "PasswordAuthentication=no",
      "KbdInteractiveAuthentication=no",
      "HostbasedAuthentication=no",
      "GSSAPIAuthentication=no",
      "UserKnownHostsFile=\(Self.fileValue(knownHostsFile))",
      "GlobalKnownHostsFile=/dev/null",
      "StrictHostKeyChecking=\(isFirstContact ? "accept-new" : "yes")",
      "HostKeyAlias=\(host.pinName)",
      "HashKnownHosts=no",
      "UpdateHostKeys=no",
      "VerifyHostKeyDNS=no",
      "CheckHostIP=no",
      "ClearAllForwardings=yes",
      "ForwardAgent=no",
      "ForwardX11=no",
      "PermitLocalCommand=no",
      "ProxyCommand=none",
      "CanonicalizeHostname=no",
      "Tunnel=no",
      "RequestTTY=no",
      "EscapeChar=none",
      "ConnectTimeout=10",
      "ConnectionAttempts=1",
      "TCPKeepAlive=yes",
      "ServerAliveInterval=15",
      "ServerAliveCountMax=3",
      "Compression=no",
      "LogLevel=ERROR",
      // At the head of the client's own list: 50 ms less than the post-quantum default, and nothing weaker is let in.
      "KexAlgorithms=^curve25519-sha256,curve25519-sha256@libssh.org",
      "ControlMaster=\(controlMaster)",
      "ControlPath=\(Self.fileValue(controlPath))",
    ]
    return ["-F", "none", "-T"] + options.flatMap { ["-o", $0] }
  }

  /// The client splits values at white space, and expands `%` and `${`; see `isUsable`.
  private static func fileValue(_ path: String) -> String {
    "\"" + path.split(separator: "%", omittingEmptySubsequences: false).joined(separator: "%%") + "\""
  }

  /// No path that the client would read in another way than we mean.
  static func isUsable(path: String) -> Bool {
    path.hasPrefix("/") && !path.utf8.contains { $0 < 32 || $0 == 127 || "\"\\$~".utf8.contains($0) }
  }

  /// A pin's name is also a file's name and a word in `known_hosts`.
  static func isUsable(pinName: String) -> Bool {
    !pinName.isEmpty && pinName.utf8.count <= 200 && pinName.first != "." && pinName.first != "-"
      && pinName.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
          true
        default: false
        }
      }
  }
}
