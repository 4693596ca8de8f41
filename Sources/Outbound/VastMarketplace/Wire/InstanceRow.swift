import Domain
import JSON

extension MarketInstance {
  /// An instance of a list or a read; nil without an id.
  init?(row: JSONValue) {
    guard let id = row["id"]?.asInteger, id > 0 else { return nil }
    self.init(id: MarketID(id))
    // Whole: the tag stands at its end.
    label = row["label"]?.asText
    actualStatus = Self.word(row["actual_status"])
    intendedStatus = Self.word(row["intended_status"])
    currentState = Self.word(row["cur_state"])
    nextState = Self.word(row["next_state"])
    // Docker's errors have some hundred characters; a host can write what it likes.
    statusMessage = row["status_msg"]?.asText?.presentable(limit: 1000)
    machineID = row["machine_id"]?.asInteger
    hostID = row["host_id"]?.asInteger
    gpuName = row["gpu_name"]?.asText?.presentable(limit: 100)
    gpuCount = row["num_gpus"]?.asInteger.flatMap { Int(exactly: $0) }
    gpuUtilization = row["gpu_util"]?.asNumber
    isBid = row["is_bid"]?.asFlag
    // `search` prices it as running, `instance` as it is now; the plain fields are older names of the former.
    runningPricePerHour = Offer.money(row["search"]?["totalHour"]) ?? Offer.money(row["dph_total"])
    gpuPricePerHour = Offer.money(row["search"]?["gpuCostPerHour"]) ?? Offer.money(row["dph_base"])
    storagePricePerHour = Offer.money(row["instance"]?["diskHour"]) ?? Offer.money(row["storage_total_cost"])
    region = row["geolocation"].map { Region.text($0) }
    diskGigabytes = row["disk_space"]?.asNumber
    image = row["image_uuid"]?.asText?.presentable(limit: 1024)
    startedAt = row["start_date"]?.asNumber.flatMap { abs($0) < 1e11 ? Timestamp(seconds: $0) : nil }
    uptime = row["uptime_mins"]?.asNumber.flatMap { (0...1e7).contains($0) ? .microseconds(Int64($0 * 6e7)) : nil }
    directAddress = Self.directAddress(row)
    proxyAddress = Self.proxyAddress(row)
  }

  private static func word(_ value: JSONValue?) -> String? {
    value?.asText.flatMap { $0.isEmpty ? nil : $0.presentable(limit: 50) }
  }

  /// The host's address and the port that it gave to the container's 22; only while the container runs.
  private static func directAddress(_ row: JSONValue) -> SSHAddress? {
    // One binding for IPv4 and one for IPv6, with the same port.
    let bindings = row["ports"]?["22/tcp"]?.asItems ?? []
    guard let host = row["public_ipaddr"]?.asText, let port = bindings.lazy.compactMap({ $0["HostPort"] }).first else {
      return nil
    }
    return address(host, port.asInteger)
  }

  /// Vast's own relay. With Jupyter in the container its SSH is one port further.
  private static func proxyAddress(_ row: JSONValue) -> SSHAddress? {
    guard let host = row["ssh_host"]?.asText, let port = row["ssh_port"]?.asInteger, port < 65_536 else { return nil }
    let isShifted = row["image_runtype"]?.asText?.contains("jupyter") == true
    return address(host, isShifted ? port + 1 : port)
  }

  /// An address ends in a line feed at times.
  private static func address(_ host: String, _ port: Int64?) -> SSHAddress? {
    guard let port = port.flatMap({ UInt16(exactly: $0) }) else { return nil }
    let address = SSHAddress(host: host.trimmed, port: port)
    return address.isPlausible ? address : nil
  }
}
