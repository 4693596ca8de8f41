import Domain
import JSON

extension PriceIncrease {
  /// A row of the pending increases, as the official client documents it (`price_increase.py`, `display.py`): costs of GPUs are
  /// dollars per second and GPU, those of disks per second and GB, those of traffic per GB, the fee is a fraction; a new price of
  /// null stays as it is.
  ///
  /// Nil without an id or an instance, and where a price is no number: an increase must not pass for none.
  init?(row: JSONValue) {
    guard let id = row["pending_price_increase_id"]?.asInteger, let contract = row["contract_id"]?.asInteger,
      contract > 0
    else { return nil }
    self.init(id: PriceIncreaseID(id), instanceID: MarketID(contract))
    guard let gpu = Self.change(row, "gpu_costpersec", times: 3600),
      let storage = Self.change(row, "disk_ram_costpersec", times: 3600 * 720),
      let download = Self.change(row, "bwd_cost"), let upload = Self.change(row, "bwu_cost"),
      let fee = Self.change(row, "platform_fee")
    else { return nil }
    if let gpu {
      guard let new = Money(dollars: gpu.new) else { return nil }
      gpuPerHour = Change(from: gpu.old.flatMap { Money(dollars: $0) }, to: new)
    }
    storagePerGigabyteMonth = storage
    downloadPerGigabyte = download
    uploadPerGigabyte = upload
    platformFee = fee
    hostID = row["host_id"]?.asInteger
    deadline = Self.moment(row["contract_end_date"])
    newEnd = Self.moment(row["ask_end_date"])
    announcedAt = Self.moment(row["created_at"])
  }

  /// `.some(nil)` for a price that stays, nil for one that cannot be read.
  private static func change(_ row: JSONValue, _ name: String, times scale: Double = 1) -> Change<Double>?? {
    guard let value = row["new_" + name] else { return .some(nil) }
    guard let new = value.asNumber, new >= 0 else { return nil }
    let old = row["old_" + name]?.asNumber.flatMap { $0 >= 0 ? $0 : nil }
    return .some(Change(from: old.map { $0 * scale }, to: new * scale))
  }

  private static func moment(_ value: JSONValue?) -> Timestamp? {
    value?.asNumber.flatMap { abs($0) < 1e11 ? Timestamp(seconds: $0) : nil }
  }
}
