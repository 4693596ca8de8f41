extension RemoteWorkspace {
  /// Makes the folder and prints the status. An older attempt found here is killed and wiped; a newer one is left alone.
  ///
  /// Refuses with `.diskFull` when less is free than asked for, unless the inputs are there or the command was started; with
  /// `.missingTool` on an image that cannot do the rest.
  package func prepare(minimumFreeBytes: Int64 = 0) -> RemoteCommand {
    RemoteCommand(
      script: head("prepare") + """
        umask 077
        : >>"$HOME/.no_auto_tmux"
        m=; for tool in setsid tar gzip; do command -v $tool >/dev/null 2>&1 || m="$m $tool"; done
        [ -z "$m" ] || fail \(Refusal.missingTool.rawValue) "the image lacks$m"
        if [ -n "$a" ] && [ "$a" != \(attempt) ]; then
          [ "$a" -lt \(attempt) ] || fail \(Refusal.anotherAttempt.rawValue) "attempt $a is on this machine"
          : >"$d/stop"
          look; [ $st != running ] || kill -s KILL -- "-$p" 2>/dev/null
          sweep
          rm -rf "$j" || fail \(Refusal.inputOutput.rawValue) 'the folder of an older attempt cannot be removed'
          a=
        fi
        mkdir -p "$d" "$j/checkpoints" || fail \(Refusal.inputOutput.rawValue) "cannot make $d"
        [ -n "$a" ] || { echo \(attempt) >"$d/attempt.$$" && mv -f "$d/attempt.$$" "$d/attempt"; } \\
          || fail \(Refusal.inputOutput.rawValue) "cannot write in $d"
        report
        [ $st != not_started ] || [ -e "$d/inputs" ] || [ "$f" -lt 0 ] || [ "$f" -ge \(minimumFreeBytes) ] \\
          || fail \(Refusal.diskFull.rawValue) "$f bytes are free"

        """, timeout: .seconds(60))
  }

  /// Unpacks a tar.gz from the command's input, which the caller sets. Complete or not at all: it is unpacked aside and
  /// then moved; a second time does nothing, and takes no input either. Owners in the archive are ignored, and its
  /// `.vastd` too.
  package func receiveInputs() -> RemoteCommand {
    RemoteCommand(
      script: guarded("receiveInputs") + """
        [ ! -e "$d/inputs" ] && [ ! -e "$d/pid" ] || exit 0
        umask 022
        rm -rf "$d"/unpack.*
        n=$d/unpack.$$
        mkdir "$n" || fail \(Refusal.inputOutput.rawValue) "cannot make $n"
        tar -xzof - -C "$n" || {
          e=$?; w=0
          room
          # On a full disk nothing else can be written either; a megabyte, since tar leaves what a last small file did not need.
          { head -c 1048576 /dev/zero >"$d/room" && [ "$(stat -c %s "$d/room")" = 1048576 ]; } 2>/dev/null || w=1
          rm -rf "$n" "$d/room"
          [ "$f" -lt 0 ] || [ "$f" -ge \(Self.fullBelowBytes) ] || w=1
          [ $w = 0 ] || fail \(Refusal.diskFull.rawValue) 'the disk is full: the inputs do not fit'
          [ $e -lt 126 ] || fail \(Refusal.inputOutput.rawValue) "tar ended with $e"
          fail \(Refusal.brokenInputs.rawValue) 'the inputs cannot be unpacked'
        }
        for f in "$n"/* "$n"/.[!.]* "$n"/..?*; do
          [ -e "$f" ] || [ -L "$f" ] || continue
          g=${f##*/}
          [ "$g" != .vastd ] || continue
          rm -rf "./$g" && mv "$f" "./$g" || fail \(Refusal.inputOutput.rawValue) "cannot place $g"
        done
        rm -rf "$n"
        : >"$d/inputs"

        """, timeout: .seconds(3600))
  }

  /// Writes what is to be run, once all values are known to be sayable. Does nothing once it was started.
  ///
  /// - Parameters:
  ///   - environment: the caller's, secrets included; they are on the machine in `run.sh` alone, mode 0600, in no
  ///     argument. `VASTD_JOB_ID`, `VASTD_ATTEMPT` and
  ///     `VASTD_CHECKPOINT_DIR` are added and win.
  ///   - checkpointPath: the folder below the job's that is copied while the command runs: `VASTD_CHECKPOINT_DIR` names it.
  ///   - resumes: a checkpoint was restored: `VASTD_RESUME=1` says so.
  ///   - setup: a script that runs first; when it fails the command does not start.
  ///   - command: a script for bash, or sh where there is none.
  package func install(
    environment: [String: String], setup: String?, command: String, checkpointPath: String? = nil, resumes: Bool = false
  ) throws(InvalidInput) -> RemoteCommand {
    let folder = try checkpointFolder(checkpointPath ?? "checkpoints")
    for name in environment.keys where !Self.isEnvironmentName(name) { throw .environmentName(name) }
    for (name, value) in environment where value.utf8.contains(0) { throw .nul(name) }
    if command.utf8.contains(0) { throw .nul("command") }
    if setup?.utf8.contains(0) == true { throw .nul("setup") }
    var script =
      guarded("install") + """
        [ ! -e "$d/pid" ] || exit 0
        mkdir -p \(folder) || fail \(Refusal.inputOutput.rawValue) 'the folder for checkpoints cannot be made'
        umask 077
        put() { printf '%s\\n' "$2" >"$d/$1.$$" && mv -f "$d/$1.$$" "$d/$1" || fail \(Refusal.inputOutput.rawValue) "cannot write $1"; }

        """
    if let setup {
      script += "put setup.sh \(ShellQuoting.quote(setup))\n"
    } else {
      script += "rm -f \"$d/setup.sh\"\n"
    }
    script += "put command.sh \(ShellQuoting.quote(command))\n"
    script += "put run.sh \(ShellQuoting.quote(supervisor(environment, folder, resumes: resumes)))\n"
    return RemoteCommand(script: script, timeout: .seconds(60))
  }

  /// `run.sh`: claims the start, runs setup and command in its session, and writes down how they ended.
  ///
  /// It outlives a TERM to its group to tell the exit code: its handler does nothing, and children get the default back.
  /// The 16 bytes of the exit code are there from the beginning and only overwritten, so a job that fills the disk can
  /// still be seen to end. The environment is set in a subshell: a job's own PATH does not become the supervisor's.
  private func supervisor(_ environment: [String: String], _ checkpointFolder: String, resumes: Bool) -> String {
    var exports = ""
    for (name, value) in environment.sorted(by: { $0.key < $1.key }) {
      exports += "  export \(name)=\(ShellQuoting.quote(value))\n"
    }
    return head("run") + """
      umask 077
      trap '' HUP
      trap : INT TERM
      s=; read -r s <"/proc/$$/stat"
      s=${s##*) }
      set -- $s
      b=; read -r b </proc/sys/kernel/random/boot_id
      echo "$$ ${20} $b" >"$d/pid.$$" || exit \(Refusal.inputOutput.rawValue)
      echo '               ' >"$d/exit_code.new.$$" || exit \(Refusal.inputOutput.rawValue)
      : >>"$d/output.log" || exit \(Refusal.inputOutput.rawValue)
      [ ! -e "$d/stop" ] || exit 0
      ln "$d/pid.$$" "$d/pid" || { rm -f "$d/pid.$$" "$d/exit_code.new.$$"; exit 0; }
      rm -f "$d/pid.$$"
      exec </dev/null >>"$d/output.log" 2>&1
      finish() {
        printf '%-15s\\n' "$1" 1<>"$d/exit_code.new.$$"
        mv -f "$d/exit_code.new.$$" "$d/exit_code"
        exit 0
      }
      shell=$(command -v bash) || shell=sh
      job() (
        trap - INT TERM
        cd "$j" || exit 1
        umask 022
      \(Self.imageEnvironment(at: "/proc/1/environ"))\(exports)  export VASTD_JOB_ID=\(jobID.rawValue) VASTD_ATTEMPT=\(attempt)
        export VASTD_CHECKPOINT_DIR="$j"/\(checkpointFolder)\(resumes ? " VASTD_RESUME=1" : "")
        exec "$shell" "$1"
      )
      [ ! -e "$d/stop" ] || finish 143
      if [ -e "$d/setup.sh" ]; then
        job "$d/setup.sh"
        e=$?
        if [ $e -ne 0 ]; then : >"$d/setup_failed"; finish $e; fi
        [ ! -e "$d/stop" ] || finish 143
      fi
      job "$d/command.sh"
      finish $?
      """
  }

  /// The variables of the image: Vast's containers have them in process 1 but not in SSH logins, so a conda in the image's
  /// PATH would not be found. Only there, known by a variable of Vast's; what the login has already set is kept, and two
  /// secrets of the container's are not passed on.
  package static func imageEnvironment(at path: String) -> String {
    """
      one=\(path)
      if grep -qs VAST_CONTAINERLABEL= "$one"; then
        while IFS= read -r line; do
          name=${line%%=*}
          case $line in *=*) ;; *) continue ;; esac
          case $name in
            ''|[0-9]*|*[!A-Za-z0-9_]*|HOME|PWD|OLDPWD|SHLVL|_|CONTAINER_API_KEY|JUPYTER_TOKEN) ;;
            PATH) PATH=${line#*=}:$PATH ;;
            *) eval "[ -n \\"\\${$name+set}\\" ]" || export "$name=${line#*=}" ;;
          esac
        done <<LINES
    $(tr '\\000' '\\n' <"$one")
    LINES
      fi

    """
  }
}
