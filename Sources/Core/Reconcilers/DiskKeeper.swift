package import Artifacts
import Domain
package import Logging

/// Keeps room for the writes that end costs: throws the ballast away when the store finds the disk full, and puts it back when
/// there is space again.
package struct DiskKeeper: Reconciler {
  package let name = "disk"

  private let ballast: Ballast
  private let isStoreFull: @Sendable () -> Bool
  private let logger: Logger

  package init(ballast: Ballast, isStoreFull: @escaping @Sendable () -> Bool, logger: Logger) {
    self.ballast = ballast
    self.isStoreFull = isStoreFull
    self.logger = logger
  }

  package func activate() async -> Outcome {
    var outcome = Outcome()
    outcome.examined = 1
    do throws(ArtifactError) {
      if isStoreFull() {
        guard try ballast.drop() else { return outcome }
        logger.error("the disk is full: the ballast is gone, machines can still be destroyed; make room")
        outcome.changed = 1
      } else if !ballast.isThere, try ballast.put() {
        logger.info("ballast taken", metadata: ["bytes": "\(Ballast.bytes)"])
        outcome.changed = 1
      }
    } catch {
      logger.warning("ballast not changed", metadata: ["error": "\(error)"])
      outcome.failures = 1
    }
    return outcome
  }
}
