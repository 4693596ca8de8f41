/// The offers that a fresh simulator has: always the same, over several GPU models, regions and qualities.
enum Catalogue {
  static let rtx4090 = GPU(
    name: "RTX 4090", memory: 24564, capability: 890, watts: 450, teraflops: 81.9, learningScore: 92.4, bandwidth: 875.5
  )
  static let rtx3090 = GPU(
    name: "RTX 3090", memory: 24576, capability: 860, watts: 350, teraflops: 35.3, learningScore: 53.1, bandwidth: 813.2
  )
  static let rtx5090 = GPU(
    name: "RTX 5090", memory: 32607, capability: 1200, watts: 575, teraflops: 104.7, learningScore: 171.2,
    bandwidth: 1517.8)
  static let rtx3060 = GPU(
    name: "RTX 3060", memory: 12288, capability: 860, watts: 170, teraflops: 12.9, learningScore: 17.8, bandwidth: 319.4
  )
  static let a6000 = GPU(
    name: "RTX A6000", memory: 49140, capability: 860, watts: 300, teraflops: 38.7, learningScore: 51.0,
    bandwidth: 642.9)
  static let l40s = GPU(
    name: "L40S", memory: 46068, capability: 890, watts: 350, teraflops: 91.1, learningScore: 96.3, bandwidth: 710.2)
  static let a100 = GPU(
    name: "A100 SXM4", memory: 81920, capability: 800, watts: 400, teraflops: 19.5, learningScore: 99.7,
    bandwidth: 1614.6)
  static let h100 = GPU(
    name: "H100 SXM", memory: 81559, capability: 900, watts: 700, teraflops: 66.9, learningScore: 238.4,
    bandwidth: 2712.0)
  static let v100 = GPU(
    name: "Tesla V100", memory: 16384, capability: 700, watts: 300, teraflops: 15.7, learningScore: 22.3,
    bandwidth: 742.1)
  static let none = GPU(
    name: "", memory: 0, capability: 0, watts: 0, teraflops: 0, learningScore: 0, bandwidth: 0)

  static let machines: [Machine] = [
    Machine(
      id: 27182, host: 16180, gpu: rtx4090, gpus: 4, price: 0.34, floor: 0.16, location: "Sweden, SE",
      reliability: 0.9973),
    Machine(
      id: 27183, host: 16181, gpu: rtx4090, gpus: 2, price: 0.31, floor: 0.14, location: "Texas, US",
      reliability: 0.9921),
    Machine(
      id: 27184, host: 16182, gpu: rtx4090, gpus: 1, price: 0.29, floor: 0.13, location: "Poland, PL",
      reliability: 0.9874,
      cores: 16, cpuMemory: 64_216, disk: 410.2),
    Machine(
      id: 27185, host: 16183, gpu: rtx4090, gpus: 8, price: 0.42, floor: 0.21, location: "Virginia, US",
      reliability: 0.9991, isDatacenter: true, cores: 128, cpuMemory: 515_789, disk: 6120.4, up: 4120, down: 4600),
    // No direct ports: only the proxy leads in.
    Machine(
      id: 27186, host: 16184, gpu: rtx4090, gpus: 1, price: 0.27, floor: 0.12, location: ", US", reliability: 0.95,
      directPorts: 0),
    // Cheap, and the kind one should not take.
    Machine(
      id: 27187, host: 16185, gpu: rtx4090, gpus: 1, price: 0.18, floor: 0.08, location: "Vietnam, VN",
      reliability: 0.71,
      verification: "unverified", up: 28.4, down: 61.7),
    Machine(
      id: 27188, host: 16185, gpu: rtx3090, gpus: 2, price: 0.12, floor: 0.06, location: "Vietnam, VN",
      reliability: 0.83,
      verification: "deverified"),
    Machine(
      id: 27190, host: 16180, gpu: rtx3090, gpus: 4, price: 0.19, floor: 0.09, location: "Sweden, SE",
      reliability: 0.9948),
    Machine(
      id: 27191, host: 16186, gpu: rtx3090, gpus: 1, price: 0.16, floor: nil, location: nil, reliability: 0.9812,
      cores: nil, cpuMemory: 64_216, disk: 220.0),
    Machine(
      id: 27201, host: 16187, gpu: rtx5090, gpus: 2, price: 0.58, floor: 0.3, location: "Norway, NO",
      reliability: 0.9967,
      driver: "575.57.08", cuda: 12.9),
    Machine(
      id: 27202, host: 16188, gpu: rtx5090, gpus: 4, price: 0.66, floor: 0.33, location: "Ontario, CA",
      reliability: 0.9982, isDatacenter: true, driver: "575.57.08", cuda: 12.9),
    Machine(
      id: 27210, host: 16189, gpu: rtx3060, gpus: 2, price: 0.07, floor: 0.03, location: "Bulgaria, BG",
      reliability: 0.9768, cores: 12, cpuMemory: 32_022, disk: 180.5),
    Machine(
      id: 27220, host: 16190, gpu: a6000, gpus: 2, price: 0.45, floor: 0.22, location: "Germany, DE",
      reliability: 0.9959),
    Machine(
      id: 27230, host: 16191, gpu: l40s, gpus: 4, price: 0.72, floor: 0.4, location: "Netherlands, NL",
      reliability: 0.9988, isDatacenter: true),
    Machine(
      id: 27240, host: 16192, gpu: a100, gpus: 4, price: 1.05, floor: 0.55, location: "California, US",
      reliability: 0.9979, isDatacenter: true, cores: 128, cpuMemory: 1_031_578, disk: 9200),
    Machine(
      id: 27250, host: 16193, gpu: h100, gpus: 8, price: 2.19, floor: 1.25, location: "Iceland, IS",
      reliability: 0.9993,
      isDatacenter: true, cores: 192, cpuMemory: 2_063_156, disk: 14_000),
    Machine(
      id: 27260, host: 16194, gpu: v100, gpus: 1, price: 0.11, floor: 0, location: "Japan, JP", reliability: 0.9903,
      driver: "535.86.05", cuda: 12.2),
    // A machine without GPUs: listed, never rentable.
    Machine(
      id: 27270, host: 16195, gpu: none, gpus: 0, price: 0.02, floor: nil, location: "France, FR", reliability: 0.9931),
  ]

  /// Each machine once per GPU and, with more than one, in halves and whole.
  static let offers: [Offer] = {
    var offers: [Offer] = []
    for machine in machines {
      var id = 31_000_000 + (machine.id - 27_000) * 100
      for size in Set([1, machine.gpus / 2, machine.gpus]).sorted() where size > 0 {
        for start in stride(from: 0, through: machine.gpus - size, by: size) {
          offers.append(Offer(id: id, machine: machine, slots: start..<start + size))
          id += 1
        }
      }
      if machine.gpus == 0 { offers.append(Offer(id: id, machine: machine, slots: 0..<0)) }
    }
    return offers
  }()
}
