/// One attempt of a job on its machine: the scripts that prepare, start, watch, end and collect it.
///
/// Pure: each verb gives a command for `RemoteShell.run`, with a timeout that the caller may change. They are plain POSIX
/// sh, tried under dash, bash and busybox, and need nothing of the image but `setsid`, `tar`, `gzip` and the usual
/// small tools. Each may be sent again at any time, by another vastd too: what was done is found done.
///
/// Layout, below the home that the login finds:
///
///     ~/vastd/JOB_ID/              the job's own folder: inputs are unpacked here, the command runs here
///     ~/vastd/JOB_ID/checkpoints/  what VASTD_CHECKPOINT_DIR names, unless the job keeps its checkpoints elsewhere in its folder
///     ~/vastd/JOB_ID/.vastd/       ours, 0700; kept apart because a job may well bring a run.sh of its own
///       attempt                    the number of the attempt that all of this belongs to
///       inputs                     there once the inputs are unpacked
///       setup.sh  command.sh       what the caller wrote, byte for byte
///       run.sh                     sets the environment, runs both, writes down how it ended
///       pid                        "PID START BOOT": process, its start in ticks, the boot that both belong to
///       output.log                 stdout and stderr of both, appended
///       restored                   there once the checkpoint of an earlier attempt is back
///       setup_failed               there when it was the setup that ended with the exit code
///       stop                       there once the end was asked for: nothing starts any more
///       exit_code                  the end
///
/// Every file with a content appears by rename or link, complete. `pid` appears by link(2), which fails when it is there:
/// whoever makes it runs the command, and nobody else ever does, however often and at once it is launched. So:
///
///     no pid                       not started
///     pid, that process lives      running
///     exit_code                    ended with N
///     pid, dead, no exit_code      vanished: rebooted, or killed together with its supervisor
package struct RemoteWorkspace: Sendable, Hashable {
  package let jobID: ID<Job>
  /// From 1.
  package let attempt: Int

  package init(jobID: ID<Job>, attempt: Int) {
    self.jobID = jobID
    self.attempt = attempt
  }

  /// The job's folder, relative to the login's home.
  package var folder: String { "vastd/\(jobID.rawValue)" }

  /// Exit statuses of the verbs, beside 0. None is one that a shell uses itself.
  package enum Refusal: Int32, Sendable, Hashable {
    /// tar cannot unpack the inputs, and neither the disk nor its own death is the reason.
    case brokenInputs = 65
    /// `launch` before `install`, or a verb before `prepare`; later, that the folder was deleted.
    case notPrepared = 66
    /// No GPU, or a driver that does not answer.
    case noGPU = 69
    /// A tool is missing in the image; stderr names it.
    case missingTool = 72
    case diskFull = 73
    /// The folder belongs to another attempt than the one asked about.
    case anotherAttempt = 74
    /// A file could not be read or written; stderr says which.
    case inputOutput = 75
    /// There is no checkpoint, or none other than the known one.
    case nothingNew = 76
    /// The checkpoint's files changed while they were packed.
    case changing = 77
  }

  /// Below this much free, a disk counts as full: writers fail at the last few blocks already, some of them earlier.
  package static let fullBelowBytes: Int64 = 16 << 20

  /// Input that no script can carry. Validation at the front door refuses it by the same rules, so this is a mistake of ours.
  package enum InvalidInput: Error, Sendable, Hashable {
    case environmentName(String)
    case output(String)
    /// The field named holds a NUL, which no shell can hold.
    case nul(String)
  }

  /// What every verb begins with: its name for who reads along, where things are, and how they stand.
  ///
  /// `sweep` kills whatever carries this folder in its environment, also what has left the session. Not the job's id alone:
  /// machines that are only folders of one system, as in tests, must not reach into each other. Not every grep looks
  /// beyond a NUL.
  ///
  /// `look` sets `st` to the state, `p` to the process and `c` to the exit code, and starts no process: it runs ten times a
  /// second while a log is followed. It looks for `exit_code` once more after it has found the process dead, since that
  /// is what happens in between.
  func head(_ verb: String) -> String {
    """
    # vastd \(verb)
    j=$HOME/\(folder); d=$j/.vastd
    \(Self.aliveFunction)
    look() {
      p=; q=; r=; c=
      if ! read -r p q r 2>/dev/null <"$d/pid"; then p=; st=not_started; return; fi
      if read -r c 2>/dev/null <"$d/exit_code"; then st=ended; return; fi
      if alive "$p" "$q" "$r"; then st=running; return; fi
      if read -r c 2>/dev/null <"$d/exit_code"; then st=ended; else c=; st=vanished; fi
    }
    has() { if [ -e "$d/$1" ]; then echo 1; else echo 0; fi; }
    room() {
      f=-1
      k=$(df -Pk "$HOME" 2>/dev/null | { read -r x; read -r x x x k x; echo "$k"; })
      case $k in ''|*[!0-9]*) ;; *) f=$((k * 1024)) ;; esac
    }
    report() {
      look
      z=0; t=0; room
      l=$(stat -c '%s %Y' "$d/output.log" 2>/dev/null) && { z=${l% *}; t=$(($(date +%s) - ${l#* })); }
      echo "vastd-status state=$st pid=${p:--} code=${c:--} prepared=$(has attempt) inputs=$(has inputs)" \\
        "installed=$(has run.sh) setup_failed=$(has setup_failed) told=$(has stop) log=$z idle=$t free=$f"
    }
    fail() { echo "$2" >&2; exit "$1"; }
    carriers() {
      v="VASTD_CHECKPOINT_DIR=$j/"
      if grep -V 2>/dev/null | grep -q GNU; then grep -lsF "$v" /proc/[0-9]*/environ; return; fi
      for e in /proc/[0-9]*/environ; do tr '\\000' '\\n' 2>/dev/null <"$e" | grep -qF "$v" && echo "$e"; done
    }
    sweep() {
      for e in $(carriers 2>/dev/null); do
        e=${e#/proc/}; kill -s KILL "${e%/environ}" 2>/dev/null
      done
    }
    a=; read -r a 2>/dev/null <"$d/attempt"

    """
  }

  /// `alive PID START BOOT`: whether that very process lives. A zombie counts as dead: many containers have nobody who reaps.
  static let aliveFunction = """
    alive() {
      b=; read -r b 2>/dev/null </proc/sys/kernel/random/boot_id
      [ "$b" = "$3" ] || return 1
      read -r s 2>/dev/null <"/proc/$1/stat" || return 1
      s=${s##*) }
      set -- "$2" $s
      case $2 in Z|X) return 1 ;; esac
      [ "${21}" = "$1" ]
    }
    """

  /// For the verbs that make no sense without a folder of this attempt.
  func guarded(_ verb: String) -> String {
    head(verb) + """
      [ -n "$a" ] || fail \(Refusal.notPrepared.rawValue) 'no such job on this machine'
      [ "$a" = \(attempt) ] || fail \(Refusal.anotherAttempt.rawValue) "attempt $a is on this machine"
      cd "$j" || exit \(Refusal.notPrepared.rawValue)

      """
  }

  /// A name that a shell can export, and that cannot be taken for a docker flag.
  package static func isEnvironmentName(_ name: String) -> Bool {
    guard let first = name.utf8.first, name.utf8.count <= 256 else { return false }
    return !isDigit(first) && name.utf8.allSatisfy { isDigit($0) || isLetter($0) || $0 == UInt8(ascii: "_") }
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
  private static func isLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
  }
}
