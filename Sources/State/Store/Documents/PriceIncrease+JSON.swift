import Domain
import JSON

extension PriceIncrease {
  /// All but its own number and its deadline, which have columns of their own.
  var stored: [UInt8] {
    JSONWriter.document { writer in
      writer.member("instance", instanceID.rawValue)
      writer.known("host", hostID)
      if let gpuPerHour {
        writer.object("gpu_per_hour") { writer in
          writer.known("old", gpuPerHour.old)
          writer.known("new", gpuPerHour.new)
        }
      }
      writer.known("storage_per_gb_month", storagePerGigabyteMonth)
      writer.known("download_per_gb", downloadPerGigabyte)
      writer.known("upload_per_gb", uploadPerGigabyte)
      writer.known("platform_fee", platformFee)
      writer.known("new_end", newEnd)
      writer.known("announced_at", announcedAt)
    }
  }

  init(id: PriceIncreaseID, stored: StoredDocument) throws(StoreError) {
    guard let instance = stored.integer("instance") else {
      throw .corrupt(detail: "a price increase without its instance")
    }
    self.init(id: id, instanceID: MarketID(instance))
    hostID = stored.integer("host")
    gpuPerHour = stored.document("gpu_per_hour").flatMap { change in
      change.money("new").map { Change(from: change.money("old"), to: $0) }
    }
    storagePerGigabyteMonth = stored.change("storage_per_gb_month")
    downloadPerGigabyte = stored.change("download_per_gb")
    uploadPerGigabyte = stored.change("upload_per_gb")
    platformFee = stored.change("platform_fee")
    newEnd = stored.moment("new_end")
    announcedAt = stored.moment("announced_at")
  }
}

extension StoredDocument {
  fileprivate func change(_ name: String) -> PriceIncrease.Change<Double>? {
    document(name).flatMap { change in
      change.number("new").map { PriceIncrease.Change(from: change.number("old"), to: $0) }
    }
  }
}

extension JSONWriter {
  fileprivate mutating func known(_ name: StaticString, _ change: PriceIncrease.Change<Double>?) {
    guard let change else { return }
    object(name) { writer in
      writer.known("old", change.old)
      writer.member("new", change.new)
    }
  }
}
