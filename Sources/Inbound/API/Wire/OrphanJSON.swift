import Domain
import JSON

enum OrphanJSON {
  static func render(_ report: OrphanReport) -> [UInt8] {
    var writer = JSONWriter(capacity: 64 + 320 * report.orphans.count)
    writer.object { writer in
      writer.array("items") { writer in for orphan in report.orphans { writer.element(orphan) } }
      writer.member("as_of", report.asOf)
      writer.member("unlisted_spend_per_hour_usd", report.unlistedSpend?.perHour)
      writer.member("spend_as_of", report.unlistedSpend?.asOf)
    }
    return writer.bytes
  }
}

extension JSONWriter {
  fileprivate mutating func element(_ orphan: Orphan) {
    object { writer in
      writer.member("provider_id", orphan.seen.id.rawValue)
      writer.member("label", orphan.seen.label)
      writer.member("machine_id", orphan.seen.machineID)
      writer.member("gpu_name", orphan.seen.gpuName)
      writer.member("price_per_hour_usd", orphan.seen.runningPricePerHour)
      writer.member("first_seen_at", orphan.firstSeenAt)
      writer.member("destroy_after", orphan.destroyAfter)
      writer.member("destroy_asked_at", orphan.destroyAskedAt)
    }
  }
}
