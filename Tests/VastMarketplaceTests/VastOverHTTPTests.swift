import Domain
import HTTPClient
import JSON
import TestSupport
import Testing

@testable import VastMarketplace

/// The whole way down to the socket, with a server that misbehaves.
@Suite(.timeLimit(.minutes(1)))
struct VastOverHTTPTests {
  private let client = HTTPClient(configuration: .init(userAgent: "vastd/test"))

  private func marketplace(
    _ url: String, timeout: Duration = .seconds(10), responseLimit: Int = 1 << 20
  ) -> VastMarketplace {
    var configuration = VastConfiguration(baseURL: url, timeout: timeout)
    configuration.responseLimit = responseLimit
    return VastMarketplace(
      client: VastClient(
        configuration: configuration, credentials: VastCredentials(source: .key(FakeVast.key)),
        send: { [client] request async throws(HTTPClientError) in try await client.send(request) }))
  }

  private static let order = RentalOrder(offerID: 1, label: "x", image: "i", diskGigabytes: 10)

  /// The codes of a rental, a list and a destruction against the same server.
  private func codes(_ marketplace: VastMarketplace) async -> [String?] {
    [
      await failure { () async throws(MarketplaceError) in try await marketplace.create(Self.order) }?.code,
      await failure { () async throws(MarketplaceError) in try await marketplace.listInstances() }?.code,
      await failure { () async throws(MarketplaceError) in try await marketplace.destroy(MarketID(1)) }?.code,
    ]
  }

  private static let unknown = ["outcome_unknown", "provider_unavailable", "provider_unavailable"]
  private static let unavailable = [String](repeating: "provider_unavailable", count: 3)
  private static let unreadable = ["outcome_unknown", "malformed_answer", "malformed_answer"]

  @Test func `nobody there`() async {
    #expect(await codes(marketplace("http://127.0.0.1:1")) == Self.unavailable)
  }

  @Test func `a connection that breaks before an answer`() async {
    let server = ScriptedServer { _ in .close }
    #expect(await codes(marketplace(server.url)) == Self.unknown)
    #expect(server.requests.filter { $0.method == "PUT" }.count == 1)
  }

  @Test func `silence`() async {
    let server = ScriptedServer { _ in .silence }
    #expect(await codes(marketplace(server.url, timeout: .milliseconds(200))) == Self.unknown)
  }

  @Test func `a body that drips`() async {
    let server = ScriptedServer { _ in .drip(everyMilliseconds: 5) }
    #expect(await codes(marketplace(server.url, timeout: .milliseconds(200))) == Self.unknown)
  }

  @Test func `a body that is cut`() async {
    let server = ScriptedServer { _ in
      .raw(Array("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"success\": true, \"new_contract\": 7".utf8))
    }
    #expect(await codes(marketplace(server.url)) == Self.unknown)
  }

  @Test func `a body without end`() async {
    let server = ScriptedServer { _ in .answer(200, body: [UInt8](repeating: 0x20, count: 8 << 20)) }
    #expect(await codes(marketplace(server.url)) == Self.unknown)
  }

  @Test func `a gateway's page`() async {
    let server = ScriptedServer { _ in .answer(502, body: Array("<html>502</html>".utf8)) }
    #expect(await codes(marketplace(server.url)) == Self.unknown)
  }

  @Test func `a page of somebody else's with status 200`() async {
    let server = ScriptedServer { _ in .answer(200, body: Array("<html>Log in to the network</html>".utf8)) }
    #expect(await codes(marketplace(server.url)) == Self.unreadable)
  }

  @Test func `nesting without end`() async {
    let server = ScriptedServer { _ in .answer(200, body: [UInt8](repeating: UInt8(ascii: "["), count: 500_000)) }
    #expect(await codes(marketplace(server.url)) == Self.unreadable)
  }

  @Test func `a redirect is refused and the key does not travel on`() async {
    let other = ScriptedServer { _ in .json(200, #"{"success": true, "new_contract": 7}"#) }
    let server = ScriptedServer { [url = other.url] _ in .answer(307, headers: [("Location", url + "/api")]) }
    let marketplace = marketplace(server.url)
    #expect(await codes(marketplace) == [String](repeating: "provider_refused", count: 3))
    #expect(other.requests.isEmpty)
    let error = await failure { () async throws(MarketplaceError) in try await marketplace.account() }
    #expect(error?.detail.contains("VAST_URL") == true)
  }

  @Test func `a rental arrives at the server as one request with the key in its header`() async throws {
    let server = ScriptedServer { _ in .json(200, #"{"success": true, "new_contract": 7}"#) }
    #expect(try await marketplace(server.url).create(Self.order) == MarketID(7))
    let request = try #require(server.requests.first)
    #expect(server.requests.count == 1)
    #expect(request.method == "PUT")
    #expect(request.target == "/api/v0/asks/1/")
    #expect(request.header("Authorization") == "Bearer \(FakeVast.key)")
    #expect(request.header("User-Agent") == "vastd/test")
    #expect(request.header("Content-Type") == "application/json")
    #expect(try JSONValue.parse(request.body)["label"] == .string("x"))
  }
}
