import Domain
import JSON

/// Reads what a machine must have: `resources` of a job or an instance, and the offer queries.
enum ResourcesInput {
  /// `resources` of a job; the caller finishes the reader.
  static func read(_ reader: ObjectReader) -> JobSpecification.Resources {
    var resources = JobSpecification.Resources()
    resources.gpuName = reader.string("gpu_name", .gpuName).map(OfferQuery.gpuName)
    resources.gpuCount = reader.integer("num_gpus", Limits.gpuCount) ?? resources.gpuCount
    resources.minimumGPURAMGigabytes = reader.number("min_gpu_ram_gb", Limits.gpuRAMGigabytes)
    resources.minimumReliability =
      reader.number("min_reliability", Limits.reliability) ?? resources.minimumReliability
    resources.regions = regions(reader)
    resources.maximumPricePerHour = reader.money("max_price_per_hour_usd", upTo: Limits.largestPricePerHourDollars)
    resources.selection = reader.choice("selection", of: OfferSelection.self) ?? resources.selection
    resources.excludedMachines = excludedMachines(reader)
    resources.filters = FiltersInput.read(reader)
    return resources
  }

  /// The three that a job names within `resources` and an instance beside it.
  static func readRental(_ reader: ObjectReader, into resources: inout JobSpecification.Resources) {
    resources.diskGigabytes = reader.integer("disk_gb", Limits.diskGigabytes) ?? resources.diskGigabytes
    resources.isInterruptible = reader.flag("interruptible") ?? false
    resources.bidPerHour = reader.money("bid_per_hour_usd", upTo: Limits.largestPricePerHourDollars)
    if resources.bidPerHour != nil, !resources.isInterruptible {
      reader.wrong("bid_per_hour_usd", "needs \"interruptible\": true") as Void?
    }
  }

  /// The data that is expected to move, for estimates.
  static func readTransfer(_ reader: ObjectReader) -> Transfer {
    var transfer = Transfer()
    transfer.upGigabytes = reader.number("transfer_up_gb", Limits.transferGigabytes) ?? transfer.upGigabytes
    transfer.downGigabytes = reader.number("transfer_down_gb", Limits.transferGigabytes) ?? transfer.downGigabytes
    return transfer
  }

  /// The body of POST /v1/offers/search; its names are those of the query of GET /v1/offers.
  static func readQuery(_ reader: ObjectReader) -> OfferQuery {
    var query = OfferQuery()
    query.gpuName = reader.string("gpu_name", .gpuName).map(OfferQuery.gpuName)
    query.gpuCount = reader.integer("num_gpus", Limits.gpuCount)
    query.minimumGPURAMGigabytes = reader.number("min_gpu_ram_gb", Limits.gpuRAMGigabytes)
    query.minimumDiskGigabytes = reader.number("min_disk_gb", Limits.searchDiskGigabytes)
    query.maximumPricePerHour = reader.money("max_price_per_hour", upTo: Limits.largestPricePerHourDollars)
    query.minimumReliability = reader.number("min_reliability", Limits.reliability)
    query.minimumCUDA = reader.number("min_cuda", Limits.cudaVersion)
    query.regions = regions(reader)
    query.isInterruptible = reader.flag("interruptible") ?? false
    query.isVerified = reader.flag("verified")
    query.selection = reader.choice("selection", of: OfferSelection.self) ?? query.selection
    query.filters = FiltersInput.read(reader)
    return query
  }

  /// The query string of GET /v1/offers.
  static func readQuery(_ reader: inout QueryReader) throws(APIError) -> OfferQuery {
    var query = OfferQuery()
    query.gpuName = try reader.text("gpu_name", .gpuName).map(OfferQuery.gpuName)
    query.gpuCount = try reader.integer("num_gpus", Limits.gpuCount)
    query.minimumGPURAMGigabytes = try reader.number("min_gpu_ram_gb", Limits.gpuRAMGigabytes)
    query.minimumDiskGigabytes = try reader.number("min_disk_gb", Limits.searchDiskGigabytes)
    query.maximumPricePerHour = try reader.number("max_price_per_hour", 0...Limits.largestPricePerHourDollars)
      .flatMap { Money(dollars: $0) }
    query.minimumReliability = try reader.number("min_reliability", Limits.reliability)
    query.minimumCUDA = try reader.number("min_cuda", Limits.cudaVersion)
    query.regions = try reader.list("regions", limit: Limits.regions).map { region throws(APIError) in
      if let complaint = TextRule.region.complaint(region) {
        throw .queryParameter(name: "regions", detail: "each " + complaint)
      }
      return region.uppercased()
    }
    query.isInterruptible = try reader.flag("interruptible") ?? false
    query.isVerified = try reader.flag("verified")
    query.selection = try reader.choice("selection", of: OfferSelection.self) ?? query.selection
    return query
  }

  private static func regions(_ reader: ObjectReader) -> [String] {
    (reader.strings("regions", limit: Limits.regions, .region) ?? []).map { $0.uppercased() }
  }

  private static func excludedMachines(_ reader: ObjectReader) -> Set<Int64> {
    var machines: Set<Int64> = []
    for (index, item) in (reader.array("exclude_machines", limit: Limits.excludedMachines) ?? []).enumerated() {
      guard case .integer(let machine) = item, machine > 0 else {
        reader.problems.add(
          JSONPointer.child(reader.pointer(to: "exclude_machines"), String(index)),
          "must be a machine's number, as machine_id of an offer")
        continue
      }
      machines.insert(machine)
    }
    return machines
  }
}
