/// A machine's dead man's switch: a small script on it that destroys the instance once nobody has renewed its lease for a
/// span, should vastd and its machine be gone for good.
///
/// Pure, like `RemoteWorkspace`: `renew` gives a command for `RemoteShell.run`, plain POSIX sh tried under dash, bash and
/// busybox, which may be sent at any time and by another vastd too. It moves the deadline, and starts the watcher where none
/// lives. Below the home that the login finds:
///
///     ~/vastd/.lease/           0700
///       deadline                in seconds of /proc/uptime
///       watch.sh                the watcher's script
///       watcher                 "PID START BOOT" of the one that watches
///
/// The clock is /proc/uptime: no step of the wall clock ends or prolongs a lease. The deadline appears by rename; on a full
/// disk, which takes no new file, the bytes of the old one are changed instead, so that a job that fills its disk is not
/// ended for it. Whoever is named in `watcher`, also by rename, watches; any other one sees that and ends. A file that is
/// missing or garbled changes nothing: the watcher keeps what it knew.
///
/// No here-documents: an older bash puts them into files, which a full disk does not take.
///
/// It asks with the key that Vast gives each container, which may stop and destroy that instance only. The account's key is
/// never on a machine. The container's key goes from process to process by pipes, and for wget by a file of mode 0600: it is
/// in no argument. A container that restarts has no watcher until the next renewal.
package struct RemoteLease: Sendable, Hashable {
  /// From a renewal to the end.
  package let span: Duration
  /// Where Vast answers, as `https://console.vast.ai`.
  package let providerURL: String
  /// Seconds between the first two tries to destroy; doubled from one to the next. Vast takes one destroy in 3 s.
  package var firstPause = 5
  /// Where the pause stops growing: an outage of Vast's that is over should not cost an hour more.
  static let longestPause = 300

  package init(span: Duration, providerURL: String) {
    self.span = span
    self.providerURL = providerURL
  }

  /// Between two renewals. A tenth, so that several may fail; five minutes at the most, so that a machine that restarted is
  /// watched again soon.
  package var renewalInterval: Duration { min(span / 10, .seconds(300)) }

  /// Exit statuses of `renew`, beside 0.
  package enum Refusal: Int32, Sendable, Hashable {
    /// Nothing in the image speaks HTTPS.
    case missingTool = 72
    /// A file could not be written, or the watcher did not start; stderr says which.
    case inputOutput = 75
    /// The container has no key of its own.
    case noKey = 77
  }

  /// What `renew` says when it did more than move the deadline.
  package static func hasBegun(_ result: RemoteResult) -> Bool { result.outputText.contains("vastd-lease begun") }

  private var seconds: Int64 { max(1, Int64(span.inSeconds.rounded(.up))) }

  /// Moves the deadline to `span` from now, and sees to it that somebody watches it.
  package func renew() -> RemoteCommand {
    RemoteCommand(
      script: """
        # vastd lease
        d=$HOME/vastd/.lease
        fail() { echo "$2" >&2; exit "$1"; }
        \(RemoteWorkspace.aliveFunction)
        watched() { read -r p q r 2>/dev/null <"$d/watcher" && alive "$p" "$q" "$r"; }
        umask 077
        w=renewed
        if ! watched; then
          w=begun
        \(checkTools)\(findKey)fi
        mkdir -p "$d" || fail \(Refusal.inputOutput.rawValue) "cannot make $d"
        read -r u x </proc/uptime || fail \(Refusal.inputOutput.rawValue) 'cannot read /proc/uptime'
        t=$((${u%%.*} + \(seconds)))
        { printf '%-15s\\n' "$t" >"$d/deadline.$$" && mv -f "$d/deadline.$$" "$d/deadline"; } 2>/dev/null || {
          rm -f "$d/deadline.$$"
          { printf '%-15s\\n' "$t" 1<>"$d/deadline"; } 2>/dev/null
        } || fail \(Refusal.inputOutput.rawValue) "cannot write $d/deadline"
        if [ $w = begun ]; then
          { printf '%s\\n' \(ShellQuoting.quote(watcher)) >"$d/watch.sh.$$" && mv -f "$d/watch.sh.$$" "$d/watch.sh"; } \\
            || fail \(Refusal.inputOutput.rawValue) "cannot write $d/watch.sh"
          v=\(ShellQuoting.quote(providerURL))
          go() { printf '%s\\n' "$i" "$k" "$v" | "$@" sh "$d/watch.sh"; }
          go setsid -f >/dev/null 2>&1 || { go setsid >/dev/null 2>&1 & }
          n=0
          until watched; do
            n=$((n + 1)); [ $n -lt 500 ] || fail \(Refusal.inputOutput.rawValue) 'the watcher does not start'
            sleep 0.01
          done
        fi
        echo "vastd-lease $w"

        """, timeout: .seconds(30))
  }

  /// busybox's wget knows neither DELETE nor PUT.
  private var checkTools: String {
    """
      h=
      for c in curl python3; do ! command -v $c >/dev/null 2>&1 || h=1; done
      [ -n "$h" ] || ! wget --help 2>&1 | grep -q -e --method || h=1
      [ -n "$h" ] || fail \(Refusal.missingTool.rawValue) 'the image has neither curl nor python3 nor a wget that can DELETE'

    """
  }

  /// Vast sets both variables for the container's first process, which every login descends from. A login itself has them
  /// only where an onstart copied them.
  private var findKey: String {
    """
      n=$$
      while :; do
        i=; k=
        l=$(tr '\\000' '\\n' 2>/dev/null <"/proc/$n/environ" | grep -e '^CONTAINER_ID=' -e '^CONTAINER_API_KEY=')
        set -f
        for l in $l; do
          case $l in CONTAINER_ID=*) i=${l#*=} ;; CONTAINER_API_KEY=*) k=${l#*=} ;; esac
        done
        set +f
        [ -z "$i" ] || [ -z "$k" ] || break
        [ "$n" -gt 1 ] && read -r s 2>/dev/null <"/proc/$n/stat" || break
        s=${s##*) }
        set -- $s
        n=$2
      done
      case $i in ''|*[!0-9]*) i= ;; esac
      case $k in ''|*[!A-Za-z0-9_.-]*) k= ;; esac
      [ -n "$i" ] && [ -n "$k" ] || fail \(Refusal.noKey.rawValue) 'the container has no CONTAINER_ID and CONTAINER_API_KEY'

    """
  }

  /// `watch.sh`: takes the instance's number, its key and Vast's address from its input.
  ///
  /// Each way to ask prints the status of the answer, nothing where there was none; the next one has its turn then, since
  /// an image may have a curl and no certificates. A refused destroy is followed by a stop, which ends most of the cost: 401
  /// and 403 are what a key that may not gets, and 404 is what Vast says to a key that it does not know.
  private var watcher: String {
    #"""
    # vastd: destroys this instance when nobody has renewed its lease in time.
    umask 077
    trap '' HUP
    d=$HOME/vastd/.lease
    IFS= read -r id; IFS= read -r key; IFS= read -r url
    exec </dev/null
    cd /
    s=; read -r s <"/proc/$$/stat"
    s=${s##*) }
    set -- $s
    b=; read -r b </proc/sys/kernel/random/boot_id
    me="$$ ${20} $b"
    echo "$me" >"$d/watcher.$$" && mv -f "$d/watcher.$$" "$d/watcher" || exit 1
    url=$url/api/v0/instances/$id/
    by_curl() {
      printf 'header = "Authorization: Bearer %s"\nheader = "Content-Type: application/json"\n' "$key" |
        curl -q -sS -K - -X "$1" -d "$2" -m 60 -o /dev/null -w '%{http_code}' "$url"
    }
    by_wget() {
      printf 'header = Authorization: Bearer %s\nheader = Content-Type: application/json\n' "$key" >"$d/wgetrc.$$"
      wget --config="$d/wgetrc.$$" -nv -S -O /dev/null --max-redirect=0 --method="$1" --body-data="$2" -T 60 -t 1 "$url" 2>&1 | {
        c=
        while read -r p s x; do case $p in HTTP/*) c=$s ;; esac; done
        echo "$c"
      }
      rm -f "$d/wgetrc.$$"
    }
    by_python3() {
      printf '%s\n' "$key" | python3 -c '
    import sys, urllib.error, urllib.request
    headers = {"Authorization": "Bearer " + sys.stdin.readline().strip(), "Content-Type": "application/json"}
    url, method, body = sys.argv[1:]
    request = urllib.request.Request(url, data=body.encode(), method=method, headers=headers)
    try:
        print(urllib.request.urlopen(request, timeout=60).status)
    except urllib.error.HTTPError as error:
        print(error.code)
    ' "$url" "$1" "$2"
    }
    ask() {
      for tool in curl wget python3; do
        command -v $tool >/dev/null 2>&1 || continue
        c=$(by_$tool "$1" "$2" 2>/dev/null)
        case $c in [1-5][0-9][0-9]) echo "$c"; return ;; esac
      done
    }
    t=; pause=\#(firstPause)
    while :; do
      l=; read -r l 2>/dev/null <"$d/watcher"
      [ -z "$l" ] || [ "$l" = "$me" ] || exit 0
      n=; read -r n x 2>/dev/null <"$d/deadline"
      case $n in ''|*[!0-9]*) ;; *) t=$n ;; esac
      [ -n "$t" ] || exit 1
      read -r u x </proc/uptime
      rest=$((t - ${u%%.*}))
      if [ $rest -gt 0 ]; then
        pause=\#(firstPause)
        [ $rest -le 10 ] || rest=10
        sleep $rest
      else
        case $(ask DELETE '{}') in 401|403|404) ask PUT '{"state": "stopped"}' >/dev/null ;; esac
        sleep $pause
        pause=$((pause * 2)); [ $pause -le \#(Self.longestPause) ] || pause=\#(Self.longestPause)
      fi
    done
    """#
  }
}
