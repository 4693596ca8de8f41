import Glibc
import Locking
import TestSupport
import Testing

@Suite struct `Webhooks as a receiver sees them` {
  /// Needs PyPI once, for the library; the script's last line says so when that fails.
  @Test(.timeLimit(.minutes(5)))
  func `every message verifies with the public library of the scheme`() async throws {
    let folder = try TemporaryFolder("webhooks")
    let package = #filePath.components(before: "/Tests/EndToEndTests/")
    let outcome = await withCheckedContinuation { continuation in
      startThread(name: "script") {
        continuation.resume(
          returning: Result {
            try run([package + "/scripts/test-webhooks", Program.path("")], folder: folder.path)
          })
      }
    }
    let done = try outcome.get()
    #expect(done.code == 0, "\(done.output)")
    #expect(done.output.contains("a replay is the same event again"))
  }

  @Test func `a private address is refused at the door, and one behind a name when it is called`() async throws {
    let rig = try await Rig()
    try await rig.startVastd()
    #expect(try await rig.post("/v1/webhooks", #"{"url": "https://127.0.0.1/"}"#).status == 422)
    // This machine's own name leads to loopback, or into its own network; its form says nothing of that.
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, name.count - 1)
    let host = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let made = try await rig.post("/v1/webhooks", #"{"url": "https://\#(host):9/"}"#)
    guard let id = made.text("id") else { throw Fault(made.bodyText) }
    _ = try await rig.send("POST", "/v1/webhooks/\(id)/test")
    let end = ContinuousClock.now + .seconds(20)
    var told = ""
    while !told.contains("nothing was sent") {
      guard ContinuousClock.now < end else { throw Fault(told) }
      told = try await rig.get("/v1/webhooks/\(id)/deliveries").bodyText
      try await ContinuousClock().pause(for: .milliseconds(50))
    }
  }
}

extension String {
  /// What stands before a part of a path.
  fileprivate func components(before part: String) -> String {
    firstRange(of: part).map { String(self[..<$0.lowerBound]) } ?? self
  }
}
