/// A machine, or a slice of one, that can be rented now. Its id is a ticket that goes stale within minutes;
/// `machineID` and `hostID` last.
package struct Offer: Sendable, Hashable {
  package var id: Int64
  package var machineID: Int64
  package var hostID: Int64
  package var gpuName: String
  package var gpuCount: Int
  /// Megabytes of one GPU. A card sold as 24 GB reports 24564.
  package var gpuRAMMegabytes: Double
  package var cpuCores: Double
  /// Our share of the machine's memory, in megabytes.
  package var ramMegabytes: Double
  package var diskGigabytes: Double
  /// What the GPUs cost while running; for an interruptible offer the least bid that runs now.
  package var gpuPricePerHour: Money
  /// GPU and the disk asked for in the search.
  package var pricePerHour: Money
  package var minimumBidPerHour: Money?
  /// Dollars for a gigabyte and a month of 720 hours.
  package var storagePricePerGigabyteMonth: Double
  package var downloadPricePerGigabyte: Double
  package var uploadPricePerGigabyte: Double
  /// 0…1
  package var reliability: Double
  /// Vast's deep learning benchmark, a plain score.
  package var deepLearningScore: Double
  package var cudaVersion: Double
  package var driverVersion: String
  package var region: String
  package var isDatacenter: Bool
  package var isVerified: Bool

  package init(id: Int64, machineID: Int64, hostID: Int64, gpuName: String, pricePerHour: Money) {
    self.id = id
    self.machineID = machineID
    self.hostID = hostID
    self.gpuName = gpuName
    gpuCount = 1
    gpuRAMMegabytes = 0
    cpuCores = 0
    ramMegabytes = 0
    diskGigabytes = 0
    gpuPricePerHour = pricePerHour
    self.pricePerHour = pricePerHour
    minimumBidPerHour = nil
    storagePricePerGigabyteMonth = 0
    downloadPricePerGigabyte = 0
    uploadPricePerGigabyte = 0
    reliability = 0
    deepLearningScore = 0
    cudaVersion = 0
    driverVersion = ""
    region = ""
    isDatacenter = false
    isVerified = false
  }

  /// What to bid for who names no bid: the least that runs now. Vast may tell none, or 0, and takes no bid below a tenth of a
  /// cent.
  package var standardBidPerHour: Money {
    let told = [minimumBidPerHour, gpuPricePerHour].compactMap { $0 }.first { $0 > .zero }
    return max(told ?? .zero, Money(microdollars: 1000))
  }

  /// What a disk of this size costs by the hour here: the price is for a gigabyte and 720 hours.
  package func storagePerHour(gigabytes: Double) -> Money {
    Money(dollars: storagePricePerGigabyteMonth * gigabytes / 720) ?? .zero
  }
}
