import Domain
import HTTPClient
import MarketplaceLayers
import Telemetry
import VastMarketplace

/// The way out to Vast: the client and the layers around it.
struct Outbound: Sendable {
  let client: HTTPClient
  let fresh: any Marketplace
  /// With its cache, for who is about to rent.
  let current: any Marketplace
  /// With older answers besides, for who looks.
  let lenient: any Marketplace
  let peekOffers: @Sendable (OfferQuery) -> OfferListing?
  let status: @Sendable () -> ProviderStatus

  /// `inForce` gives the settings that apply now; `circuitChanged` is told when the circuit has opened or closed.
  init(
    _ configuration: Configuration, settings inForce: @escaping @Sendable () -> ServiceSettings, metrics: Metrics,
    redactor: Redactor,
    circuitChanged: @escaping @Sendable () -> Void
  ) {
    let client = HTTPClient(configuration: HTTPClientConfiguration(userAgent: "vastd/\(Build.version)"))
    self.client = client
    let source: VastCredentials.Source =
      switch configuration.vastKey {
      case .text(let key): .key(key)
      case .file(let path): .file(path: path)
      case nil: .key("")
      }
    let record = CallRecord(metrics: metrics, now: currentTime)
    let limiter = RateLimiter(pacing: configuration.pacing, now: currentTime) { wait in
      metrics.vastRateLimitWait.increment(by: Int(wait.microseconds) * 1000)
    }
    let breaker = CircuitBreaker(changed: circuitChanged)
    var settings = VastConfiguration(baseURL: configuration.vastURL, timeout: configuration.timeout)
    settings.requestID = { RequestScope.requestID }
    let vast = VastMarketplace(
      client: VastClient(
        configuration: settings,
        credentials: VastCredentials(source: source, learned: { redactor.register($0) }),
        send: { (request) async throws(HTTPClientError) in try await client.send(request) },
        observe: { record.requestEnded($0, status: $1, duration: $2) }),
      turn: { (operation) async throws(MarketplaceError) in try await limiter.furtherTurn(operation) })
    // Why in this order: see `MarketplaceLayer`.
    let measured = Measured(Faulting(vast), record: record)
    fresh = Retrying(
      CircuitBreaking(RateLimited(measured, limiter: limiter), breaker: breaker), retries: configuration.retries)
    // Callers share turns, circuit and record with the loops, and may be turned away where those wait.
    let mode: @Sendable () -> RateLimitMode = { inForce().rateLimitMode }
    let forCallers = Retrying(
      CircuitBreaking(RateLimited(measured, limiter: limiter, mode: mode), breaker: breaker),
      retries: configuration.retries, waitsOutRateLimits: { mode() == .queue })
    let caching = Caching(
      forCallers, timeToLive: configuration.isCacheEnabled ? configuration.cacheTTL : .zero, metrics: metrics)
    current = caching
    let stale = ServingStale(caching, isFallback: { inForce().isFallback })
    lenient = stale
    peekOffers = { stale.peekOffers($0) }
    status = {
      var status = record.status
      status.circuit = breaker.state
      return status
    }
  }
}
