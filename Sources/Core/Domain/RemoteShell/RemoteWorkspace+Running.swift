extension RemoteWorkspace {
  /// Starts what was installed, detached from the connection, and prints the status. Once: a second launch, also one at
  /// the same moment, finds the first.
  ///
  /// `setsid -f` where it is known, since what a shell starts with `&` ignores SIGINT for good.
  package func launch() -> RemoteCommand {
    RemoteCommand(
      script: guarded("launch") + """
        [ -e "$d/run.sh" ] || fail \(Refusal.notPrepared.rawValue) 'nothing to run was installed'
        look
        if [ $st = not_started ] && [ ! -e "$d/stop" ]; then
          export VASTD_CHECKPOINT_DIR="$j/checkpoints"
          setsid -f sh "$d/run.sh" </dev/null >/dev/null 2>"$d/launch_errors" \\
            || { setsid sh "$d/run.sh" </dev/null >/dev/null 2>"$d/launch_errors" & }
          i=0
          # What is gone with run.sh was deleted by the command, which began then, and must not begin again elsewhere.
          while [ ! -e "$d/pid" ] && [ -e "$d/run.sh" ] && [ $i -lt 500 ]; do i=$((i + 1)); sleep 0.01; done
          [ -e "$d/pid" ] || [ ! -e "$d/run.sh" ] || { cat "$d/launch_errors" >&2; fail \(Refusal.inputOutput.rawValue) 'it did not start'; }
        fi
        report

        """, timeout: .seconds(60))
  }

  /// Prints the status. Tells of a machine without the folder too: `hasFolder` is false then.
  package func status() -> RemoteCommand {
    RemoteCommand(
      script: head("status") + """
        [ -z "$a" ] || [ "$a" = \(attempt) ] || fail \(Refusal.anotherAttempt.rawValue) "attempt $a is on this machine"
        report

        """, timeout: .seconds(30))
  }

  /// Writes the log from a byte on to stdout as it grows, until the job has ended and all of it is out; the status then
  /// is the last line on stderr. Ends within a tenth of a second of the job's end. Waits ten seconds for a start.
  ///
  /// A plain loop and not `tail -f --pid`: that is GNU's alone, and it waits for a zombie for ever. The empty line on stderr
  /// every ten seconds ends the loop when its connection has gone without a word.
  package func follow(from offset: Int64) -> RemoteCommand {
    var command = RemoteCommand(
      script: guarded("follow") + """
        o=\(max(0, offset)); h=0; w=0
        while :; do
          look
          z=$(stat -c %s "$d/output.log" 2>/dev/null) || z=0
          if [ "$z" -gt "$o" ]; then
            tail -c "+$((o + 1))" "$d/output.log" 2>/dev/null | head -c "$((z - o))" || exit \(Refusal.inputOutput.rawValue)
            o=$z
            [ $st = running ] || continue
          else
            case $st in
              ended|vanished) break ;;
              not_started) w=$((w + 1)); [ $w -lt 100 ] || break ;;
            esac
          fi
          sleep 0.1
          h=$((h + 1)); [ $h -lt 100 ] || { h=0; echo >&2 || exit \(Refusal.inputOutput.rawValue); }
        done
        report >&2

        """, timeout: .seconds(7 * 86400))
    // Never right by default: a log belongs in a file or in the hands of the caller as it comes.
    command.output = .pieces { _ in true }
    return command
  }

  /// Ends it, all that it started included, and prints the status: TERM to its group, and KILL to whatever is left after
  /// the grace. A job that was not started never will be.
  package func terminate(grace: Duration = .seconds(10)) -> RemoteCommand {
    let tenths = max(1, Int64(grace.inSeconds * 10))
    return RemoteCommand(
      script: guarded("terminate") + """
        umask 077
        : >"$d/stop"
        look
        g=$st
        if [ $st = running ]; then
          kill -s TERM -- "-$p" 2>/dev/null
          i=0
          while [ $st = running ] && [ $i -lt \(tenths) ]; do i=$((i + 1)); sleep 0.1; look; done
          [ $st != running ] || kill -s KILL -- "-$p" 2>/dev/null
        fi
        sweep
        i=0
        while look; [ $st = running ] && [ $i -lt 50 ]; do i=$((i + 1)); sleep 0.1; done
        if [ $g = running ] && [ $st = vanished ]; then
          echo 137 >"$d/exit_code.$$" && ln "$d/exit_code.$$" "$d/exit_code"
          rm -f "$d/exit_code.$$"
        fi
        report

        """, timeout: grace + .seconds(30))
  }
}
