import JSON
import Locking
import TestSupport
import Testing

@testable import API

@Suite struct VastNotificationTests {
  private let path = "/webhooks/vast"
  private let body = #"{"event_id":"n1","notif_type":"outbid","message":"x"}"#

  @Test func `Vast's notification has the poller look sooner, and the same one again does not`() async throws {
    let world = try APIWorld()
    let headers = try await world.signAsVast(body, id: "n1")
    for _ in 0..<2 { #expect(try await world.call("POST", path, body, headers: headers, token: nil).status == 204) }
    #expect(world.sooner.withLock { $0 } == 1)
    let other = try await world.signAsVast(body, id: "n2")
    #expect(try await world.call("POST", path, body, headers: other, token: nil).status == 204)
    #expect(world.sooner.withLock { $0 } == 2)
    await world.close()
  }

  @Test func `what is not signed, not new or not whole is refused and does nothing`() async throws {
    let world = try APIWorld()
    let good = try await world.signAsVast(body, id: "n1")
    let old = try await world.signAsVast(body, id: "n1", age: .seconds(301))
    let early = try await world.signAsVast(body, id: "n1", age: .seconds(-302))
    for (headers, sent) in [
      (good, body + " "), (old, body), (early, body), (good.filter { $0.0 != "X-Vast-Event-Id" }, body),
      (good.filter { $0.0 != "X-Vast-Timestamp" }, body), (good.filter { $0.0 != "X-Vast-Signature-256" }, body),
      (good.map { $0.0 == "X-Vast-Timestamp" ? ($0.0, "9" + $0.1) : $0 }, body),
      (good.map { $0.0 == "X-Vast-Signature-256" ? ($0.0, String($0.1.dropLast())) : $0 }, body),
    ] {
      let answer = try await world.call("POST", path, sent, headers: headers, token: nil)
      #expect(answer.status == 401)
      #expect(try answer.json["code"] == .string("bad_signature"))
    }
    #expect(world.sooner.withLock { $0 } == 0)
    let large = String(repeating: " ", count: 64 << 10) + "{}"
    let signed = try await world.signAsVast(large, id: "n3")
    #expect(try await world.call("POST", path, large, headers: signed, token: nil).status == 413)
    await world.close()
  }

  @Test func `where no webhook is registered there is nothing`() async throws {
    let world = try APIWorld()
    #expect(try await world.call("POST", path, body, token: nil).status == 404)
    await world.close()
  }

  @Test func `a thousand notifications are remembered, and the oldest is forgotten first`() {
    var seen = SeenNotifications()
    let isNew = (0..<1000).map { seen.note("n\($0)") }
    #expect(isNew.allSatisfy { $0 })
    let again = [seen.note("n0"), seen.note("n999")]
    #expect(again == [false, false])
    let later = [seen.note("n1000"), seen.note("n0"), seen.note("n2")]
    #expect(later == [true, true, false], "n0 was the oldest, and is forgotten")
  }

  @Test func `the code is HMAC-SHA256 by the vectors of RFC 4231`() {
    let code = VastNotification.code(of: Array("what do ya want for nothing?".utf8), with: "Jefe")
    #expect(SHA256.hex(code) == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
  }
}
