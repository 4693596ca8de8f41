/// Quotes text for a POSIX shell, so that it arrives byte for byte as one word.
package enum ShellQuoting {
  /// `it's` → `'it'\''s'`. NUL cannot be passed to a command at all: callers refuse it before.
  package static func quote(_ text: String) -> String {
    var quoted = "'"
    for scalar in text.unicodeScalars {
      if scalar == "'" { quoted += "'\\''" } else { quoted.unicodeScalars.append(scalar) }
    }
    return quoted + "'"
  }
}
