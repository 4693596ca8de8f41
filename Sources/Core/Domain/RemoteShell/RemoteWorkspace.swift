/// A job's folder on the machine, `~/vastd/JOB_ID/`, and the scripts that work in it.
///
/// The folder holds `run.sh`, `pid`, `output.log` and `exit_code`, the last three written so that any later vastd can tell
/// *not started*, *running*, *ended with N* and *gone without a word* apart. Every script is for a POSIX shell, may be sent
/// twice, and holds no secret: those travel as the input of `install`.
package struct RemoteWorkspace: Sendable, Hashable {
  package let jobID: ID<Job>
  package let attempt: Int

  package init(jobID: ID<Job>, attempt: Int) {
    self.jobID = jobID
    self.attempt = attempt
  }

  /// Where the commands of a folder that is not there end.
  package static let missingFolderCode: Int32 = 93

  private var enter: String {
    """
    umask 077
    folder="$HOME/vastd/\(jobID)"
    cd "$folder" 2>/dev/null || exit \(Self.missingFolderCode)

    """
  }

  // MARK: Before the command

  /// Makes the folder. A folder left by another attempt on the same disk is emptied first.
  package var prepare: String {
    """
    umask 077
    folder="$HOME/vastd/\(jobID)"
    touch "$HOME/.no_auto_tmux"
    if [ -d "$folder" ] && [ "$(cat "$folder/attempt" 2>/dev/null)" != "\(attempt)" ]; then rm -rf "$folder"; fi
    mkdir -p "$folder/checkpoints" && cd "$folder" && echo \(attempt) > attempt
    """
  }

  /// Unpacks a tar.gz from the input into the folder. Sent again after a break, it writes the same files again.
  package var receiveInputs: String {
    enter
      + """
      if [ -e inputs_received ]; then cat > /dev/null; exit 0; fi
      tar -xzf - --no-same-owner || exit 1
      touch inputs_received
      """
  }

  /// Takes `run.sh` from the input.
  package var install: String {
    enter + "cat > run.sh.new && chmod 700 run.sh.new && mv run.sh.new run.sh"
  }

  /// What runs on the machine: exports, setup, command, exit code. Holds the job's secrets, so it is only ever sent as
  /// the input of `install` and readable to root alone.
  package func runScript(environment: [String: String], setup: String?, command: String) -> [UInt8] {
    var variables = environment
    variables["VASTD_JOB_ID"] = jobID.rawValue
    variables["VASTD_ATTEMPT"] = String(attempt)
    let exports = variables.sorted { $0.key < $1.key }
      .map { "export \($0.key)=\(ShellQuoting.quote($0.value))\n" }.joined()
    let text = """
      #!/bin/sh
      cd "$HOME/vastd/\(jobID)" || exit 126
      \(Self.startTimeFunction)
      echo "$$ $(start_time $$)" > pid.new && mv pid.new pid
      export VASTD_CHECKPOINT_DIR="$PWD/checkpoints"
      \(exports)
      shell=$(command -v bash || command -v sh)
      # The command's group is asked to end; this script outlives it to write down how it ended.
      trap : TERM INT HUP
      run() {
        "$shell" -c "$1" &
        child=$!
        while :; do
          wait "$child"
          code=$?
          kill -0 "$child" 2>/dev/null || return "$code"
        done
      }
      code=0
      \(setup.map { "run \(ShellQuoting.quote($0)) || { code=$?; touch setup_failed; }" } ?? "")
      if [ "$code" = 0 ]; then
        run \(ShellQuoting.quote(command))
        code=$?
      fi
      echo "$code" > exit_code.new && mv exit_code.new exit_code

      """
    return Array(text.utf8)
  }

  /// Starts `run.sh` in a session of its own, once however often this is sent, and returns when its pid is on record.
  package var launch: String {
    enter
      + """
      if mkdir started 2>/dev/null; then
        setsid sh ./run.sh < /dev/null >> output.log 2>&1 &
      fi
      tries=0
      while [ ! -s pid ] && [ "$tries" -lt 100 ]; do tries=$((tries + 1)); sleep 0.05; done
      [ -s pid ]
      """
  }

  // MARK: While and after it runs

  /// Prints one line: see `RemoteCommandState`.
  package var status: String {
    """
    folder="$HOME/vastd/\(jobID)"
    cd "$folder" 2>/dev/null || { echo not_started; exit 0; }
    \(Self.aliveFunction)
    report_end() { [ -s exit_code ] || return 1; if [ -e setup_failed ]; then echo "setup_failed $(cat exit_code)"; else echo "ended $(cat exit_code)"; fi; }
    if report_end; then exit 0; fi
    if [ -s pid ]; then
      if alive; then echo running; else report_end || echo vanished; fi
    elif [ -d started ]; then echo vanished
    else echo not_started
    fi
    """
  }

  /// Copies the log from a byte on to the output as it grows, and ends when the command has ended and all was copied.
  package func follow(fromOffset offset: Int64) -> String {
    enter
      + """
      \(Self.aliveFunction)
      read -r pid start < pid || exit 1
      touch output.log
      if tail --version 2>/dev/null | grep -q GNU && alive; then
        exec tail -c +\(offset + 1) -s 0.1 --pid="$pid" -f output.log 2>/dev/null
      fi
      offset=\(offset)
      while :; do
        over=1
        if alive; then over=0; fi
        size=$(wc -c < output.log)
        if [ "$size" -gt "$offset" ]; then
          tail -c +$((offset + 1)) output.log | head -c $((size - offset))
          offset=$size
        fi
        [ "$over" = 0 ] || exit 0
        sleep 0.2
      done
      """
  }

  /// Ends the command and everything in its session: asks first, kills after `grace`.
  package func terminate(grace: Duration) -> String {
    let rounds = max(1, Int(grace.inSeconds * 10))
    return enter
      + """
      \(Self.aliveFunction)
      read -r pid start < pid || exit 0
      if alive; then
        kill -TERM -- "-$pid" 2>/dev/null
        pkill -TERM -s "$pid" 2>/dev/null
        round=0
        while alive && [ "$round" -lt \(rounds) ]; do round=$((round + 1)); sleep 0.1; done
        kill -KILL -- "-$pid" 2>/dev/null
        pkill -KILL -s "$pid" 2>/dev/null
      fi
      [ -s exit_code ] || { echo 137 > exit_code.new && mv exit_code.new exit_code; }
      """
  }

  /// A tar.gz of the outputs on the output; what is not there is named on the error output, a line each after
  /// `missingMark`. Patterns may hold `*`, `?` and `[…]`; validation saw to it that they stay in the folder.
  package func collect(outputs: [String]) -> String {
    let words = outputs.map { Self.pattern($0) }.joined(separator: " ")
    return enter
      + """
      ln -f output.log job_output.log 2>/dev/null || cp output.log job_output.log 2>/dev/null
      names=$(mktemp)
      for name in \(words); do
        if [ -e "$name" ] || [ -L "$name" ]; then printf '%s\\0' "$name" >> "$names"
        else printf '\(Self.missingMark)%s\\n' "$name" >&2
        fi
      done
      tar -czf - --null -T "$names"
      code=$?
      rm -f "$names"
      # 1: a file changed while it was read; the archive is whole all the same.
      [ "$code" -le 1 ]
      """
  }

  package static let missingMark = "vastd-missing: "

  /// Prints a line per GPU: name, megabytes.
  package static let inspectGPU = "nvidia-smi --query-gpu=name,memory.total --format=csv,noheader,nounits"

  /// The path as a shell word in which only `*`, `?`, `[` and `]` keep their meaning.
  static func pattern(_ path: String) -> String {
    var word = ""
    for scalar in path.unicodeScalars {
      let isPlain =
        scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || "*?[]/._-".unicodeScalars.contains(scalar)
      if isPlain { word.unicodeScalars.append(scalar) } else { word += ShellQuoting.quote(String(Character(scalar))) }
    }
    return word
  }

  /// When a process started, in ticks since boot: tells it from a later one with the same number.
  private static let startTimeFunction = """
    start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }
    """

  private static let aliveFunction = """
    \(startTimeFunction)
    alive() { read -r pid start < pid && kill -0 "$pid" 2>/dev/null && [ "$(start_time "$pid")" = "$start" ]; }
    """
}

/// What `RemoteWorkspace.status` prints.
package enum RemoteCommandState: Sendable, Hashable {
  case notStarted
  case running
  case ended(code: Int32, inSetup: Bool)
  /// Started, not running, and no exit code: killed, or the machine restarted.
  case vanished

  package init?(_ text: String) {
    let words = text.split(whereSeparator: \.isWhitespace)
    switch (words.first, words.dropFirst().first.flatMap { Int32($0) }) {
    case ("not_started", nil): self = .notStarted
    case ("running", nil): self = .running
    case ("vanished", nil): self = .vanished
    case ("ended", let code?): self = .ended(code: code, inSetup: false)
    case ("setup_failed", let code?): self = .ended(code: code, inSetup: true)
    default: return nil
    }
  }
}
