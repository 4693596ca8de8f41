import Domain
import JSON

enum PriceIncreaseJSON {
  static func render(_ increase: AnnouncedIncrease) -> [UInt8] {
    let terms = increase.terms
    var writer = JSONWriter(capacity: 1024)
    writer.object { writer in
      writer.member("id", increase.id)
      writer.member("provider_id", terms.id.rawValue)
      writer.member("instance_id", increase.instanceID)
      writer.member("job_id", increase.jobID)
      writer.member("host_id", terms.hostID)
      writer.member("state", increase.isOpen ? "open" : "closed")
      writer.member("price_per_hour_usd", increase.pricePerHour?.old)
      writer.member("new_price_per_hour_usd", increase.pricePerHour?.new)
      writer.object("changes") { writer in
        writer.change("gpu_usd_per_hour", terms.gpuPerHour) { $0.member($1, $2) }
        writer.change("storage_usd_per_gb_month", terms.storagePerGigabyteMonth) { $0.member($1, $2) }
        writer.change("inet_down_usd_per_gb", terms.downloadPerGigabyte) { $0.member($1, $2) }
        writer.change("inet_up_usd_per_gb", terms.uploadPerGigabyte) { $0.member($1, $2) }
        writer.change("platform_fee", terms.platformFee) { $0.member($1, $2) }
      }
      writer.member("deadline", terms.deadline)
      writer.member("new_end", terms.newEnd)
      writer.member("announced_at", terms.announcedAt)
      writer.member("first_seen_at", increase.firstSeenAt)
      writer.member("is_listed", increase.isListed)
      writer.member("accept_asked_at", increase.asked[.accepted])
      writer.member("refuse_asked_at", increase.asked[.refused])
      writer.member("answer", increase.answer?.rawValue)
      writer.member("answered_at", increase.answeredAt)
      writer.member("closed_at", increase.closedAt)
    }
    return writer.bytes
  }
}

extension JSONWriter {
  /// Null: stays as it is.
  fileprivate mutating func change<Price>(
    _ name: StaticString, _ change: PriceIncrease.Change<Price>?,
    _ write: (inout JSONWriter, StaticString, Price?) -> Void
  ) {
    guard let change else { return null(name) }
    object(name) { writer in
      write(&writer, "old", change.old)
      write(&writer, "new", change.new)
    }
  }
}
