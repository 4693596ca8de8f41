import HTTPServer
import JSON
import Testing

@testable import Simulator

/// A world at time 1,000,000 with boot 10, pull 20 and stop 2 seconds, moved by hand, and what its orders were.
struct Fixture {
  var world: World
  private(set) var orders: [MachineOrder] = []

  init(credit: Double = 100, offers: [Offer] = Catalogue.offers) {
    var settings = Settings()
    settings.boot = 10
    settings.pull = 20
    settings.stop = 2
    settings.outbidGrace = 15
    let numbers = Numbers()
    world = World(
      .init(
        settings: settings, now: 1_000_000, apiKey: "key", credit: credit, offers: offers, firstContract: 1,
        freePort: { numbers.next() }, secret: { "secret\(numbers.next())" }))
  }

  /// Lets seconds pass.
  mutating func pass(_ seconds: Double) {
    world.advance(to: world.now + seconds)
    orders += world.takeOrders()
  }

  /// A call as it comes from outside; the body is JSON text.
  mutating func call(
    _ name: String, _ numbers: Int..., query: [(String, String)] = [], body: String = "{}", key: String? = "key"
  ) throws -> (status: Int, body: JSONValue, answer: Answer) {
    try call(name, numbers, query: query, body: body, key: key)
  }

  mutating func call(
    _ name: String, _ numbers: [Int], query: [(String, String)] = [], body: String = "{}", key: String? = "key"
  ) throws -> (status: Int, body: JSONValue, answer: Answer) {
    let route = try #require(Route.all.first { $0.name == name })
    let body = try #require(try JSONValue.parse(body.utf8).asObject)
    let call = Call(
      numbers: numbers, query: query.map { (name: $0.0, value: $0.1) }, body: body, base: "http://127.0.0.1:1")
    let answer = world.serve(route, call, key: key).answer
    orders += world.takeOrders()
    let parsed: JSONValue
    do { parsed = try JSONValue.parse(answer.body) } catch { parsed = .null }
    return (answer.status, parsed, answer)
  }

  /// Creates on an offer and returns the contract's number.
  mutating func create(offer: Int = Fixture.offer, _ more: String = "") throws -> Int {
    let made = try call(
      "create", offer, body: #"{"image": "ubuntu:22.04", "disk": 10, "runtype": "ssh_direc ssh_proxy"\#(more)}"#)
    return try #require(made.body["new_contract"]?.asInt)
  }

  /// The instance as a single read shows it; nil for null.
  mutating func row(_ id: Int) throws -> JSONValue? {
    let instance = try call("read", id).body["instances"]
    return instance == .null ? nil : instance
  }

  /// actual, intended, cur and next state in one text.
  mutating func status(_ id: Int) throws -> String {
    let row = try #require(try row(id))
    return ["actual_status", "intended_status", "cur_state", "next_state"]
      .map { row[$0]?.asText ?? "null" }.joined(separator: " ")
  }

  mutating func control(_ method: String, _ path: String, _ body: String = "{}") throws {
    let parts = path.split(separator: "/").map(String.init)
    let object = try #require(try JSONValue.parse(body.utf8).asObject)
    _ = try world.control(method == "POST" ? .post : .get, parts, object)
    orders += world.takeOrders()
  }

  /// The only GPU of machine 27184.
  static let offer = 31_018_400
}

/// Numbers that never repeat.
///
/// `@unchecked Sendable`: a test uses it from one task at a time.
private final class Numbers: @unchecked Sendable {
  private var last = 20_000
  func next() -> Int {
    last += 1
    return last
  }
}
