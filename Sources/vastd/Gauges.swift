import Domain
import Store
import Telemetry

/// Gauges that are counted when they are asked for, so that they cost nothing between scrapes.
struct Gauges: Sendable {
  let store: Store
  let metrics: Metrics
  let circuit: @Sendable () -> CircuitState

  func refresh() {
    metrics.vastCircuitState.set(circuit().level)
    do throws(StoreError) {
      try store.read { (reader) throws(StoreError) in
        metrics.instances.replace(named(try reader.instanceCounts(), of: InstanceState.allCases))
        metrics.jobs.replace(named(try reader.jobCounts(), of: JobState.allCases))
        metrics.outboxPending.set(Double(try reader.pendingDeliveries()))
        metrics.burnRate.set(try reader.burnRate().dollars)
        metrics.spend.raise(to: Int(try reader.totalCost().microdollars))
      }
    } catch {
      // The scrape shows what was counted last; /health tells of the store.
      return
    }
  }

  private func named<State: RawRepresentable & Hashable>(
    _ counts: [State: Int], of all: [State]
  ) -> [String: Double] where State.RawValue == String {
    Dictionary(uniqueKeysWithValues: all.map { ($0.rawValue, Double(counts[$0] ?? 0)) })
  }
}
