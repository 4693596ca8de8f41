import Glibc

/// The folder behind one contract: its disk, and the scripts that make real processes of it.
///
///     root/           HOME of every login; survives a stop, not a recycle or a destroy
///     etc/environment what /etc/environment is in a real container: onstart writes it, sessions read it
///     bin/            stand-ins, first in PATH
///     container.log   what onstart wrote        daemon.log   what sshd wrote
///
/// There is no chroot: paths outside HOME are this machine's. The one exception is the text `/etc/environment` in onstart,
/// which would otherwise be appended to for real.
struct ContainerFolder: Sendable {
  let path: String

  var home: String { path + "/root" }
  var log: String { path + "/container.log" }
  var daemonLog: String { path + "/daemon.log" }
  var boot: String { path + "/boot.sh" }
  var initRecord: String { path + "/init" }
  private var environmentFile: String { path + "/etc/environment" }
  private var session: String { path + "/session" }
  private var configuration: String { path + "/sshd_config" }
  private var hostKey: String { path + "/ssh_host_ed25519_key" }
  private var keys: String { home + "/.ssh/authorized_keys" }

  /// The variable that every process of the container carries, except sshd's own, which overwrite theirs.
  static let marker = "VAST_SIM_CONTAINER"

  func prepare(_ plan: ContainerPlan) throws(MachineError) {
    for folder in [path, home, home + "/.ssh", path + "/etc", path + "/bin"] {
      try Files.makeFolder(folder, mode: 0o700)
    }
    try Files.write(NvidiaSMI.script(plan), to: path + "/bin/nvidia-smi", mode: 0o755)
    if plan.hasFullDisk {
      try Files.write(Self.fullDisk, to: path + "/bin/df", mode: 0o755)
    } else {
      try Files.remove(path + "/bin/df")
    }
    try Files.write(sessionScript, to: session, mode: 0o755)
    try Files.write(sshdConfiguration(plan), to: configuration)
    try Files.write(bootScript(plan), to: boot, mode: 0o755)
    if let onstart = plan.onstart {
      try Files.write(
        onstart.replacing("/etc/environment", with: environmentFile), to: home + "/onstart.sh", mode: 0o755)
    } else {
      try Files.remove(home + "/onstart.sh")
    }
    try authorize(plan.keys)
  }

  /// In the form of `df -Pk`.
  private static let fullDisk = """
    #!/bin/sh
    echo 'Filesystem 1024-blocks Used Available Capacity Mounted on'
    echo 'overlay 67108864 67108864 0 100% /'

    """

  func authorize(_ keys: [String]) throws(MachineError) {
    // A job may have removed its whole home; then nobody gets in until the next start, as in a real container.
    guard access(home + "/.ssh", F_OK) == 0 else { return }
    try Files.write(keys.map { $0 + "\n" }.joined(), to: self.keys, mode: 0o600)
  }

  /// Empties the disk.
  func wipe() throws(MachineError) {
    for part in [home, path + "/etc"] { try Files.remove(part) }
  }

  /// What the container's first program sees.
  func environment(_ plan: ContainerPlan) -> [String] {
    let own = [
      "HOME=\(home)", "USER=root", "LOGNAME=root", "SHELL=/bin/bash", "PATH=\(searchPath)", "LANG=C.UTF-8",
      "DATA_DIRECTORY=\(home)", "\(Self.marker)=\(path)",
    ]
    let given = plan.environment.map { "\($0.name)=\($0.value)" }
    let names = Set(given.compactMap { $0.split(separator: "=", maxSplits: 1).first })
    return own.filter { !names.contains($0.split(separator: "=", maxSplits: 1)[0]) } + given
  }

  private var searchPath: String { "\(path)/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" }

  // MARK: Scripts

  /// onstart beside sshd, which comes a while after it, with a host key of its own for each start.
  private func bootScript(_ plan: ContainerPlan) -> String {
    var script = """
      #!/bin/sh
      if [ -f "$HOME/onstart.sh" ]; then
        /bin/bash "$HOME/onstart.sh" </dev/null >>\(Files.quoted(log)) 2>&1 &
      fi

      """
    guard !plan.sshPorts.isEmpty else { return script + "wait\nexec sleep infinity\n" }
    script += """
      rm -f \(Files.quoted(hostKey)) \(Files.quoted(hostKey)).pub
      ssh-keygen -q -t ed25519 -N '' -f \(Files.quoted(hostKey))
      sleep \(plan.sshDelay)
      # The shell stays: every login descends from it, and its environment is the container's, as process 1's is at Vast.
      setpriv --pdeathsig KILL /usr/sbin/sshd -D -e -f \(Files.quoted(configuration))
      exit

      """
    return script
  }

  /// Runs what a login asks for with HOME moved here. A plain command, sftp and a shell all come through it.
  private var sessionScript: String {
    """
    #!/bin/sh
    export HOME=\(Files.quoted(home)) USER=root LOGNAME=root SHELL=/bin/bash
    export PATH=\(Files.quoted(searchPath)) \(Self.marker)=\(Files.quoted(path))
    if [ -f \(Files.quoted(environmentFile)) ]; then
      while IFS= read -r line; do
        case $line in [A-Za-z_]*=*) export "$line" ;; esac
      done <\(Files.quoted(environmentFile))
    fi
    cd "$HOME" || exit 1
    if [ -n "$SSH_ORIGINAL_COMMAND" ]; then exec /bin/bash -c "$SSH_ORIGINAL_COMMAND"; fi
    exec /bin/bash -i

    """
  }

  private func sshdConfiguration(_ plan: ContainerPlan) -> String {
    """
    \(plan.sshPorts.map { "ListenAddress 127.0.0.1:\($0)" }.joined(separator: "\n"))
    HostKey \(hostKey)
    PidFile none
    AuthorizedKeysFile \(keys)
    AllowUsers root
    PermitRootLogin yes
    PubkeyAuthentication yes
    PasswordAuthentication no
    KbdInteractiveAuthentication no
    # The folder's parents are whoever's runs this.
    StrictModes no
    # PAM would let a locked root in, and bring the machine's own session set-up along: only where there is no other way.
    UsePAM \(Self.rootIsLocked ? "yes" : "no")
    PrintMotd no
    PrintLastLog no
    UseDNS no
    # The default of 10 drops connections of clients that probe at the same time.
    MaxStartups 200
    SetEnv HOME=\(home) \(Self.marker)=\(path)
    ForceCommand \(session)
    Subsystem sftp /usr/lib/openssh/sftp-server

    """
  }

  /// Without PAM, sshd refuses accounts whose password begins with an exclamation mark, keys or not.
  private static let rootIsLocked: Bool = {
    let shadow = String(decoding: Files.read("/etc/shadow") ?? [], as: UTF8.self)
    return shadow.split(separator: "\n").contains { $0.hasPrefix("root:!") }
  }()
}
