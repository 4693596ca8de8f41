package import Domain
import Store

/// The parts of the service as `/health` shows them.
package struct HealthReport: Sendable {
  package enum Status: String, Sendable, Hashable {
    case healthy
    case degraded
    case unhealthy
  }

  package var uptime: Duration
  package var provider: ProviderStatus
  package var providerStatus: Status
  package var databaseStatus: Status
  package var databaseLatency: Duration?
  package var databaseError: String?
  package var poller: PollerStatus
  package var pollerStatus: Status
  /// From the start of the last complete list to now.
  package var pollLag: Duration?
  package var runningJobs: Int
  package var queuedJobs: Int

  /// Without the store nothing works; without Vast.ai what is known can still be read.
  package var status: Status {
    if databaseStatus == .unhealthy { return .unhealthy }
    return [providerStatus, databaseStatus, pollerStatus].contains { $0 != .healthy } ? .degraded : .healthy
  }
}

extension Fleet {
  package func health() -> HealthReport {
    let now = now()
    let provider = connections.provider()
    let poller = connections.poller()
    var report = HealthReport(
      uptime: now - startedAt, provider: provider,
      providerStatus: provider.error == nil && provider.circuit == .closed ? .healthy : .degraded,
      databaseStatus: .healthy, databaseLatency: nil, databaseError: nil, poller: poller, pollerStatus: .healthy,
      pollLag: poller.lastPollAt.map { now - $0 }, runningJobs: 0, queuedJobs: 0)
    // Three intervals: one may fail, and the next may wait for its turn.
    let isLate = now - (poller.lastPollAt ?? startedAt) > poller.interval * 3 + .seconds(10)
    if poller.error != nil || isLate { report.pollerStatus = .degraded }
    do throws(StoreError) {
      report.databaseLatency = try store.ping()
      let counts = try store.read { (r) throws(StoreError) in try r.jobCounts() }
      report.queuedJobs = (counts[.queued] ?? 0) + (counts[.awaitingApproval] ?? 0)
      report.runningJobs = counts.filter { $0.key.isActive && $0.key != .queued }.values.reduce(0, +)
    } catch {
      report.databaseStatus = .unhealthy
      report.databaseError = "\(error)"
    }
    return report
  }

  /// Whether new requests should come here: the store answers and nobody asked us to stop.
  package var isReady: Bool {
    guard !isDraining else { return false }
    do throws(StoreError) {
      _ = try store.ping()
      return true
    } catch {
      return false
    }
  }
}
