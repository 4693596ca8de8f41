import Domain
import FleetService
import JSON

enum HealthJSON {
  static func render(_ report: HealthReport, version: String) -> [UInt8] {
    var writer = JSONWriter(capacity: 768)
    writer.object { writer in
      writer.member("status", report.status.rawValue)
      writer.member("version", version)
      writer.member("uptime_s", report.uptime.inSeconds.toMilliseconds)
      writer.object("services") { writer in
        writer.object("vastai") { writer in
          writer.member("status", report.providerStatus.rawValue)
          writer.member(milliseconds: "latency_ms", report.provider.latency)
          writer.member("last_success_at", report.provider.lastSuccessAt)
          writer.member("circuit", report.provider.circuit.rawValue)
          writer.member("error", report.provider.error)
        }
        writer.object("database") { writer in
          writer.member("status", report.databaseStatus.rawValue)
          writer.member(milliseconds: "latency_ms", report.databaseLatency)
        }
        writer.object("poller") { writer in
          writer.member("status", report.pollerStatus.rawValue)
          writer.member("last_poll_at", report.poller.lastPollAt)
          writer.member("lag_s", report.pollLag?.inSeconds.toMilliseconds)
          writer.member("error", report.poller.error)
        }
        writer.object("jobs") { writer in
          writer.member("status", report.databaseStatus.rawValue)
          writer.member("running", report.runningJobs)
          writer.member("queued", report.queuedJobs)
        }
      }
    }
    return writer.bytes
  }
}

extension JSONWriter {
  fileprivate mutating func member(milliseconds name: StaticString, _ value: Duration?) {
    member(name, value.map { ($0.inSeconds * 1000).toMilliseconds })
  }
}

extension Double {
  /// To three places: more is noise.
  fileprivate var toMilliseconds: Double { (self * 1000).rounded() / 1000 }
}
