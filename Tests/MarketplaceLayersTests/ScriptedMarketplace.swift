import Domain
import Locking
import MarketplaceLayers
import TestSupport

/// A marketplace whose every call goes through one closure of the test's; counts them.
final class ScriptedMarketplace: Marketplace {
  typealias Script = @Sendable (MarketplaceOperation, _ call: Int) async throws(MarketplaceError) -> Void

  private let script: Script
  private let counts = Locked<[MarketplaceOperation: Int]>([:])

  /// Called before each answer with the operation and how many of its kind there were, this one included.
  init(_ script: @escaping Script = { _, _ in }) { self.script = script }

  /// Fails its first so many calls of a kind.
  convenience init(failing failure: MarketplaceError, times: Int = .max) {
    self.init { _, call throws(MarketplaceError) in
      if call <= times { throw failure }
    }
  }

  func count(_ operation: MarketplaceOperation) -> Int { counts.withLock { $0[operation, default: 0] } }

  private func begin(_ operation: MarketplaceOperation) async throws(MarketplaceError) {
    let call = counts.withLock { counts in
      counts[operation, default: 0] += 1
      return counts[operation, default: 0]
    }
    try await script(operation, call)
  }

  func searchOffers(_ query: OfferQuery) async throws(MarketplaceError) -> OfferListing {
    try await begin(.searchOffers)
    return OfferListing(
      offers: [.make(id: 1), .make(id: 2)], asOf: Timestamp(microseconds: Int64(count(.searchOffers))))
  }

  func gpuNames() async throws(MarketplaceError) -> [String] {
    try await begin(.gpuNames)
    return ["RTX 4090"]
  }

  func create(_ order: RentalOrder) async throws(MarketplaceError) -> MarketID {
    try await begin(.create)
    return MarketID(7)
  }

  func listInstances() async throws(MarketplaceError) -> [MarketInstance] {
    try await begin(.listInstances)
    return [MarketInstance(id: MarketID(Int64(count(.listInstances))))]
  }

  func readInstance(_ id: MarketID) async throws(MarketplaceError) -> MarketInstance? {
    try await begin(.readInstance)
    return nil
  }

  func start(_ id: MarketID) async throws(MarketplaceError) { try await begin(.start) }
  func stop(_ id: MarketID) async throws(MarketplaceError) { try await begin(.stop) }
  func destroy(_ id: MarketID) async throws(MarketplaceError) { try await begin(.destroy) }
  func registerKey(_ publicKey: String) async throws(MarketplaceError) { try await begin(.registerKey) }
  func attachKey(_ publicKey: String, to id: MarketID) async throws(MarketplaceError) { try await begin(.attachKey) }

  func registerWebhook(url: String) async throws(MarketplaceError) -> MarketWebhook {
    try await begin(.registerWebhook)
    return MarketWebhook(url: url, secret: "s")
  }

  func spend() async throws(MarketplaceError) -> MarketSpend {
    try await begin(.spend)
    return MarketSpend(gpuPerHour: .zero, storagePerHour: .zero, asOf: Timestamp(microseconds: Int64(count(.spend))))
  }

  func charges(from start: Timestamp, to end: Timestamp) async throws(MarketplaceError) -> [MarketCharge] {
    try await begin(.charges)
    return []
  }

  func priceIncreases() async throws(MarketplaceError) -> [PriceIncrease] {
    try await begin(.priceIncreases)
    return []
  }

  func answerPriceIncrease(_ id: PriceIncreaseID, accept: Bool) async throws(MarketplaceError) {
    try await begin(.answerPriceIncrease)
  }

  func account() async throws(MarketplaceError) -> MarketAccount {
    try await begin(.account)
    return MarketAccount(
      nickname: "n", email: nil, credit: .zero, balance: .zero,
      asOf: Timestamp(microseconds: Int64(count(.account))))
  }
}

extension Marketplace {
  /// Makes one call of this kind and says how it failed.
  func attempt(_ operation: MarketplaceOperation) async -> MarketplaceError? {
    do throws(MarketplaceError) {
      switch operation {
      case .searchOffers: _ = try await searchOffers(OfferQuery())
      case .gpuNames: _ = try await gpuNames()
      case .create: _ = try await create(RentalOrder(offerID: 1, label: "x", image: "i", diskGigabytes: 10))
      case .listInstances: _ = try await listInstances()
      case .readInstance: _ = try await readInstance(MarketID(7))
      case .start: try await start(MarketID(7))
      case .stop: try await stop(MarketID(7))
      case .destroy: try await destroy(MarketID(7))
      case .registerKey: try await registerKey("ssh-ed25519 A")
      case .registerWebhook: _ = try await registerWebhook(url: "https://a.example")
      case .attachKey: try await attachKey("ssh-ed25519 A", to: MarketID(7))
      case .account: _ = try await account()
      case .spend: _ = try await spend()
      case .charges: _ = try await charges(from: Timestamp(microseconds: 0), to: Timestamp(microseconds: 1))
      case .priceIncreases: _ = try await priceIncreases()
      case .answerPriceIncrease: try await answerPriceIncrease(PriceIncreaseID(7), accept: true)
      }
      return nil
    } catch {
      return error
    }
  }
}

extension MarketplaceError {
  /// One of each kind.
  static let all: [MarketplaceError] = [
    .unauthorized(detail: "d"), .insufficientCredit(detail: "d"), .offerTaken(offerID: 1),
    .createdUnusable(id: MarketID(9), reason: "r"), .startQueued(detail: "d"), .notFound, .rateLimited(retryAfter: nil),
    .rateLimited(retryAfter: .seconds(1)), .quotaExceeded(retryAfter: nil), .quotaExceeded(retryAfter: .seconds(9)),
    .refused(code: "c", detail: "d"), .unavailable(detail: "d"), .unknownOutcome(detail: "d"),
    .malformedAnswer(detail: "d"), .circuitOpen(retryAfter: .seconds(5)), .cancelled,
  ]
}

extension RateLimiter {
  /// At 08:00:00 UTC and from there on with the clock.
  convenience init(
    pacing: Double = 1, clock: ManualClock, waited: @escaping @Sendable (Duration) -> Void = { _ in }
  ) {
    self.init(
      pacing: pacing, clock: clock, now: { Timestamp(seconds: 1_800_000_000) + clock.elapsed }, waited: waited)
  }
}
