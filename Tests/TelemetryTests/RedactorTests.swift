import Logging
import Telemetry
import Testing

@Suite struct RedactorTests {
  private static let canary = "canary-4f1b0c7e9d"

  @Test func `a registered secret appears in no part of any line, in either format`() {
    for format in LogFormat.allCases {
      let log = CapturedLog(format: format)
      let canary = Self.canary
      #expect(log.logs.redactor.register(canary))
      var logger = log.logs.logger("label \(canary)")
      logger[metadataKey: "own"] = "x\(canary)y\(canary)"
      logger.info(
        "message \(canary)",
        metadata: [
          "text": .string(canary), "key \(canary)": "v", "list": [.string(canary)], "map": [canary: .string(canary)],
          "convertible": .stringConvertible(Canary(text: canary)),
        ])
      logger.error("failed", error: CanaryError(text: canary))
      AccessLog(logs: log.logs).record(
        requestID: canary, method: canary, route: canary, path: "/v1/jobs/\(canary)/logs", status: 404, durationNs: 1,
        bytes: 1, principal: canary)
      let text = log.text()
      #expect(!text.contains(canary), "\(format)")
      #expect(text.contains("x[redacted]y[redacted]"))
      #expect(text.contains("/v1/jobs/[redacted]/logs"))
    }
  }

  @Test(arguments: [
    ("Authorization: Bearer abc.DEF-123_~+/==, next", "Authorization: Bearer [redacted], next"),
    ("bearer   abc", "bearer   [redacted]"), ("BEARER abc", "BEARER [redacted]"),
    ("signed with whsec_c2VjcmV0+/= today", "signed with [redacted] today"),
    ("to https://hooks.slack.com/services/T0/B0/xyz now", "to https://[redacted] now"),
    (
      "key -----BEGIN OPENSSH PRIVATE KEY-----\nb3Blb\n-----END OPENSSH PRIVATE KEY----- end", "key [redacted] end"
    ),
    ("cut -----BEGIN PRIVATE KEY-----\nMIIE", "cut [redacted]"),
    ("-----BEGIN ", "[redacted]"),
  ])
  func `what looks like a secret is hidden although nobody registered it`(text: String, expected: String) {
    #expect(Redactor().redact(text) == expected)
  }

  @Test(arguments: [
    "", "bearer", "Bearer", "Bearer ", "the bearer.", "whsec", "-----", "-----BEGIN", "hooks.slack.com/", "plain text",
    "b", "B-w-h", "Bearer: none",
  ])
  func `ordinary text stays as it is`(text: String) {
    #expect(Redactor().redact(text) == text)
  }

  @Test func `of two secrets, one within the other, the whole longer one goes`() {
    let redactor = Redactor()
    redactor.register("secret-1")
    redactor.register("secret-1-and-more")
    #expect(redactor.redact("a secret-1-and-more b secret-1 c") == "a [redacted] b [redacted] c")
  }

  @Test func `each long line of a secret of several lines is hidden on its own`() {
    let redactor = Redactor()
    redactor.register("first-line-0123456789\nshort\nsecond-line-0123456789")
    #expect(redactor.redact("at second-line-0123456789, short") == "at [redacted], short")
  }

  @Test func `a secret too short to be told from words is refused, not forgotten in silence`() {
    let redactor = Redactor()
    #expect(!redactor.register("abc"))
    #expect(redactor.redact("abcdef") == "abcdef")
  }

  @Test(arguments: ["token", "VAST_API_KEY", "password", "registry_password", "Authorization", "webhook_secret"])
  func `a value under a telling key is hidden whatever it is`(key: String) throws {
    let log = CapturedLog()
    log.logs.logger("t").info("m", metadata: [key: "plain", "nested": [key: "plain"]])
    #expect(!log.text().contains("plain"))
  }

  @Test func `a secret that straddles the cut of a long value does not survive in part`() {
    let log = CapturedLog()
    log.logs.redactor.register(Self.canary)
    // The value is cut at 16 KiB, in the middle of the canary.
    let value = String(repeating: "x", count: (16 << 10) - 8) + Self.canary + String(repeating: "y", count: 100)
    log.logs.logger("t").info("m", metadata: ["output": .string(value)])
    let text = log.text()
    #expect(!text.contains("canary"))
    #expect(text.contains("x[redacted]…"))
  }
}

private struct Canary: CustomStringConvertible, Sendable {
  let text: String
  var description: String { text }
}

private struct CanaryError: Error {
  let text: String
}
