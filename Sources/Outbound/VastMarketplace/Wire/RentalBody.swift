import Domain
import JSON

/// The body of a create, with every key that the official client sends, nulls spelled out.
struct RentalBody {
  let bytes: [UInt8]

  /// Refused when a variable or a port would become a docker flag that nobody meant.
  init(_ order: RentalOrder) throws(MarketplaceError) {
    let environment = try Self.environment(order)
    var writer = JSONWriter()
    writer.object { writer in
      writer.member("client_id", "me")
      writer.member("image", order.image)
      writer.member("env", .object(environment))
      // Non-null makes it interruptible.
      writer.member("price", order.bidPerHour?.dollars)
      writer.member("disk", order.diskGigabytes)
      writer.member("label", order.label)
      writer.null("extra")
      writer.member("onstart", order.onStart)
      writer.member("image_login", order.registryLogin)
      writer.member("python_utf8", false)
      writer.member("lang_utf8", false)
      writer.member("use_jupyter_lab", false)
      writer.null("jupyter_dir")
      writer.member("force", false)
      // On demand: a start that fails leaves no contract. A bid may have to wait for its turn, and the server's own default
      // for bids is to let it; what then exists without running is told as `createdUnusable`.
      writer.member("cancel_unavail", order.bidPerHour == nil)
      writer.member("template_hash_id", order.templateHash)
      writer.null("user")
      // The misspelling is Vast's. A template brings its own.
      if order.templateHash == nil { writer.member("runtype", "ssh_direc ssh_proxy") }
    }
    bytes = writer.bytes
  }

  /// Variables, and ports as docker flags with the value "1". An object: a string is taken and ignored.
  private static func environment(_ order: RentalOrder) throws(MarketplaceError) -> JSONObject {
    var members: [JSONObject.Member] = []
    for (name, value) in order.environment.sorted(by: { $0.key < $1.key }) {
      guard !name.isEmpty, name.first != "-", !name.contains(where: { $0.isWhitespace || $0 == "=" || $0 == "\0" })
      else {
        throw .refused(
          code: "invalid_environment", detail: "\(name.presentable(limit: 50)) is no name of a variable")
      }
      members.append(.init(name: name, value: .string(value)))
    }
    for port in order.ports {
      members.append(.init(name: try portFlag(port), value: .string("1")))
    }
    return JSONObject(members)
  }

  /// `8000/tcp` → `-p 8000:8000`, `9000/udp` → `-p 9000:9000/udp`.
  private static func portFlag(_ port: String) throws(MarketplaceError) -> String {
    let parts = port.split(separator: "/", omittingEmptySubsequences: false)
    // From 70000 on Vast gives the same number outside as inside.
    guard parts.count <= 2, let number = Int(parts[0]), (1...99_999).contains(number), String(number) == parts[0],
      parts.count == 1 || parts[1] == "tcp" || parts[1] == "udp"
    else { throw .refused(code: "invalid_port", detail: "\(port.presentable(limit: 50)) is no port such as 8000/tcp") }
    return "-p \(number):\(number)" + (parts.last == "udp" ? "/udp" : "")
  }
}
