/// What a caller wants to rent. Nil and empty mean "any". Two equal queries share one answer of the cache.
package struct OfferQuery: Sendable, Hashable {
  /// With spaces, as Vast writes it: `RTX 4090`.
  package var gpuName: String?
  package var gpuCount: Int?
  package var minimumGPURAMGigabytes: Double?
  package var minimumDiskGigabytes: Double?
  /// GPU and disk together.
  package var maximumPricePerHour: Money?
  package var minimumReliability: Double?
  package var minimumCUDA: Double?
  /// Two-letter country codes.
  package var regions: [String] = []
  package var isInterruptible = false
  /// What is bid for an interruptible offer; nil for the least that runs.
  package var bidPerHour: Money?
  /// nil: verified machines only, Vast's own default. false: unverified ones too.
  package var isVerified: Bool?
  package var selection = OfferSelection.cheapest
  package var excludedMachines: Set<Int64> = []
  package var excludedHosts: Set<Int64> = []
  /// Vast's own fields with its operators, passed through: `{"inet_down": {"gte": 500}}` as JSON text of the inner object.
  package var filters: [String: String] = [:]
  /// One offer by its id.
  package var offerID: Int64?

  package init() {}

  /// `RTX_4090`, ` rtx 4090 ` → `RTX 4090`-like spacing; the letters' case stays as given.
  package static func gpuName(from text: String) -> String {
    text.split(whereSeparator: { $0 == "_" || $0.isWhitespace }).joined(separator: " ")
  }
}

/// How offers are ranked. Raw values are stored and served.
package enum OfferSelection: String, Sendable, Hashable, CaseIterable {
  case cheapest
  case secondCheapest = "second_cheapest"
  /// Most deep learning score for a dollar.
  case bestValue = "best_value"
  case mostReliable = "most_reliable"

  /// The offers that fit the query, best first. Pure; ties fall to the lower price, the higher reliability, the lower id,
  /// so that the same offers always come in the same order.
  package func rank(_ offers: [Offer], for query: OfferQuery) -> [Offer] {
    let fitting = offers.filter { query.admits($0) }
    let byPrice = fitting.sorted { $0.priceOrder < $1.priceOrder }
    switch self {
    case .cheapest:
      return byPrice
    case .secondCheapest:
      // The cheapest goes to the end and not out: with a single offer there is no second.
      return byPrice.count < 2 ? byPrice : Array(byPrice[1...]) + [byPrice[0]]
    case .bestValue:
      return byPrice.enumerated().sorted {
        ($1.element.scorePerDollar, $0.offset) < ($0.element.scorePerDollar, $1.offset)
      }
      .map(\.element)
    case .mostReliable:
      return byPrice.enumerated().sorted { ($1.element.reliability, $0.offset) < ($0.element.reliability, $1.offset) }
        .map(\.element)
    }
  }
}

extension OfferQuery {
  /// Checked again on our side: filters that Vast ignores or rounds must not rent a wrong or dear machine.
  package func admits(_ offer: Offer) -> Bool {
    if let gpuName, offer.gpuName.lowercased() != gpuName.lowercased() { return false }
    if let gpuCount, offer.gpuCount != gpuCount { return false }
    if let maximumPricePerHour, price(of: offer) > maximumPricePerHour { return false }
    if let minimumReliability, offer.reliability < minimumReliability { return false }
    if let minimumGPURAMGigabytes,
      offer.gpuRAMMegabytes < minimumGPURAMGigabytes * 1024 * Self.ramTolerance
    {
      return false
    }
    if let minimumDiskGigabytes, offer.diskGigabytes < minimumDiskGigabytes { return false }
    if let minimumCUDA, offer.cudaVersion < minimumCUDA { return false }
    if let offerID, offer.id != offerID { return false }
    return !excludedMachines.contains(offer.machineID) && !excludedHosts.contains(offer.hostID)
  }

  /// What the offer costs by the hour when it is rented as wished, GPUs and disk: a bid replaces the GPUs' price.
  package func price(of offer: Offer) -> Money {
    guard isInterruptible else { return offer.pricePerHour }
    return (bidPerHour ?? offer.standardBidPerHour) + offer.storagePerHour(gigabytes: minimumDiskGigabytes ?? 0)
  }

  /// A card sold as 24 GB reports 24564 MB and not 24576; some report 7 % less than their nominal size.
  package static let ramTolerance = 0.93
}

extension Offer {
  fileprivate var priceOrder: (Int64, Double, Int64) { (pricePerHour.microdollars, -reliability, id) }
  fileprivate var scorePerDollar: Double {
    pricePerHour.microdollars > 0 ? deepLearningScore / pricePerHour.dollars : deepLearningScore
  }
}
