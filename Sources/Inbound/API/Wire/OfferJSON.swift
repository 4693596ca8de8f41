import Domain
import JSON

extension JSONWriter {
  mutating func element(_ offer: Offer) {
    object { writer in writer.members(of: offer) }
  }

  mutating func members(of offer: Offer) {
    member("offer_id", offer.id)
    member("machine_id", offer.machineID)
    member("host_id", offer.hostID)
    member("gpu_name", offer.gpuName)
    member("num_gpus", offer.gpuCount)
    member("gpu_ram_gb", offer.gpuRAMMegabytes.gigabytes)
    member("cpu_cores", offer.cpuCores)
    member("ram_gb", offer.ramMegabytes.gigabytes)
    member("disk_gb", offer.diskGigabytes)
    member("price_per_hour_usd", offer.pricePerHour)
    member("min_bid_usd", offer.minimumBidPerHour)
    member("storage_usd_per_gb_month", offer.storagePricePerGigabyteMonth)
    member("inet_down_usd_per_gb", offer.downloadPricePerGigabyte)
    member("inet_up_usd_per_gb", offer.uploadPricePerGigabyte)
    member("reliability", offer.reliability)
    member("dlperf", offer.deepLearningScore)
    member("cuda", offer.cudaVersion)
    member("driver", offer.driverVersion)
    member("region", offer.region)
    member("datacenter", offer.isDatacenter)
  }
}

extension Double {
  /// To a hundredth: 24564 MB are 23.99 GB.
  fileprivate var gigabytes: Double { (self / 1024 * 100).rounded() / 100 }
}

enum OfferJSON {
  /// The offers of a search, best first. A list, but never of more than one page.
  static func listing(_ listing: OfferListing, limit: Int) -> [UInt8] {
    var writer = JSONWriter(capacity: 512 * (min(limit, listing.offers.count) + 1))
    writer.object { writer in
      writer.array("items") { writer in for offer in listing.offers.prefix(limit) { writer.element(offer) } }
      writer.null("next_cursor")
      writer.member("as_of", listing.asOf)
      if listing.isDegraded { writer.member("degraded", true) }
    }
    return writer.bytes
  }
}
