/// A place where GPU machines are rented: Vast.ai, and the layers around it that measure, cache, pace and retry.
///
/// Calls mean what they say and nothing more: no call but `create` can rent, and no layer repeats `create`.
package protocol Marketplace: Sendable {
  /// Offers that fit, at most as many as the provider gives at once (64), cheapest first. May come from a cache.
  func searchOffers(_ query: OfferQuery) async throws(MarketplaceError) -> OfferListing

  /// The names of all GPU models on offer, as Vast writes them.
  func gpuNames() async throws(MarketplaceError) -> [String]

  /// Rents. Called once per order and never repeated by a layer: an unclear answer is `.unknownOutcome`.
  func create(_ order: RentalOrder) async throws(MarketplaceError) -> MarketID

  /// All instances of the account, every page of the list, or an error. Half a list is an error.
  func listInstances() async throws(MarketplaceError) -> [MarketInstance]

  /// One instance by a direct read; nil when the provider says that it does not exist.
  func readInstance(_ id: MarketID) async throws(MarketplaceError) -> MarketInstance?

  /// Asks for a stopped instance to run again, with the disk that it had. Returning means accepted, not running; where the
  /// GPUs are taken it is `.startQueued`. Starting what runs changes nothing.
  func start(_ id: MarketID) async throws(MarketplaceError)

  /// Asks for an instance to stop: its container ends, its disk stays and is paid for. A start of it that waits is called off.
  /// Returning means accepted, not stopped. Stopping what is stopped changes nothing.
  func stop(_ id: MarketID) async throws(MarketplaceError)

  /// Asks for destruction. `.notFound` means that it is gone. Returning means accepted, not gone.
  func destroy(_ id: MarketID) async throws(MarketplaceError)

  /// Adds a public key to the account unless it is there.
  func registerKey(_ publicKey: String) async throws(MarketplaceError)

  /// Adds a public key to one instance; already there is fine.
  func attachKey(_ publicKey: String, to id: MarketID) async throws(MarketplaceError)

  /// Has the provider notify an address of ours, whatever was registered for it before; the secret that signs from now on.
  func registerWebhook(url: String) async throws(MarketplaceError) -> MarketWebhook

  func account() async throws(MarketplaceError) -> MarketAccount

  /// What the account spends by the hour now. Never from a cache: it is asked for to test a list.
  func spend() async throws(MarketplaceError) -> MarketSpend

  /// What was charged for instances on each of the UTC days that the span from `start` up to `end`, without it, touches: one
  /// charge for each instance and day, days in their order. Complete, or an error. See `MarketCharge.days` for what is refused.
  func charges(from start: Timestamp, to end: Timestamp) async throws(MarketplaceError) -> [MarketCharge]

  /// The price increases that wait for an answer, as many as the provider tells at once: what is not among them may still wait.
  func priceIncreases() async throws(MarketplaceError) -> [PriceIncrease]

  /// Accepts or refuses one. `.notFound` means that it no longer waits: withdrawn, over, or answered before, perhaps by a call
  /// of ours that ended as `.unknownOutcome`. No layer makes it again, so that a caller knows which of its calls were heard.
  func answerPriceIncrease(_ id: PriceIncreaseID, accept: Bool) async throws(MarketplaceError)
}

/// The provider's own number of an instance (its contract).
package struct MarketID: Sendable, Hashable, Comparable, CustomStringConvertible {
  package let rawValue: Int64
  package init(_ rawValue: Int64) { self.rawValue = rawValue }
  package var description: String { String(rawValue) }
  package static func < (left: MarketID, right: MarketID) -> Bool { left.rawValue < right.rawValue }
}

package struct OfferListing: Sendable, Hashable {
  package var offers: [Offer]
  /// When the provider answered this.
  package var asOf: Timestamp
  /// Whether this is an older answer, given instead of a new one.
  package var isDegraded: Bool

  package init(offers: [Offer], asOf: Timestamp, isDegraded: Bool = false) {
    self.offers = offers
    self.asOf = asOf
    self.isDegraded = isDegraded
  }
}

package struct MarketAccount: Sendable, Hashable {
  package var nickname: String?
  package var email: String?
  package var credit: Money
  package var balance: Money
  /// When the provider answered this.
  package var asOf: Timestamp
  /// Whether this is an older answer, given instead of a new one.
  package var isDegraded: Bool

  package init(
    nickname: String?, email: String?, credit: Money, balance: Money, asOf: Timestamp, isDegraded: Bool = false
  ) {
    self.nickname = nickname
    self.email = email
    self.credit = credit
    self.balance = balance
    self.asOf = asOf
    self.isDegraded = isDegraded
  }

  /// What instances are called when a caller does not say: the nickname, else the part of the e-mail address before the @.
  package var defaultLabel: String { nameByNickname ?? nameByEmail ?? Self.plainLabel }

  package var nameByNickname: String? { nickname.flatMap { $0.isEmpty ? nil : $0 } }
  package var nameByEmail: String? { email?.split(separator: "@").first.map(String.init) }

  /// Where the account has no name.
  package static let plainLabel = "vast-user"
}

/// Everything that `create` sends. Built from stored fields only, so that a restart would send the same.
package struct RentalOrder: Sendable, Hashable {
  package var offerID: Int64
  /// Ends in our tag, see `InstanceTag`.
  package var label: String
  package var image: String?
  package var templateHash: String?
  /// Whole gigabytes; cannot be changed later.
  package var diskGigabytes: Int
  /// Variable names as checked by `EnvironmentName`; never docker flags.
  package var environment: [String: String] = [:]
  /// `8000/tcp`, `9000/udp`.
  package var ports: [String] = []
  package var onStart: String?
  /// `-u USER -p PASSWORD REGISTRY`. A secret.
  package var registryLogin: String?
  /// Non-nil makes it interruptible.
  package var bidPerHour: Money?

  package init(offerID: Int64, label: String, image: String?, diskGigabytes: Int) {
    self.offerID = offerID
    self.label = label
    self.image = image
    self.diskGigabytes = diskGigabytes
  }
}
