/// A machine somebody rents out, as the catalogue knows it.
struct Machine: Sendable {
  var id: Int
  var host: Int
  var gpu: GPU
  var gpus: Int
  /// $ per hour and GPU.
  var price: Double
  /// $ per hour and GPU at which an interruptible may run; nil as some real rows have it.
  var floor: Double?
  var location: String?
  var reliability: Double
  var verification = "verified"
  var isDatacenter = false
  var cores: Int? = 64
  var cpuMemory = 257_894
  var disk = 1204.6
  /// $ per GB and month of 720 hours.
  var storageCost = 0.15
  /// Mb/s.
  var up = 812.3
  var down = 905.7
  /// $ per GB.
  var upCost = 0.0029
  var downCost = 0.0019
  var directPorts = 249
  var driver = "570.124.06"
  var cuda = 12.8
}

struct GPU: Sendable {
  var name: String
  /// MB each, as the driver tells it: below the nominal size.
  var memory: Int
  /// Hundredfold: 890 is 8.9.
  var capability: Int
  var watts: Double
  var teraflops: Double
  var learningScore: Double
  /// GB/s.
  var bandwidth: Double
}

/// A part of a machine that can be rented: one GPU, some, or all of it.
struct Offer: Sendable {
  /// The ask's number, good for one rental.
  var id: Int
  var machine: Machine
  /// Which of the machine's GPUs, counted from 0. Empty for a machine without any, which cannot be rented.
  var slots: Range<Int>

  var gpus: Int { slots.count }
  var fraction: Double { machine.gpus == 0 ? 1 : Double(gpus) / Double(machine.gpus) }
  var basePrice: Double { machine.price * Double(max(gpus, 1)) }
  var floor: Double? { machine.floor.map { $0 * Double(max(gpus, 1)) } }
  var effectiveCores: Double { Double(machine.cores ?? 32) * fraction }

  /// $ per hour for a disk of so many GB.
  func diskPrice(_ gigabytes: Double) -> Double { gigabytes * machine.storageCost / 720 }
}

/// One GPU of one machine: what a running instance has for itself.
struct Slot: Hashable, Sendable {
  var machine: Int
  var gpu: Int
}

extension Offer {
  var occupied: [Slot] { slots.map { Slot(machine: machine.id, gpu: $0) } }
}
