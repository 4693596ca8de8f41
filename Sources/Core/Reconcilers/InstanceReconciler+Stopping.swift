import Domain
import Locking
import Logging
import Store

extension InstanceReconciler {
  /// Writes down the intent, then asks. Asked again while it is seen to run and nothing shows that the stop was heard.
  func stop(_ instance: Instance) async {
    let event: InstanceEvent? = instance.state == .running ? .stopAsked : nil
    let asked = await change(instance, event: event, onlyIf: { $0.desired == .stopped }) { row, now in
      row.idleStop?.askedAt = now
    }
    guard asked == true, let row = current(instance), row.state == .stopping, row.desired == .stopped,
      let id = row.marketID
    else { return }
    do throws(MarketplaceError) {
      try await marketplace.stop(id)
      logger.notice("stop accepted", metadata: metadata(row))
    } catch {
      logger.error("stop failed", metadata: metadata(row, ["code": "\(error.code)", "error": "\(error.detail)"]))
    }
    signals.instances.raise()
  }

  /// Since when an instance has served no job: its making, or the end of the job that left it behind. Nil while it serves one,
  /// and when nobody needs to know.
  func unusedSince(_ instance: Instance) -> Timestamp? {
    guard settings.idleGPUStop != nil, instance.state == .running else { return nil }
    guard let jobID = instance.jobID else { return instance.createdAt }
    guard instance.idleSince != nil else { return nil }
    do throws(StoreError) {
      return try store.read { (r) throws(StoreError) in try r.job(jobID)?.finishedAt }
    } catch {
      logger.error("instance's job cannot be read", metadata: metadata(instance, ["error": "\(error)"]))
      return nil
    }
  }
}

extension Instance {
  /// It stopped as it was asked to.
  func idleStopEvent(at moment: Timestamp) -> FleetEvent {
    var event = event("stopped_idle", at: moment)
    event.data.note("idle_s", idleStop.map { Int($0.idleness.span.inSeconds) })
    event.data.note("idle_cost_usd", idleStop?.idleness.cost)
    event.data.note("storage_per_hour_usd", storagePerHour)
    return event
  }
}
