/// Which events a receiver wants: patterns such as `job.succeeded`, `instance.*` or `*`. None means what its format is made for.
package struct EventTypes: Sendable, Hashable {
  package var patterns: [String]

  package init(_ patterns: [String] = []) { self.patterns = patterns }

  /// Whether a text can be a pattern: lower-case words with points between them, the last of which may be `*`.
  package static func isPattern(_ text: String) -> Bool {
    if text == "*" { return true }
    guard text.utf8.count <= 100 else { return false }
    let words = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard words.count >= 2 else { return false }
    return words.enumerated().allSatisfy { place, word in
      if place == words.count - 1, word.elementsEqual("*".utf8) { return true }
      return !word.isEmpty
        && word.allSatisfy { byte in
          (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
            || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "_")
        }
    }
  }

  package func include(_ type: String, for format: WebhookFormat) -> Bool {
    guard !patterns.isEmpty else { return format == .cloudevents || Self.readable.contains { Self.matches(type, $0) } }
    return patterns.contains { Self.matches(type, $0) }
  }

  static func matches(_ type: String, _ pattern: String) -> Bool {
    if pattern == "*" || pattern == type { return true }
    guard pattern.hasSuffix(".*") else { return false }
    return type.utf8.starts(with: pattern.dropLast().utf8) && type.utf8.count >= pattern.utf8.count
  }

  /// What people in a channel want to know without having asked: what runs and costs, what ended, what went wrong.
  package static let readable = [
    "instance.running", "instance.exited", "instance.preempted", "instance.recovered", "instance.stopped_idle",
    "instance.orphan_found", "job.succeeded", "job.failed", "job.cancelled", "job.awaiting_approval",
    "billing.price_increase", "billing.discrepancy", "budget.*", "provider.*", "account.*", "webhook.disabled",
    "webhook.delivery_failed",
  ]
}
