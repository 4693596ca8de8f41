import CCrypto
import Glibc
import JSON
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

  @Test func `Vast's notification has the change seen long before the interval`() async throws {
    let rig = try await Rig()
    try await rig.startVastd(["VASTD_PUBLIC_URL": "https://vastd.example", "VASTD_POLL_INTERVAL_S": "300"])
    let id = try await rig.submit(#"{"command": "sleep 600", "recover": false}"#)
    try await rig.wait(for: id, "running")
    guard let instance = try await rig.job(id).text("instance_id"),
      case .integer(let machine)? = try await rig.get("/v1/instances/\(instance)").value("provider_id"),
      case .array(let hooks)? = try await rig.control("GET", "truth").json["webhooks"],
      case .object(let hook)? = hooks.first, case .string(let secret)? = hook["webhook_secret"]
    else { throw Fault("no webhook was registered") }
    #expect(hook["webhook_url"] == .string("https://vastd.example/webhooks/vast"))
    try await rig.control("POST", "instances/\(machine)/crash", "{}")
    // Twice: an end by itself is believed when it was seen twice.
    for number in 0..<2 {
      let body = Array(#"{"event_id": "n\#(number)", "notif_type": "instance_stopped"}"#.utf8)
      let stamp = String(time(nil))
      let signature = hexSignature(of: Array("\(stamp).".utf8) + body, with: secret)
      let answer = try await rig.send(
        "POST", "/webhooks/vast", body: body,
        headers: [
          (name: "X-Vast-Event-Id", value: "n\(number)"), (name: "X-Vast-Timestamp", value: stamp),
          (name: "X-Vast-Signature-256", value: "sha256=\(signature)"),
        ], withToken: false)
      #expect(answer.status == 204, "\(answer.bodyText)")
      try await ContinuousClock().pause(for: .seconds(2))
    }
    #expect(try await rig.ended(id, within: .seconds(60)).text("error.code") == "instance_exited")
    #expect(!(try rig.vastd.output.contains(secret)))
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

private func hexSignature(of content: [UInt8], with secret: String) -> String {
  let key = Array(secret.utf8)
  let code = [UInt8](unsafeUninitializedCapacity: 32) { buffer, count in
    count = ccrypto_hmac_sha256(key, key.count, content, content.count, buffer.baseAddress) == 1 ? 32 : 0
  }
  let digits = Array("0123456789abcdef")
  return String(code.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
}
