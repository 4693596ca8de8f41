import Domain
import Locking
import Logging

extension InstanceReconciler {
  /// Asks a machine that stopped under its job to run again. Written down first: a process that dies in between finds it
  /// loading, and its time to run is bounded whether the call left or not.
  func start(_ instance: Instance) async {
    let asked = await change(
      instance, event: .startAsked, onlyIf: { $0.mayRevive && $0.desired == .running }
    ) { row, now in
      row.mayRevive = false
      row.acceptedAt = now
      row.errorSightings = 0
    }
    guard asked == true, let row = current(instance), row.state == .loading, let id = row.marketID else { return }
    do throws(MarketplaceError) {
      try await marketplace.start(id)
      logger.notice("start accepted", metadata: metadata(row))
    } catch {
      logger.notice("start failed", metadata: metadata(row, ["code": "\(error.code)", "error": "\(error.detail)"]))
      switch error {
      case .unknownOutcome, .malformedAnswer, .cancelled:
        // It may have been heard: the list will show.
        break
      case .unauthorized, .insufficientCredit, .offerTaken, .createdUnusable, .startQueued, .notFound, .rateLimited,
        .quotaExceeded, .unavailable, .circuitOpen, .refused:
        // Whoever has the GPUs may keep them for days, and Vast may be away for hours: another machine is up sooner.
        _ = await change(row, event: .vanished) { _, _ in }
      }
    }
    signals.instances.raise()
  }
}
