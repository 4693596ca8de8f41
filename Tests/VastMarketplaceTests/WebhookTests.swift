import Domain
import HTTPClient
import Testing

@testable import VastMarketplace

@Suite struct WebhookTests {
  private let url = "https://vastd.example/webhooks/vast"
  private let secret = "0123456789abcdef0123456789abcdef"

  @Test func `an address that Vast does not know is registered, and the secret is the answer's`() async throws {
    let vast = FakeVast(
      .success(.json(#"{"success": true, "webhooks": [{"id": 3, "webhook_url": "https://other.example"}]}"#)),
      .success(.json(#"{"success": true, "webhook": {"id": 4, "webhook_secret": "\#(secret)"}}"#)))
    #expect(try await vast.marketplace.registerWebhook(url: url) == MarketWebhook(url: url, secret: secret))
    let sent = vast.requests[1]
    #expect(sent.method == "POST" && sent.url.hasSuffix("/api/v0/webhooks/"))
    let body = String(decoding: sent.body ?? [], as: UTF8.self)
    #expect(body.contains(url) && body.contains("client:outbid") && body.contains("client:instance_stopped"))
    #expect(sent.mayBeRepeated == false)
  }

  @Test func `one that is there gets a new secret and no second one is made`() async throws {
    let vast = FakeVast(
      .success(.json(#"{"webhooks": [{"id": 7, "webhook_url": "\#(url)"}]}"#)),
      .success(.json(#"{"success": true, "webhook_secret": "\#(secret)"}"#)))
    #expect(try await vast.marketplace.registerWebhook(url: url).secret == secret)
    #expect(vast.requests[1].url.hasSuffix("/api/v0/webhooks/7/rotate-secret/"))
  }

  @Test(arguments: [#"{"success": true}"#, #"{"success": true, "webhook": {"webhook_secret": "short"}}"#])
  func `an answer without a secret is no registration`(answer: String) async throws {
    let vast = FakeVast(.success(.json("[]")), .success(.json(answer)))
    await #expect(throws: MarketplaceError.self) { try await vast.marketplace.registerWebhook(url: url) }
  }
}
