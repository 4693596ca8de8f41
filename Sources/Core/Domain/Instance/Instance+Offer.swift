extension Instance {
  /// Takes the offer as the one to rent; prices hold until the provider shows what it really grants.
  package mutating func adopt(_ offer: Offer) {
    order.offerID = offer.id
    machineID = offer.machineID
    hostID = offer.hostID
    gpuName = offer.gpuName
    gpuCount = offer.gpuCount
    region = offer.region.isEmpty ? nil : offer.region
    let storage = offer.storagePerHour(gigabytes: Double(order.diskGigabytes))
    storagePerHour = storage
    pricePerHour = order.bidPerHour.map { $0 + storage } ?? offer.pricePerHour
  }
}
