import Domain

/// How often Vast lets each endpoint be called: per key and address, as a least time between two calls.
extension MarketplaceOperation {
  var minimumInterval: Duration {
    switch self {
    case .create: .milliseconds(4500)
    case .destroy: .seconds(3)
    case .searchOffers, .readInstance, .attachKey, .account, .spend, .priceIncreases, .answerPriceIncrease: .seconds(2)
    // A read and a write of the keys are two endpoints of 1 s each; one registration uses each once. Starts and stops are one
    // endpoint at Vast: both are rare, and the one that comes too soon is told so. For the GPU names no number is known.
    case .listInstances, .start, .stop, .charges, .registerKey, .registerWebhook, .gpuNames: .seconds(1)
    }
  }

  /// How long to leave an endpoint alone that answered 429 without saying how long. Vast asks 12 s for creates; the others
  /// only need their interval to pass, and twice of it leaves room for what is under way.
  var penalty: Duration {
    self == .create ? .seconds(12) : minimumInterval * 2
  }
}
