package import Domain
package import Logging
import Locking

/// Sees to it that the account knows our public key, and keeps an eye on its credit.
package final class AccountKeeper: Reconciler {
  package let name = "account"

  private let marketplace: any Marketplace
  private let shell: any RemoteShell
  private let seen: @Sendable (AccountReading) -> Void
  private let logger: Logger
  private let isKeyRegistered = Locked(false)

  /// - Parameter seen: told the account's figures after each look.
  package init(
    marketplace: any Marketplace, shell: any RemoteShell, seen: @escaping @Sendable (AccountReading) -> Void,
    logger: Logger
  ) {
    self.marketplace = marketplace
    self.shell = shell
    self.seen = seen
    self.logger = logger
  }

  package func activate() async -> Outcome {
    var outcome = Outcome()
    outcome.examined = 1
    if !isKeyRegistered.withLock({ $0 }) {
      if await registerKey() { outcome.changed += 1 } else { outcome.failures += 1 }
    }
    do throws(MarketplaceError) {
      let account = try await marketplace.account()
      let spend = try await marketplace.spend()
      seen(AccountReading(account, spend))
    } catch {
      // The poller's failures are told; a second voice would say the same.
      logger.debug("account not read", metadata: ["code": "\(error.code)"])
      outcome.failures += 1
    }
    return outcome
  }

  private func registerKey() async -> Bool {
    do throws(RemoteShellError) {
      let key = try await shell.publicKey()
      do throws(MarketplaceError) {
        try await marketplace.registerKey(key)
        isKeyRegistered.withLock { $0 = true }
        logger.info("public key registered with the account")
        return true
      } catch {
        logger.warning(
          "public key not registered yet", metadata: ["code": "\(error.code)", "error": "\(error.detail)"])
      }
    } catch {
      logger.error("no key pair", metadata: ["error": "\(error)"])
    }
    return false
  }
}
