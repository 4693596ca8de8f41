extension RemoteWorkspace {
  /// Writes a tar.gz of a folder below the job's to stdout, which the caller directs into a file, and its mark as the last line
  /// on stderr; see `checkpointMark`. The least of priorities, and nothing is locked: the job does not feel it.
  ///
  /// Refuses with `.nothingNew` when the folder is empty, missing, or carries the mark `known`, and with `.changing` when its files
  /// changed while they were packed: then what came out is worth nothing. The mark is of names, inodes, sizes and times, so that a
  /// file that was replaced by another of its size tells.
  package func checkpoint(path: String, known: String?) throws(InvalidInput) -> RemoteCommand {
    let folder = try checkpointFolder(path)
    return RemoteCommand(
      script: guarded("checkpoint") + """
        renice -n 19 -p $$ >/dev/null 2>&1; ionice -c 3 -p $$ >/dev/null 2>&1
        x=./\(folder)
        [ -d "$x" ] || exit \(Refusal.nothingNew.rawValue)
        mark() {
          find "$x" -type f -exec stat -c '%n %i %s %y %Z' {} + 2>/dev/null | sort \\
            | { sha256sum 2>/dev/null || cksum; } | { read -r h y; echo "$h"; }
        }
        [ -n "$(find "$x" -type f 2>/dev/null | head -n 1)" ] || exit \(Refusal.nothingNew.rawValue)
        m=$(mark)
        [ "$m" != \(ShellQuoting.quote(known ?? "-")) ] || exit \(Refusal.nothingNew.rawValue)
        set -- "$x"

        """ + Self.packing + """
          [ "$(mark)" = "$m" ] || exit \(Refusal.changing.rawValue)
          echo "vastd-mark $m" >&2

          """, timeout: .seconds(3600))
  }

  /// Puts a checkpoint back, from the command's input, which the caller sets: before the command starts, in place of what the
  /// inputs brought under the same name. Repeated from the beginning when it was cut; once whole, a second time does nothing.
  ///
  /// Unpacked aside, and nothing but the folder is taken out of it: the machine that made the archive may have been anybody's, and
  /// what it put beside must not pass for the inputs, or for an end of the command, here.
  package func restore(path: String) throws(InvalidInput) -> RemoteCommand {
    let folder = try checkpointFolder(path)
    return RemoteCommand(
      script: guarded("restore") + """
        [ ! -e "$d/restored" ] && [ ! -e "$d/pid" ] || exit 0
        umask 022
        rm -rf "$d"/unpack.*
        n=$d/unpack.$$
        mkdir "$n" || fail \(Refusal.inputOutput.rawValue) "cannot make $n"
        tar -xzof - -C "$n" || {
          e=$?
          rm -rf "$n"
          room
          [ "$f" -lt 0 ] || [ "$f" -ge \(Self.fullBelowBytes) ] \\
            || fail \(Refusal.diskFull.rawValue) 'the disk is full: the checkpoint does not fit'
          fail \(Refusal.inputOutput.rawValue) "the checkpoint cannot be unpacked: tar ended with $e"
        }
        x=\(folder)
        [ -d "$n/$x" ] && [ ! -L "$n/$x" ] || fail \(Refusal.inputOutput.rawValue) "the checkpoint has no folder $x"
        rm -rf "./$x"
        case $x in */*) mkdir -p "./${x%/*}" ;; esac
        mv "$n/$x" "./$x" || fail \(Refusal.inputOutput.rawValue) "cannot place $x"
        rm -rf "$n"
        : >"$d/restored"

        """, timeout: .seconds(3600))
  }

  /// A folder below the job's, quoted, without a point in front.
  func checkpointFolder(_ path: String) throws(InvalidInput) -> String {
    guard let components = Self.components(of: path), !components.isEmpty else { throw .output(path) }
    return ShellQuoting.quote(components.joined(separator: "/"))
  }

  /// The mark that `checkpoint` printed; nil when there is none in order. From a stranger's machine: hex or digits, nothing else.
  package static func checkpointMark(in standardError: [UInt8]) -> String? {
    let lines = String(decoding: standardError, as: UTF8.self).split(separator: "\n")
    guard let line = lines.last(where: { $0.hasPrefix("vastd-mark ") }) else { return nil }
    let mark = line.dropFirst(11)
    let isPlain = mark.utf8.allSatisfy {
      (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
    }
    return (1...64).contains(mark.utf8.count) && isPlain ? String(mark) : nil
  }
}
