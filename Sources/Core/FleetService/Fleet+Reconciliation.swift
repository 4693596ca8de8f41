package import Domain
import Store

extension Fleet {
  /// The ledger of some days against what Vast charged, by instance and day.
  package func reconciliation(_ range: DayRange, _ page: PageRequest) throws(FleetError) -> Reconciliation {
    let now = now()
    return try read { (r) throws(StoreError) in try r.reconciliation(range, page, now: now) }
  }
}
