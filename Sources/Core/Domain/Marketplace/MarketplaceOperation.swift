/// The calls of `Marketplace` by name, for what treats them one by one: pacing, retries, metrics. Raw values are label values
/// of metrics and are never renamed.
package enum MarketplaceOperation: String, Sendable, Hashable, CaseIterable {
  case searchOffers = "search_offers"
  case gpuNames = "gpu_names"
  case create
  case listInstances = "list_instances"
  case readInstance = "read_instance"
  case start
  case stop
  case destroy
  case registerKey = "register_key"
  case attachKey = "attach_key"
  case registerWebhook = "register_webhook"
  case account
  case spend
  case charges
  case priceIncreases = "price_increases"
  case answerPriceIncrease = "answer_price_increase"

  /// Whether doing it twice does no more, and tells no less, than doing it once. Renting twice rents twice; a second answer to
  /// a price increase finds nothing that waits, and hides whether the first was heard.
  package var isRepeatable: Bool { self != .create && self != .answerPriceIncrease }
}
