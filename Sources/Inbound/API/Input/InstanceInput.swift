import Domain
import FleetService
import JSON

/// Reads the body of POST /v1/instances and /v1/instances/plan.
enum InstanceInput {
  /// What a request means that names no GPU.
  static let defaultGPU = "RTX 4090"
  static let defaultImage = JobKind.pytorch.image

  static func read(_ body: [UInt8]) throws(APIError) -> (request: InstanceRequest, count: Int) {
    let (request, count, _) = try readNoting(body)
    return (request, count)
  }

  /// The same with what it left out. The label is not among that: the account knows it.
  static func readNoting(
    _ body: [UInt8]
  ) throws(APIError) -> (request: InstanceRequest, count: Int, defaults: [AppliedDefault]) {
    let problems = FieldProblems()
    let reader = ObjectReader(try JSONBody.object(body), problems: problems)
    var defaults = DefaultNotes()
    var rental = JobSpecification.Resources()
    let query = resources(reader, &rental, &defaults)
    var request = InstanceRequest(diskGigabytes: rental.diskGigabytes)
    request.isInterruptible = rental.isInterruptible
    request.bidPerHour = rental.bidPerHour
    request.query = query
    request.offerID = reader.integer("offer_id", 1...Int.max).map(Int64.init)
    request.templateHash = reader.string("template_hash", .templateHash)
    request.image = reader.string("image", .image) ?? (request.templateHash == nil ? defaultImage : nil)
    if let image = request.image { defaults.note("image", of: reader, .text(image)) }
    request.label = reader.string("label", .line(Limits.labelCharacters))
    request.environment = EnvironmentInput.read(reader, "env", for: .container)
    request.ports = ports(reader)
    request.onStart = reader.string("onstart", .onStart)
    request.registryLogin = RegistryLoginInput.read(reader)
    let count = reader.integer("count", 1...Limits.instancesAtOnce) ?? 1
    request.expectedTransfer = ResourcesInput.readTransfer(reader)
    defaults.noteRental(rental, of: reader)
    defaults.note("count", of: reader, .integer(Int64(count)))
    defaults.note(request.expectedTransfer, of: reader)
    checkChoices(reader, count)
    reader.notAvailable("template_id", "volume")
    reader.finish()
    try problems.check()
    return (request, count, defaults.notes)
  }

  /// Nil beside an offer.
  private static func resources(
    _ reader: ObjectReader, _ rental: inout JobSpecification.Resources, _ defaults: inout DefaultNotes
  ) -> OfferQuery? {
    let inner = reader.object("resources")
    if let inner {
      rental = ResourcesInput.read(inner)
      inner.finish()
    }
    ResourcesInput.readRental(reader, into: &rental)
    guard !reader.has("offer_id") else { return nil }
    if rental.choosesNoGPU, inner?.isNull("gpu_name") != true {
      rental.gpuName = defaultGPU
      defaults.note("gpu_name", of: inner, .text(defaultGPU))
    }
    defaults.note(rental, of: inner)
    return rental.query
  }

  /// What excludes another member.
  private static func checkChoices(_ reader: ObjectReader, _ count: Int) {
    guard reader.has("offer_id") else { return }
    if reader.has("resources") { reader.wrong("resources", "cannot be given beside offer_id") as Void? }
    if count > 1 { reader.wrong("count", "must be 1 beside offer_id: an offer can be rented once") as Void? }
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

extension JobSpecification.Resources {
  /// Memory and Vast's own fields choose a GPU as well as its name does.
  fileprivate var choosesNoGPU: Bool { gpuName == nil && minimumGPURAMGigabytes == nil && filters.isEmpty }
}
