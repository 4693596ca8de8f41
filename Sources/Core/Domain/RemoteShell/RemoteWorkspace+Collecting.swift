extension RemoteWorkspace {
  /// The name of the log among the results.
  package static let logName = "job_output.log"

  /// Writes a tar.gz of the outputs to stdout, which the caller directs into a file, and names on stderr what is not there;
  /// see `missingOutputs`. The log is always in it as `job_output.log`. Links stay links. Streams: needs no room on disk.
  ///
  /// What would get the whole archive refused here is left out and named like what is missing, and the rest comes home:
  /// sockets, devices, setuid files, links that lead out of the folder, names with control characters or of 4096 bytes.
  /// Outputs may repeat and overlap; each file is packed once.
  ///
  /// - Parameter outputs: paths below the job's folder; `*` and `?` match as in a shell, all else is taken literally.
  package func collect(outputs: [String]) throws(InvalidInput) -> RemoteCommand {
    var script =
      guarded("collect") + """
        [ -e "$d/output.log" ] || : >"$d/output.log"
        set --
        rm -rf ./\(Self.logName)
        if ln "$d/output.log" \(Self.logName) 2>/dev/null || cp "$d/output.log" \(Self.logName); then set -- ./\(Self.logName); fi
        take() { [ -e "$1" ] || [ -L "$1" ] || return 1; case $1 in .vastd|.vastd/*|\(Self.logName)) return 1 ;; esac; }

        """
    var asked: Set<[Substring]> = [[Self.logName[...]]]
    for output in outputs {
      guard let components = Self.components(of: output) else { throw .output(output) }
      guard asked.insert(components).inserted else { continue }
      let names = components.isEmpty ? "* .[!.]* ..?*" : Self.globbing(components.joined(separator: "/"))
      script += """
        m=0
        for f in \(names); do if take "$f"; then m=1; set -- "$@" "./$f"; fi; done
        [ $m = 1 ] || printf 'vastd-missing %s\\n' \(ShellQuoting.quote(output)) >&2

        """
    }
    script += Self.packing
    return RemoteCommand(script: script, timeout: .seconds(3600))
  }

  /// Packs what the positional parameters name, each with `./` before it.
  ///
  /// `names` lists every entry, one a line: nothing with a newline in it is taken. `find` is asked and not tar, whose lists
  /// of what to leave out differ and know no such names; and it is sorted so that what two outputs share is packed once
  /// (GNU tar writes a hard link to itself for the second). `/` sorts first, so a folder's entries follow it without a gap.
  ///
  /// A link that travels cannot be passed through by another name of the same archive. Where `output/latest` is a link in
  /// `output/` and `output/latest/model.pt` was asked for too, that file travels under its real name if an output holds it;
  /// else the link gives way, and is named: better no link than no file.
  ///
  /// A tar that is not GNU's takes the list as arguments when it knows `--no-recursion` (busybox since 1.21) and the list is
  /// not too long for them. Otherwise it packs the outputs as they are, and what spoils an archive spoils it. With busybox's
  /// `find`, what lies too deep is left out but only in its own words, not named.
  static let packing = #"""
    LC_ALL=C; export LC_ALL
    [ $# -gt 0 ] || fail \#(Refusal.inputOutput.rawValue) 'there is no log to pack'
    N='
    '; G=; export N G
    within() { y=$1; shift; for s; do case $y in "$s"|"$s"/*) return 0 ;; esac; done; return 1; }
    # Sets l to the links among the outputs that a path passes through, a line each.
    behind() {
      r=${1#./}; shift; p=.; l=
      while case $r in */*) ;; *) false ;; esac; do
        p=$p/${r%%/*}; r=${r#*/}
        [ -L "$p" ] || continue
        [ "$p" = "$q" ] || { q=$p; i=; ! within "$p" "$@" || i=1; }
        [ -z "$i" ] || l=$l${p#./}$N
      done
    }
    q=; c=
    for f; do behind "$f" "$@"; [ -z "$l" ] || c=1; done
    if [ -n "$c" ]; then
      w=$(pwd -P)/
      for f; do
        shift
        q=; behind "$f" "$@"
        if [ -n "$l" ]; then
          r=$(readlink -f "$f")
          case $r in "$w"*) ! within "./${r#"$w"}" "$@" || continue ;; esac
          G=$G$l
        fi
        set -- "$@" "$f"
      done
    fi
    # For `find -exec sh -c`. A control character is shown as \n, \t or \x1b.
    say='say() {
      s=${1#./}; o=
      while :; do
        p=${s%%[[:cntrl:]]*}; o=$o$p; s=${s#"$p"}
        [ -n "$s" ] || break
        c=${s%"${s#?}"}; s=${s#?}
        case $c in
          "$N") o="$o\\n" ;;
          "	") o="$o\\t" ;;
          *) o=$o$(printf "\\\\x%02x" "\"$c") ;;
        esac
      done
      printf "vastd-missing %.1000s\n" "$o" >&2
    }'
    leave=$say$N'for f; do say "$f"; done'
    list='for f; do printf "%s\n" "${f#./}"; done'
    # A link may climb as far as the top of the folder, at the start of its target.
    links=$say$N'for f; do
      f=${f#./}
      case $N$G in *"$N$f$N"*) say "$f"; continue ;; esac
      t=$(readlink -n "./$f"; echo x); t=${t%x}
      n=0; IFS=/; set -f; set -- $f
      while :; do
        case $t in
          ../*) t=${t#../}; n=$((n + 1)) ;;
          ./*) t=${t#./} ;;
          ..) t=.; n=$((n + 1)) ;;
          *) break ;;
        esac
      done
      case $t in
        ""|/*|../*|*/../*|*/..|*[[:cntrl:]]*) say "$f" ;;
        *) if [ $n -lt $# ]; then printf "%s\n" "$f"; else say "$f"; fi ;;
      esac
    done'
    k='?'; while [ ${#k} -lt 4096 ]; do k=$k$k; done
    names() {
      { find "$@" '(' -path '*[[:cntrl:]]*' -o -path "./$k*" ')' -exec sh -c "$leave" sh {} + -prune \
        -o -type l -exec sh -c "$links" sh {} + \
        -o '(' -type d ! -perm -4000 -o -type f ! -perm -4000 ! -perm -2000 ')' -exec sh -c "$list" sh {} + \
        -o -exec sh -c "$leave" sh {} +
        echo "find $?" >&3
      } | tr / '\001' | { sort -u; echo "sort $?" >&3; } | tr '\001' /
    }
    pack() {
      if tar --version 2>/dev/null | grep -q GNU; then
        # A file that is gone by now, or cannot be read, is named and not the end of it all.
        names "$@" | tr '\n' '\000' \
          | { tar -cf - --null --no-recursion --ignore-failed-read --quoting-style=literal -T - 2>&5; echo "tar $?" >&3; }
        return
      fi
      if tar --help 2>&1 | grep -q no-recursion; then
        l=$(names "$@")
        if [ ${#l} -lt 400000 ]; then
          IFS=$N; set -f; set -- $l
          tar -cf - --no-recursion -- "$@" 2>&5; echo "tar $?" >&3
          return
        fi
      fi
      tar -cf - -- "$@" 2>&5; echo "tar $?" >&3
    }
    gz=gzip; ! command -v pigz >/dev/null 2>&1 || gz=pigz
    exec 4>&1
    e=$({ { pack "$@" | { $gz -1 >&4; echo "gzip $?" >&3; }; } 5>&1 | sed \
      -e 's/^tar: \(.*\): Warning: Cannot .*/vastd-missing \1/' \
      -e 's/^tar: \(.*\): Warning: Read error .*/vastd-missing \1/' >&2; } 3>&1)
    set -- $e
    while [ $# -gt 1 ]; do
      case "$1 $2" in
        'find 0'|'find 1'|'sort 0'|'tar 0'|'tar 1'|'gzip 0') ;;
        *) fail \#(Refusal.inputOutput.rawValue) "$1 ended with $2" ;;
      esac
      shift 2
    done

    """#

  /// Whether a path may be asked for as an output: relative, without `..`, one line.
  package static func isOutput(_ path: String) -> Bool { components(of: path) != nil }

  /// What `collect` named: outputs that are not there, as they were asked for, and what was left out. Each once.
  package static func missingOutputs(in standardError: [UInt8]) -> [String] {
    var named: Set<Substring> = []
    return String(decoding: standardError, as: UTF8.self).split(separator: "\n").compactMap { line in
      line.hasPrefix("vastd-missing ") && named.insert(line).inserted ? String(line.dropFirst(14)) : nil
    }
  }

  /// Nil for what is no path below a folder; empty for the folder itself.
  static func components(of path: String) -> [Substring]? {
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
