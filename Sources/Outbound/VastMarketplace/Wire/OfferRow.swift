import Domain
import JSON

extension Offer {
  /// An offer of a search's answer; nil when it cannot be rented, or lacks what makes it an offer: an id, a machine, a price.
  init?(row: JSONValue) {
    guard let id = row["id"]?.asInteger ?? row["ask_contract_id"]?.asInteger, id > 0,
      let machineID = row["machine_id"]?.asInteger, let total = Self.price(row),
      row["rentable"]?.asFlag != false, row["rented"]?.asFlag != true
    else { return nil }
    self.init(
      id: id, machineID: machineID, hostID: row["host_id"]?.asInteger ?? 0,
      gpuName: row["gpu_name"]?.asText?.presentable(limit: 100) ?? "", pricePerHour: total)
    gpuCount = row["num_gpus"]?.asInteger.flatMap { Int(exactly: $0) } ?? 1
    gpuRAMMegabytes = row["gpu_ram"]?.asNumber ?? 0
    cpuCores = row["cpu_cores_effective"]?.asNumber ?? 0
    ramMegabytes = Self.ourShareOfRAM(row)
    diskGigabytes = row["disk_space"]?.asNumber ?? 0
    gpuPricePerHour = Self.money(row["dph_base"] ?? row["search"]?["gpuCostPerHour"]) ?? total
    // Null and 0 both mean that none is known.
    minimumBidPerHour = Self.money(row["min_bid"]).flatMap { $0 > .zero ? $0 : nil }
    storagePricePerGigabyteMonth = Self.rate(row["storage_cost"])
    downloadPricePerGigabyte = Self.rate(row["inet_down_cost"])
    uploadPricePerGigabyte = Self.rate(row["inet_up_cost"])
    // The older name of the same figure.
    reliability = row["reliability"]?.asNumber ?? row["reliability2"]?.asNumber ?? 0
    deepLearningScore = row["dlperf"]?.asNumber ?? 0
    cudaVersion = row["cuda_max_good"]?.asNumber ?? 0
    driverVersion = row["driver_version"]?.asText?.presentable(limit: 50) ?? ""
    region = Region.text(row["geolocation"])
    isDatacenter = (row["hosting_type"]?.asInteger ?? 0) > 0
    isVerified = row["verification"]?.asText == "verified"
  }

  /// GPU and the disk asked for. A price below zero or without end is no price.
  private static func price(_ row: JSONValue) -> Money? {
    money(row["dph_total"]) ?? money(row["search"]?["totalHour"])
  }

  static func money(_ value: JSONValue?) -> Money? {
    guard let money = value?.asNumber.flatMap({ Money(dollars: $0) }), money >= .zero else { return nil }
    return money
  }

  private static func rate(_ value: JSONValue?) -> Double { max(0, value?.asNumber ?? 0) }

  /// `cpu_ram` is the machine's; ours is as large as our share of its cores, or of its GPUs when the cores are not told.
  private static func ourShareOfRAM(_ row: JSONValue) -> Double {
    let all = row["cpu_ram"]?.asNumber ?? 0
    if let cores = row["cpu_cores"]?.asNumber, cores > 0, let ours = row["cpu_cores_effective"]?.asNumber {
      return all * min(1, ours / cores)
    }
    return all * min(1, row["gpu_frac"]?.asNumber ?? 1)
  }
}

/// `Sweden, SE`; at times `, US`, or null.
enum Region {
  static func text(_ value: JSONValue?) -> String {
    guard let text = value?.asText?.presentable(limit: 100) else { return "" }
    return text.hasPrefix(",") ? String(text.dropFirst()).trimmed : text
  }

  /// The two letters at the end; nil when there are none.
  static func country(_ text: String) -> String? {
    guard let last = text.split(separator: ",").last.map({ String($0).trimmed }), last.utf8.count == 2 else {
      return nil
    }
    return last.uppercased()
  }
}
