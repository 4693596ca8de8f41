import Domain
import FleetService
import JSON

/// Reads the body of POST /v1/instances.
enum InstanceInput {
  static func read(_ body: [UInt8]) throws(APIError) -> (request: InstanceRequest, count: Int) {
    let problems = FieldProblems()
    let reader = ObjectReader(try JSONBody.object(body), problems: problems)
    var rental = JobSpecification.Resources()
    let query = resources(reader, &rental)
    var request = InstanceRequest(diskGigabytes: rental.diskGigabytes)
    request.isInterruptible = rental.isInterruptible
    request.bidPerHour = rental.bidPerHour
    request.query = query
    request.offerID = reader.integer("offer_id", 1...Int.max).map(Int64.init)
    request.image = reader.string("image", .image)
    request.templateHash = reader.string("template_hash", .templateHash)
    request.label = reader.string("label", .line(Limits.labelCharacters))
    request.environment = EnvironmentInput.read(reader, "env", for: .container)
    request.ports = ports(reader)
    request.onStart = reader.string("onstart", .onStart)
    request.registryLogin = RegistryLoginInput.read(reader)
    let count = reader.integer("count", 1...Limits.instancesAtOnce) ?? 1
    checkChoices(reader, count)
    reader.notAvailable("template_id", "volume")
    reader.finish()
    try problems.check()
    return (request, count)
  }

  private static func resources(_ reader: ObjectReader, _ rental: inout JobSpecification.Resources) -> OfferQuery? {
    let inner = reader.object("resources")
    if let inner {
      rental = ResourcesInput.read(inner)
      inner.finish()
    }
    ResourcesInput.readRental(reader, into: &rental)
    return inner.map { _ in rental.query }
  }

  /// What excludes or needs another member.
  private static func checkChoices(_ reader: ObjectReader, _ count: Int) {
    switch (reader.has("offer_id"), reader.has("resources")) {
    case (false, false): reader.wrong("offer_id", "is required unless resources are given") as Void?
    case (true, true): reader.wrong("resources", "cannot be given beside offer_id") as Void?
    case (true, false):
      if count > 1 { reader.wrong("count", "must be 1 beside offer_id: an offer can be rented once") as Void? }
    case (false, true): break
    }
    if !reader.has("image"), !reader.has("template_hash") {
      reader.wrong("image", "is required unless template_hash is given") as Void?
    }
  }

  /// `8000`, `"8000"`, `"8000/tcp"` or `"9000/udp"` → `8000/tcp`.
  private static func ports(_ reader: ObjectReader) -> [String] {
    var ports: [String] = []
    for (index, item) in (reader.array("ports", limit: Limits.ports) ?? []).enumerated() {
      guard let port = port(item) else {
        reader.problems.add(
          JSONPointer.child(reader.pointer(to: "ports"), String(index)),
          "must be a port from 1 to 65535, alone or with /tcp or /udp")
        continue
      }
      if ports.contains(port) {
        reader.problems.add(JSONPointer.child(reader.pointer(to: "ports"), String(index)), "is named twice")
      }
      ports.append(port)
    }
    return ports
  }

  private static func port(_ item: JSONValue) -> String? {
    let text: String
    switch item {
    case .integer(let number): text = String(number)
    case .string(let string): text = string
    case .null, .bool, .number, .array, .object: return nil
    }
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count <= 2, let digits = parts.first, digits.utf8.allSatisfy(\.isASCIIDigit),
      let number = Int(digits), (1...65535).contains(number)
    else { return nil }
    let transport = parts.count == 2 ? parts[1] : "tcp"
    return transport == "tcp" || transport == "udp" ? "\(number)/\(transport)" : nil
  }
}
