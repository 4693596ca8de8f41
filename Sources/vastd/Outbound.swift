import Domain
import HTTPClient
import Telemetry
import VastMarketplace

/// The way out to Vast: the client and the layers around it.
struct Outbound: Sendable {
  let client: HTTPClient
  let fresh: any Marketplace
  let cached: any Marketplace
  let peekOffers: @Sendable (OfferQuery) -> OfferListing?
  let status: @Sendable () -> ProviderStatus

  init(_ configuration: Configuration, metrics: Metrics) {
    let client = HTTPClient(configuration: HTTPClientConfiguration(userAgent: "vastd/\(Build.version)"))
    self.client = client
    let source: VastCredentials.Source =
      switch configuration.vastKey {
      case .text(let key): .key(key)
      case .file(let path): .file(path: path)
      case nil: .key("")
      }
    let vast = VastMarketplace(
      client: VastClient(
        configuration: VastConfiguration(baseURL: configuration.vastURL, timeout: configuration.timeout),
        credentials: VastCredentials(source: source),
        send: { (request) async throws(HTTPClientError) in try await client.send(request) }))
    fresh = vast
    cached = vast
    peekOffers = { _ in nil }
    status = { ProviderStatus() }
  }
}
