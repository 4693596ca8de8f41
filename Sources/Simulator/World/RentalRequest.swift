import JSON

/// The body of a create, checked as the service checks it.
struct RentalRequest {
  var image: String
  var environment: [(name: String, value: String)]
  var bid: Double?
  var disk: Double
  var label: String?
  var onstart: String?
  var runtype: String
  var arguments: [String]
  var cancelsIfUnavailable: Bool
  var startsStopped: Bool

  init(_ body: JSONObject, offer: Offer) throws(Refused) {
    func refuse(_ error: String, _ message: String) -> Refused { Refused(.failure(400, error, message)) }

    let template = body["template_hash_id"]?.asText ?? body["template_id"]?.asInt.map(String.init)
    guard let image = body["image"]?.asText ?? template.map({ _ in "vastai/base-image:latest" }) else {
      throw refuse("invalid_args", "image is missing")
    }
    guard !image.isEmpty, image.count <= 1024 else { throw refuse("invalid_args", "invalid image") }
    self.image = image

    environment = try Self.environment(body["env"])
    bid = body["price"]?.asNumber
    if let bid, !(0.001...128).contains(bid) { throw refuse("invalid_price", "Invalid price.") }
    disk = max(body["disk"]?.asNumber ?? 10, 8)
    guard disk <= offer.machine.disk else { throw refuse("invalid_args", "disk \(disk) is more than the machine has") }

    // An empty label is stored as none.
    label = body["label"]?.asText.flatMap { $0.isEmpty ? nil : $0 }
    if let label, label.count > 256 { throw refuse("label_too_long", "The label is longer than 256 characters.") }
    onstart = body["onstart"]?.asText
    arguments = body["args"]?.asArray?.compactMap(\.asText) ?? []
    let length = (onstart?.count ?? 0) + arguments.reduce(0) { $0 + $1.count } + (body["args_str"]?.asText?.count ?? 0)
    guard length <= 4096 else { throw refuse("invalid_args", "args, args_str and onstart exceed 4096 characters") }

    let runtype = body["runtype"]?.asText ?? "ssh"
    let known = ["ssh", "jupyter", "args"].contains { runtype.hasPrefix($0) }
    guard known else { throw refuse("invalid_args", "invalid runtype \(runtype)") }
    self.runtype = runtype == "ssh" ? "ssh ssh_proxy" : runtype

    startsStopped = body["target_state"]?.asText == "stopped"
    cancelsIfUnavailable = body["cancel_unavail"]?.asBool ?? (bid == nil && !startsStopped)
  }

  /// An object, or it is ignored: the text that the API page describes has no effect.
  private static func environment(_ value: JSONValue?) throws(Refused) -> [(name: String, value: String)] {
    guard let members = value?.asObject?.members else { return [] }
    var environment: [(name: String, value: String)] = []
    for member in members {
      let text: String
      switch member.value {
      case .string(let value): text = value
      case .integer(let value): text = "\(value)"
      case .number(let value): text = "\(value)"
      case .bool(let value): text = value ? "true" : "false"
      case .null: text = ""
      case .array, .object: throw Refused(.failure(400, "invalid_args", "env.\(member.name) must be a string"))
      }
      environment.append((member.name, text))
    }
    let size = environment.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count }
    guard size <= 32_768, environment.allSatisfy({ $0.name.utf8.count <= 256 }) else {
      throw Refused(.failure(400, "invalid_args", "env is too large"))
    }
    guard environment.count(where: { $0.name.hasPrefix("-p ") }) <= 64 else {
      throw Refused(.failure(400, "invalid_args", "at most 64 ports"))
    }
    return environment
  }
}
