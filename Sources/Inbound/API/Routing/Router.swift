import HTTPServer

/// Finds the route of a request. Paths without a parameter cost one look-up in a dictionary; the others are split at their
/// prefix, the id and the rest, and none of it allocates more than the id.
struct Router: Sendable {
  enum Match: Sendable {
    case route(Int, id: String?, part: String? = nil)
    /// The path exists with other methods: `GET, HEAD`.
    case otherMethods(allow: String)
    case none
  }

  /// In the order of the table; a match is a place in it.
  let routes: [Route]
  private var fixed: [String: Endpoint] = [:]
  /// By what stands before the id, then by what follows it: `/v1/jobs/`, `/logs`; where that has a name of its own, by
  /// `/checkpoints/{}`.
  private var parameterised: [(prefix: String, endpoints: [String: Endpoint])] = []

  /// What one path offers.
  private struct Endpoint: Sendable {
    var byMethod: [(method: Method, route: Int)] = []

    func match(_ method: Method, id: String?, part: String? = nil) -> Match {
      for entry in byMethod where entry.method == method { return .route(entry.route, id: id, part: part) }
      // HEAD is GET without the body, which the server leaves out.
      if method == .head {
        for entry in byMethod where entry.method == .get { return .route(entry.route, id: id, part: part) }
      }
      return .otherMethods(allow: allow)
    }

    var allow: String {
      byMethod.map { $0.method == .get ? "GET, HEAD" : $0.method.rawValue }.sorted().joined(separator: ", ")
    }
  }

  init(_ routes: [Route]) {
    self.routes = routes
    for (index, route) in routes.enumerated() {
      let parts = route.template.split(separator: "{id}", omittingEmptySubsequences: false)
      precondition(parts.count <= 2, "a path has at most one {id}")
      if parts.count == 1 {
        fixed[route.template, default: Endpoint()].byMethod.append((route.method, index))
        continue
      }
      let prefix = String(parts[0])
      if !parameterised.contains(where: { $0.prefix == prefix }) { parameterised.append((prefix, [:])) }
      let place = parameterised.firstIndex { $0.prefix == prefix }!
      let rest = parts[1].split(separator: "/", omittingEmptySubsequences: false)
        .map { $0.hasPrefix("{") ? "{}" : String($0) }.joined(separator: "/")
      parameterised[place].endpoints[rest, default: Endpoint()].byMethod.append((route.method, index))
    }
  }

  func match(_ method: Method, _ path: String) -> Match {
    if let endpoint = fixed[path] { return endpoint.match(method, id: nil) }
    for (prefix, endpoints) in parameterised where path.utf8.starts(with: prefix.utf8) {
      let rest = path.utf8.dropFirst(prefix.utf8.count)
      let end = rest.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
      guard end > rest.startIndex else { return .none }
      let id = String(path[rest.startIndex..<end])
      if let endpoint = endpoints[String(path[end...])] { return endpoint.match(method, id: id) }
      return matchPart(method, path[end...], in: endpoints, id: id)
    }
    return .none
  }

  /// `/deliveries/dlv_1/replay`: the second piece is a name.
  private func matchPart(
    _ method: Method, _ rest: Substring, in endpoints: [String: Endpoint], id: String
  ) -> Match {
    var pieces = rest.split(separator: "/", omittingEmptySubsequences: false)
    guard pieces.count >= 3, !pieces[2].isEmpty else { return .none }
    let part = String(pieces[2])
    pieces[2] = "{}"
    return endpoints[pieces.joined(separator: "/")]?.match(method, id: id, part: part) ?? .none
  }
}
