extension RemoteWorkspace {
  /// The name of the log among the results.
  package static let logName = "job_output.log"

  /// Writes a tar.gz of the outputs to stdout, which the caller directs into a file, and names on stderr what is not there;
  /// see `missingOutputs`. The log is always in it as `job_output.log`. Links stay links. Streams: needs no room on disk.
  ///
  /// Sockets, devices, setuid files and links that lead out of the folder are left out and named like what is missing.
  ///
  /// - Parameter outputs: paths below the job's folder; `*` and `?` match as in a shell, all else is taken literally.
  package func collect(outputs: [String]) throws(InvalidInput) -> RemoteCommand {
    var script =
      guarded("collect") + """
        [ -e "$d/output.log" ] || : >"$d/output.log"
        set --
        rm -rf ./\(Self.logName)
        if ln "$d/output.log" \(Self.logName) 2>/dev/null || cp "$d/output.log" \(Self.logName); then set -- \(Self.logName); fi
        take() { [ -e "$1" ] || [ -L "$1" ] || return 1; case $1 in .vastd|.vastd/*|\(Self.logName)) return 1 ;; esac; }

        """
    for output in outputs {
      guard let components = Self.components(of: output) else { throw .output(output) }
      if components == [Self.logName[...]] { continue }
      let names = components.isEmpty ? "* .[!.]* ..?*" : Self.globbing(components.joined(separator: "/"))
      script += """
        m=0
        for f in \(names); do if take "$f"; then m=1; set -- "$@" "$f"; fi; done
        [ $m = 1 ] || printf 'vastd-missing %s\\n' \(ShellQuoting.quote(output)) >&2

        """
    }
    script += """
      x=$d/left_out; : >"$x"
      leave() { printf 'vastd-missing %s\\n' "$1" >&2; printf '%s\\n' "$1" >>"$x"; }
      # What would get the whole archive refused is left out and named: no file at all, setuid, a link that leads outside.
      # busybox's tar cannot leave anything out.
      w=; ! tar --version 2>/dev/null | grep -q GNU || w=1
      case "$w $*" in *' -'*|' '*) w= ;; *)
        find "$@" ! -type d '(' ! -type f -o -perm -4000 -o -perm -2000 ')' | while IFS= read -r f; do
          [ -L "$f" ] || { leave "$f"; continue; }
          t=$(readlink "$f"); n=0; s=$(printf %s "$f" | tr -cd /)
          while :; do
            case $t in
              ../*) t=${t#../}; n=$((n + 1)) ;;
              ./*) t=${t#./} ;;
              ..) t=; n=$((n + 1)) ;;
              *) break ;;
            esac
          done
          case $t in
            /*|../*|*/../*|*/..) leave "$f" ;;
            *) [ "$n" -le ${#s} ] || leave "$f" ;;
          esac
        done ;;
      esac
      [ -z "$w" ] || w='--anchored --no-wildcards -X'
      gz=gzip; ! command -v pigz >/dev/null 2>&1 || gz=pigz
      exec 4>&1
      e=$({ { tar -cf - $w ${w:+"$x"} -- "$@"; echo $? >&3; } | $gz -1 >&4; } 3>&1)
      [ "$e" = 0 ] || [ "$e" = 1 ] || fail \(Refusal.inputOutput.rawValue) "tar ended with $e"

      """
    return RemoteCommand(script: script, timeout: .seconds(3600))
  }

  /// Whether a path may be asked for as an output: relative, without `..`, one line.
  package static func isOutput(_ path: String) -> Bool { components(of: path) != nil }

  /// What `collect` named as not there, as it was asked for.
  package static func missingOutputs(in standardError: [UInt8]) -> [String] {
    String(decoding: standardError, as: UTF8.self).split(separator: "\n").compactMap { line in
      line.hasPrefix("vastd-missing ") ? String(line.dropFirst(14)) : nil
    }
  }

  /// Nil for what is no path below a folder; empty for the folder itself.
  private static func components(of path: String) -> [Substring]? {
    guard !path.isEmpty, path.utf8.count <= 4096, path.utf8.first != UInt8(ascii: "/"),
      path.utf8.allSatisfy({ $0 >= 32 && $0 != 127 })
    else { return nil }
    let components = path.split(separator: "/").filter { $0 != "." }
    return components.contains("..") ? nil : components
  }

  /// Quoted, but for the wildcards.
  private static func globbing(_ path: String) -> String {
    var text = ""
    var literal = ""
    for scalar in path.unicodeScalars {
      guard scalar == "*" || scalar == "?" else {
        literal.unicodeScalars.append(scalar)
        continue
      }
      if !literal.isEmpty { text += ShellQuoting.quote(literal) }
      literal = ""
      text.unicodeScalars.append(scalar)
    }
    return text + (literal.isEmpty ? "" : ShellQuoting.quote(literal))
  }
}
