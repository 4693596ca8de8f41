package import Domain
package import Logging
package import Store

/// Sees to it that Vast notifies this installation, where it has an address that Vast can reach. Notifications only make the
/// poller look sooner: without them everything comes to light at its interval.
package struct VastWebhookKeeper: Reconciler {
  package let name = "vast_webhook"

  private let store: Store
  private let marketplace: any Marketplace
  private let url: String
  private let learned: @Sendable (_ secret: String) -> Void
  private let logger: Logger

  /// - Parameter learned: told the secret, which must not show in logs.
  package init(
    store: Store, marketplace: any Marketplace, url: String, learned: @escaping @Sendable (_ secret: String) -> Void,
    logger: Logger
  ) {
    self.store = store
    self.marketplace = marketplace
    self.url = url
    self.learned = learned
    self.logger = logger
  }

  package func activate() async -> Outcome {
    var outcome = Outcome()
    outcome.examined = 1
    do throws(StoreError) {
      if let known = try store.read({ (r) throws(StoreError) in try r.marketWebhook() }), known.url == url {
        learned(known.secret)
        return outcome
      }
      let made: MarketWebhook
      do throws(MarketplaceError) {
        made = try await marketplace.registerWebhook(url: url)
      } catch {
        logger.warning(
          "Vast webhook not registered yet", metadata: ["code": "\(error.code)", "error": "\(error.detail)"])
        outcome.failures = 1
        return outcome
      }
      learned(made.secret)
      try await store.write { (tx) throws(StoreError) in try tx.keep(made) }
      logger.notice("Vast webhook registered")
      outcome.changed = 1
    } catch {
      logger.error("Vast webhook not kept", metadata: ["error": "\(error)"])
      outcome.failures = 1
    }
    return outcome
  }
}
