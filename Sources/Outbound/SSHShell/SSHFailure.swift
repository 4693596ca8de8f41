import Domain

/// What the client's messages mean for the caller. OpenSSH 8.4 to 10.
enum SSHFailure {
  static func classify(_ message: [UInt8], exit: ChildProcess.Exit) -> RemoteShellError {
    let text = String(decoding: message, as: UTF8.self)
    if text.contains("HOST IDENTIFICATION HAS CHANGED") || text.contains("Host key verification failed")
      || text.contains("host key is known for")
    {
      return .hostKeyChanged
    }
    if text.contains("Permission denied") || text.contains("Too many authentication failures") {
      return .permissionDenied
    }
    for ours in [
      "No user exists for uid", "Bad configuration option", "command-line", "too long for Unix domain socket",
    ]
    where text.contains(ours) {
      return .local(detail: plain(message))
    }
    return .unreachable(detail: message.isEmpty ? "ssh ended without a word (\(exit))" : plain(message))
  }

  /// One line for a log: the machine may have had a hand in it, so it is short and holds no control characters.
  static func plain(_ message: [UInt8]) -> String {
    let visible = message.prefix(300).map { (32..<127).contains($0) ? $0 : UInt8(ascii: " ") }
    return String(decoding: visible, as: UTF8.self).split(separator: " ").joined(separator: " ")
  }
}
