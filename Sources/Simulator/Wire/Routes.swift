import HTTPServer
import JSON

/// One call of the service.
struct Route: Sendable {
  /// How faults and counters name it.
  let name: String
  let method: Method
  /// Parts of the path; "#" stands for a number.
  let parts: [String]
  /// Minimum seconds between two calls.
  let threshold: Double
  /// Seconds to wait after a call that came too early, where that is longer.
  let penalty: Double?
  let needsKey: Bool
  /// Throws `Refused` only; closures do not carry a typed error by themselves.
  let handle: @Sendable (inout World, Call) throws -> Answer

  init(
    _ name: String, _ method: Method, _ path: String, every threshold: Double, penalty: Double? = nil,
    needsKey: Bool = true, _ handle: @escaping @Sendable (inout World, Call) throws -> Answer
  ) {
    self.name = name
    self.method = method
    parts = path.split(separator: "/").map(String.init)
    self.threshold = threshold
    self.penalty = penalty
    self.needsKey = needsKey
    self.handle = handle
  }

  /// The whole service on one screen. Both forms of a path are taken, with and without the last slash.
  static let all: [Route] = [
    Route("search", .post, "/api/v0/bundles", every: 2, needsKey: false) { try $0.searchOffers($1.body) },
    Route("search_get", .get, "/api/v0/bundles", every: 0.8, needsKey: false) {
      try $0.searchOffers(try $1.json("q")?.asObject ?? JSONObject())
    },
    Route("search_new", .put, "/api/v0/search/asks", every: 2, needsKey: false) {
      try $0.searchOffers($1.body["q"]?.asObject ?? JSONObject())
    },
    Route("gpu_names", .get, "/api/v0/gpu_names/unique", every: 1, needsKey: false) { try $0.gpuNames($1) },

    Route("create", .put, "/api/v0/asks/#", every: 4.5, penalty: 12) { try $0.create($1) },
    Route("create_bulk", .post, "/api/v0/asks/bulk", every: 4.5) { try $0.createBulk($1) },

    Route("list", .get, "/api/v1/instances", every: 1) { try $0.list($1) },
    Route("list_v0", .get, "/api/v0/instances", every: 20) { try $0.oldList($1) },
    Route("list_filters", .get, "/api/v0/instances/filters", every: 1) { try $0.filterValues($1) },
    Route("read", .get, "/api/v0/instances/#", every: 2) { try $0.read($1) },
    Route("manage", .put, "/api/v0/instances/#", every: 1) { try $0.manage($1) },
    Route("manage_bulk", .put, "/api/v0/instances", every: 4) { try $0.manageBulk($1) },
    Route("destroy", .delete, "/api/v0/instances/#", every: 3) { try $0.destroy($1) },
    Route("destroy_bulk", .delete, "/api/v0/instances", every: 3) { try $0.destroyBulk($1) },
    Route("reboot", .put, "/api/v0/instances/reboot/#", every: 1) { try $0.reboot($1) },
    Route("recycle", .put, "/api/v0/instances/recycle/#", every: 1) { try $0.recycle($1) },
    Route("bid_price", .put, "/api/v0/instances/bid_price/#", every: 5.5) { try $0.changeBid($1) },
    Route("price_increases", .get, "/api/v0/instances/pending-price-increases", every: 2) {
      try $0.pendingIncreases($1)
    },
    Route("accept_increase", .put, "/api/v0/instances/accept-price-increase", every: 2) { try $0.acceptIncrease($1) },
    Route("reject_increase", .put, "/api/v0/instances/reject-price-increase", every: 2) { try $0.rejectIncrease($1) },
    Route("request_logs", .put, "/api/v0/instances/request_logs/#", every: 1) { try $0.requestLogs($1) },

    Route("instance_keys", .get, "/api/v0/instances/#/ssh", every: 2) { try $0.instanceKeys($1) },
    Route("attach_key", .post, "/api/v0/instances/#/ssh", every: 2) { try $0.attachKey($1) },
    Route("detach_key", .delete, "/api/v0/instances/#/ssh/#", every: 2) { try $0.detachKey($1) },
    Route("keys", .get, "/api/v0/ssh", every: 1) { try $0.listKeys($1) },
    Route("add_key", .post, "/api/v0/ssh", every: 1) { try $0.addKey($1) },
    Route("change_key", .put, "/api/v0/ssh/#", every: 1) { try $0.changeKey($1) },
    Route("remove_key", .delete, "/api/v0/ssh/#", every: 1) { try $0.removeKey($1) },

    Route("hooks", .get, "/api/v0/webhooks", every: 1) { try $0.listHooks($1) },
    Route("add_hook", .post, "/api/v0/webhooks", every: 1) { try $0.addHook($1) },
    Route("rotate_hook", .post, "/api/v0/webhooks/#/rotate-secret", every: 1) { try $0.rotateHook($1) },

    Route("user", .get, "/api/v0/users/current", every: 2) { try $0.currentUser($1) },
    Route("spend", .get, "/api/v0/users/spend-rate", every: 2) { try $0.spendRate($1) },
    Route("charges", .get, "/api/v0/charges", every: 1) { try $0.charges($1) },
  ]

  static let names = Set(all.map(\.name))

  /// The route of a path and the numbers in it. Among routes that fit, literal parts win by standing in a path of their own.
  static func find(_ method: Method, _ path: String) -> (route: Route, numbers: [Int])? {
    let parts = path.split(separator: "/")
    for route in all where route.method == method && route.parts.count == parts.count {
      if let numbers = route.numbers(in: parts) { return (route, numbers) }
    }
    return nil
  }

  /// What the restricted key of a container may do: destroy its instance and stop it.
  ///
  /// That it may do these is documented; that it may do nothing else is a guess on the strict side.
  func admits(_ call: Call, keyOf contract: Int) -> Bool {
    guard call.numbers == [contract] else { return false }
    return name == "destroy" || (name == "manage" && call.body["state"]?.asText == "stopped")
  }

  private func numbers(in path: [Substring]) -> [Int]? {
    var numbers: [Int] = []
    for (part, text) in zip(parts, path) {
      if part == "#" {
        guard let number = Int(text), number >= 0 else { return nil }
        numbers.append(number)
      } else if part != text {
        return nil
      }
    }
    return numbers
  }
}
