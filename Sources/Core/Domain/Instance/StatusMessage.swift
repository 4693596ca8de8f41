/// Reads Vast's `status_msg`: free text by the host's daemon, sticky, worth a look only while an instance is not yet up.
package enum StatusMessage {
  /// Texts of Docker and the host that mean "this will not start here".
  private static let errorMarks = [
    "error response from daemon", "manifest", "not found", "pull access denied", "unauthorized", "no space left",
    "oci runtime", "cdi", "permission denied", "traceback", "toomanyrequests", "invalid reference format",
  ]

  package static func tellsError(_ message: String) -> Bool {
    let text = message.lowercased()
    return errorMarks.contains { text.containsText($0) } && !text.hasPrefix("success")
  }

  /// The code tells an image that cannot be had from a machine that cannot run it.
  package static func failure(_ message: String) -> Failure {
    let text = message.lowercased()
    let isImage = ["manifest", "pull access denied", "unauthorized", "invalid reference", "toomanyrequests"]
      .contains { text.containsText($0) }
    if isImage {
      // Also a name that is wrong, but as often a registry's limit for that host or a platform it lacks.
      return Failure(
        code: "image_pull_failed", detail: "The image could not be pulled: \(display(message))", isRetryable: true)
    }
    return Failure(code: "start_failed", detail: "The host could not start it: \(display(message))", isRetryable: true)
  }

  /// One line, at most 300 characters, no control characters: for people.
  package static func display(_ message: String) -> String {
    let line = message.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? " " : Character($0) }
    return String(String(line).prefix(300)).split(separator: " ").joined(separator: " ")
  }
}

extension String {
  /// Plain search for a short text; the standard library has none without Foundation.
  fileprivate func containsText(_ text: String) -> Bool {
    let (body, part) = (Array(utf8), Array(text.utf8))
    guard part.count <= body.count else { return false }
    return (0...(body.count - part.count)).contains { start in
      (0..<part.count).allSatisfy { body[start + $0] == part[$0] }
    }
  }
}
