import CSystem
import Domain

/// How a script travels, and how its end is told apart from the connection's.
///
/// - The remote command is a fixed text that any login shell understands: it starts `/bin/sh`, which takes the script's
///   bytes from stdin, exactly as many as it was told, and runs them; the rest of stdin is the script's own. So no part
///   of a script shows in an argument, here or there.
/// - The script ends in a comment with a number chosen by chance. When that is missing, the connection broke on the way
///   and nothing is run.
/// - Stdout begins where a line with that number begins: what login files print before it is dropped.
/// - The exit status is the last line of stderr, again with that number, and the wrapper itself ends with 0. `ssh` says 255
///   both for a broken connection and for a command that says 255; here the first has no such line.
///
/// A hostile machine can forge all of that. It could as well forge the command's own exit status.
struct RemoteFrame {
  /// What a script may hold; far above what we send, and small in a shell's memory.
  static let scriptLimit = 1 << 20
  /// Exit status of a wrapper that got half a script. Never seen in practice: its connection is gone.
  private static let isCutShort = 70

  /// 16 characters of `0-9a-f`.
  let nonce: String

  init(nonce: String) { self.nonce = nonce }

  init() {
    let digits = String(UInt64.random(in: 0 ... .max), radix: 16)
    nonce = String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// What goes before the input of the command.
  func preface(for script: String) throws(RemoteShellError) -> [UInt8] {
    let bytes = Array(script.utf8)
    guard bytes.count <= Self.scriptLimit else { throw .local(detail: "script of \(bytes.count) bytes") }
    guard !bytes.contains(0) else { throw .local(detail: "NUL in a script") }
    return bytes + Array("\n#\(nonce)".utf8)
  }

  /// The command for the login shell, for a preface of that size. It holds no backslash before a quote, no `!` and no line
  /// break, so csh and fish read it alike. `dd` reads no byte more than asked: GNU's and busybox's in one go, any other
  /// POSIX one byte by byte.
  func command(prefaceSize: Int) -> String {
    let steps = [
      "n=\(nonce)",
      "s=$(dd bs=\(prefaceSize) count=1 iflag=fullblock 2>/dev/null || dd bs=1 count=\(prefaceSize) 2>/dev/null; echo .)",
      ##"case "$s" in *"#$n".) ;; *) exit \##(Self.isCutShort) ;; esac"##,
      #"printf "%s-begin\n" "$n""#,
      #"(eval "$s")"#,
      #"printf "\n%s-end %d\n" "$n" "$?" >&2"#,
    ]
    return "exec /bin/sh -c '" + steps.joined(separator: "; ") + "'"
  }

  var beginMark: [UInt8] { Array("\(nonce)-begin\n".utf8) }
  var endMark: [UInt8] { Array("\n\(nonce)-end ".utf8) }
}

/// Finds a mark in a stream that comes in pieces, and passes on what surely comes before it.
struct MarkFinder {
  private let mark: [UInt8]
  /// The end of what was seen that may be the beginning of the mark.
  private var held: [UInt8] = []
  private(set) var isFound = false

  init(_ mark: [UInt8]) { self.mark = mark }

  /// - Returns: what follows the mark, nil while it has not been seen.
  mutating func feed(
    _ piece: UnsafeRawBufferPointer, before: (UnsafeRawBufferPointer) -> Void
  ) -> [UInt8]? {
    if isFound { return Array(piece) }
    // The common case of a flood: nothing held, no mark inside; nothing is copied but its tail.
    if held.isEmpty, Self.position(of: mark, in: piece) == nil {
      let kept = Self.overlap(of: piece, with: mark)
      before(UnsafeRawBufferPointer(rebasing: piece[..<(piece.count - kept)]))
      held = Array(piece.suffix(kept))
      return nil
    }
    let joined = held + piece
    return joined.withUnsafeBytes { bytes in
      if let position = Self.position(of: mark, in: bytes) {
        isFound = true
        before(UnsafeRawBufferPointer(rebasing: bytes[..<position]))
        held = []
        return Array(bytes[(position + mark.count)...])
      }
      let kept = Self.overlap(of: bytes, with: mark)
      before(UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count - kept)]))
      held = Array(bytes.suffix(kept))
      return nil
    }
  }

  /// What was held back at the end of a stream that never showed the mark.
  var remainder: [UInt8] { held }

  private static func position(of mark: [UInt8], in bytes: UnsafeRawBufferPointer) -> Int? {
    guard let base = bytes.baseAddress, let found = csystem_memmem(base, bytes.count, mark, mark.count) else {
      return nil
    }
    return UnsafeRawPointer(found) - base
  }

  /// The length of the longest end of `bytes` that is a beginning of `mark`.
  private static func overlap(of bytes: UnsafeRawBufferPointer, with mark: [UInt8]) -> Int {
    var length = min(mark.count - 1, bytes.count)
    while length > 0 && !bytes.suffix(length).elementsEqual(mark.prefix(length)) { length -= 1 }
    return length
  }
}
