/// An instance as the provider shows it in a list or a read. Everything but the id may be missing.
package struct MarketInstance: Sendable, Hashable {
  package var id: MarketID
  package var label: String?
  /// `actual_status`: what the host's daemon reports. Nil right after creation.
  package var actualStatus: String?
  /// `intended_status`: what we or the platform want.
  package var intendedStatus: String?
  package var currentState: String?
  package var nextState: String?
  /// Free text, sticky in both directions.
  package var statusMessage: String?
  package var machineID: Int64?
  package var hostID: Int64?
  package var gpuName: String?
  package var gpuCount: Int?
  package var gpuUtilization: Double?
  package var isBid: Bool?
  /// What all of it costs by the hour while running.
  package var runningPricePerHour: Money?
  /// What the GPUs alone cost by the hour while running.
  package var gpuPricePerHour: Money?
  /// What the disk costs by the hour in the present state.
  package var storagePricePerHour: Money?
  package var region: String?
  package var diskGigabytes: Double?
  package var image: String?
  /// When the contract was made, not the last boot.
  package var startedAt: Timestamp?
  /// Since the last boot; nil while it does not run. Some tell it in whole minutes, rounded down.
  package var uptime: Duration?
  package var directAddress: SSHAddress?
  /// The proxy of the provider, with the port that leads to this instance.
  package var proxyAddress: SSHAddress?

  package init(id: MarketID) { self.id = id }
}

/// Where an SSH server is said to listen. From the provider, so checked before use: see `isPlausible`.
package struct SSHAddress: Sendable, Hashable {
  package var host: String
  package var port: UInt16

  package init(host: String, port: UInt16) {
    self.host = host
    self.port = port
  }

  /// A host name or an IP address in its plain form: it cannot be taken for an option or hold white space.
  package var isPlausible: Bool {
    port > 0 && !host.isEmpty && host.utf8.count <= 253 && host.first != "-"
      && host.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: ":"),
          UInt8(ascii: "_"):
          true
        default: false
        }
      }
  }
}
