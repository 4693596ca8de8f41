import Glibc
import HTTPClient
import JSON
import Testing

@testable import Simulator

/// Replays what Vast's own client was recorded to send, and compares the answers' statuses and shapes with those that the
/// fact sheet collected. Numbers, names and times are made up on both sides and are not compared.
@Suite struct ConformanceTests {
  @Test(arguments: Recording.names)
  func `a recorded call is answered as recorded`(_ name: String) async throws {
    let recording = try Recording(name)
    let stage = try await Stage(for: recording)
    for (index, request) in recording.requests.enumerated() {
      try await stage.prepare(request, at: index, of: recording)
      let answer = try await stage.send(request)
      #expect(answer.status == request.status, "\(request.method) \(request.path)")
      guard let expected = request.response else { continue }
      #expect(answer.contentType == expected.contentType, "\(request.method) \(request.path)")
      for header in expected.otherHeaders { #expect(answer.headers.contains(header.lowercased())) }
      // The recorder answered with every column even where some were chosen.
      let data = request.query.contains("select_cols=") ? Set(["instances"]) : []
      #expect(
        Shape.differences(expected.body, answer.body, data: data) == [], "\(request.method) \(request.path)")
    }
    await stage.end()
  }

  @Test func `there are recordings of every call that the official client makes in an instance's life`() {
    #expect(Recording.names.count > 80)
  }

  @Test(arguments: ["/api/v0/users/current", "/api/v0/users/current/", "/api/v1/instances", "/api/v1/instances/"])
  func `both forms of a path are taken, and the key by header or by query`(_ path: String) async throws {
    let stage = try await Stage(for: nil)
    #expect(try await stage.get(path, headers: [("Authorization", "Bearer key")]).status == 200)
    #expect(try await stage.get(path + "?api_key=key").status == 200)
    let bad = try await stage.get(path, headers: [("Authorization", "Bearer other")])
    #expect(bad.status == 404)
    #expect(bad.body["error"]?.asText == "auth_error")
    #expect(try await stage.get(path).status == 403)
    await stage.end()
  }

  @Test(arguments: ["[1]", "{", "\"x\"", "nonsense"])
  func `a body that is no JSON object is refused in the service's words`(_ body: String) async throws {
    let stage = try await Stage(for: nil)
    let answer = try await stage.put("/api/v0/asks/1/", body)
    #expect(answer.status == 400)
    #expect(
      answer.body
        == .object(
          JSONObject([
            .init(name: "error", value: .string("invalid_request")),
            .init(name: "msg", value: .string("Invalid json body")),
          ])))
    await stage.end()
  }

  @Test func `a log's address refuses a key, and what is unknown is not found`() async throws {
    let stage = try await Stage(for: nil)
    #expect(
      try await stage.get("/_result/vast.ai/instance_logs/x.log", headers: [("Authorization", "Bearer key")]).status
        == 400)
    #expect(try await stage.get("/_result/vast.ai/instance_logs/x.log").status == 404)
    #expect(try await stage.get("/api/v0/nothing/").status == 404)
    await stage.end()
  }

  @Test func `a cut answer announces more than comes, and what it asked for took place`() async throws {
    let stage = try await Stage(for: nil)
    try await stage.control("fault", #"{"kind": "create_cut"}"#)
    await #expect(throws: HTTPClientError.self) {
      try await stage.put("/api/v0/asks/31018400/", #"{"image": "u", "disk": 10, "label": "cut"}"#)
    }
    let truth = try await stage.get("/sim/truth")
    #expect(truth.body["contracts"]?.asArray?.map { $0["label"]?.asText } == ["cut"])
    await stage.end()
  }

  @Test func `a late answer comes late, and requests are counted with their status`() async throws {
    let stage = try await Stage(for: nil)
    try await stage.control("fault", #"{"kind": "latency", "route": "user", "delay": 0.3}"#)
    let clock = ContinuousClock()
    let time = try await clock.measure {
      _ = try await stage.get("/api/v0/users/current", headers: [("Authorization", "Bearer key")])
    }
    #expect(time > .milliseconds(290))
    _ = try await stage.get("/api/v0/users/current")
    let log = try await stage.get("/sim/requests").body
    #expect(log["counts"]?["user"]?.asInt == 2)
    #expect(log["requests"]?.asArray?.map { $0["status"]?.asInt } == [200, 403])
    await stage.end()
  }

  @Test func `the truth is on disk before the answer that tells of it`() async throws {
    let stage = try await Stage(for: nil)
    let made = try await stage.put("/api/v0/asks/31018400/", #"{"image": "u", "disk": 10, "label": "mine"}"#)
    let id = try #require(made.body["new_contract"]?.asInt)
    let lines = String(decoding: try #require(Files.read(stage.folder + "/truth.jsonl")), as: UTF8.self)
    #expect(lines.contains(#""event":"created","contract":\#(id),"label":"mine""#))
    await stage.end()
  }
}

/// A simulator without machines, set as a recording needs it.
private final class Stage: Sendable {
  let folder: String
  private let simulator: Simulator
  private let client = HTTPClient(configuration: HTTPClientConfiguration(userAgent: "replay"))
  private let resultURL = Kept()

  typealias Answer = (status: Int, contentType: String?, headers: Set<String>, body: JSONValue)

  /// Instance 48201337 is an interruptible that runs, 48201338 and 48201339 run too, offer 31415926 is free.
  init(for recording: Recording?) async throws {
    folder = try Program.temporaryFolder()
    var configuration = SimulatorConfiguration(folder: folder, apiKey: "key") { Issue.record("\($0)") }
    configuration.hasMachines = false
    configuration.firstContract = 48_201_337
    configuration.settings.boot = recording?.name == "show_instance_provisioning" ? 1000 : 0
    configuration.settings.pull = 0
    simulator = try Simulator(configuration)
    guard let recording else { return }
    try await control("offers", #"{"offers": [{"id": 31415926, "min_bid": 0.1}]}"#)
    if recording.name != "attach_ssh" { _ = try await add(Self.publicKey) }
    for (offer, label, price) in [
      (31_018_200, "trainer-7", "0.2"), (31_018_201, "trainer-7", "null"), (31_018_202, "", "null"),
    ] {
      let body =
        #"{"image": "u:1", "disk": 10, "label": "\#(label)", "price": \#(price), "runtype": "ssh_direc ssh_proxy", "env": {"A": "b"}}"#
      let made = try await put("/api/v0/asks/\(offer)/", body)
      try #require(made.status == 200)
    }
  }

  private static let publicKey =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEX svc@example"

  /// Whatever makes the next answer come out as it was recorded.
  func prepare(_ request: Recording.Request, at index: Int, of recording: Recording) async throws {
    switch request.responseName {
    case "create_400_no_such_ask_live_form": try await control("fault", #"{"kind": "create_taken", "form": "400"}"#)
    case "create_410_no_such_ask": try await control("fault", #"{"kind": "create_taken", "form": "410"}"#)
    case "create_stopped_contract_exists": try await control("fault", #"{"kind": "create_stopped"}"#)
    case "err_401_generic": try await control("fault", #"{"route": "user", "reply": "status", "status": 401}"#)
    case "err_410_deprecated": try await control("fault", #"{"route": "list", "reply": "status", "status": 410}"#)
    case "err_429_detail": try await control("fault", #"{"kind": "limited", "form": "detail"}"#)
    case "err_429_plain_text": try await control("fault", #"{"kind": "limited", "form": "threshold_text"}"#)
    case "err_429_retry_after": try await control("fault", #"{"kind": "limited", "form": "detail", "retry_after": 2}"#)
    case "err_429_search_quota": try await control("fault", #"{"kind": "search_quota"}"#)
    case "err_500": try await control("fault", #"{"route": "user", "reply": "500"}"#)
    case "err_502_html": try await control("fault", #"{"kind": "outage"}"#)
    case "logs_requested":
      let polls = recording.requests.count { $0.status == 404 }
      try await control("settings", #"{"log_polls": \#(polls)}"#)
    case "pending_price_increases":
      try await control("instances/48201338/price_increase", #"{"gpu_price": 0.36}"#)
    case "start_queued":
      _ = try await put("/api/v0/instances/48201337/", #"{"state": "stopped"}"#)
      try await control("instances/48201337/take_gpus", "{}")
    default: break
    }
  }

  func send(_ request: Recording.Request) async throws -> Answer {
    var headers: [(name: String, value: String)] = []
    if request.hasKey, request.responseName != "err_403_no_login" {
      headers = [("Authorization", request.responseName == "err_404_bad_key" ? "Bearer other" : "Bearer key")]
    }
    let isResult = request.path.hasPrefix("/_result")
    let url =
      isResult ? resultURL.text : simulator.url + request.path + (request.query.isEmpty ? "" : "?" + request.query)
    let answer = try await exchange(request.method, url, headers, request.body == .null ? nil : request.body.bytes)
    if let result = answer.body["result_url"]?.asText { resultURL.text = result }
    return answer
  }

  func get(_ path: String, headers: [(name: String, value: String)] = []) async throws -> Answer {
    try await exchange("GET", simulator.url + path, headers, nil)
  }

  @discardableResult
  func put(_ path: String, _ body: String) async throws -> Answer {
    try await exchange("PUT", simulator.url + path, [("Authorization", "Bearer key")], Array(body.utf8))
  }

  func control(_ path: String, _ body: String) async throws {
    let answer = try await exchange("POST", "\(simulator.url)/sim/\(path)", [], Array(body.utf8))
    try #require(answer.status == 200, "\(path) \(body): \(answer.body)")
  }

  private func add(_ key: String) async throws -> Answer {
    try await exchange(
      "POST", simulator.url + "/api/v0/ssh/", [("Authorization", "Bearer key")], Array(#"{"ssh_key": "\#(key)"}"#.utf8))
  }

  func end() async {
    client.shutdown()
    await simulator.stop()
    do { try Files.remove(folder) } catch { Issue.record("\(error)") }
  }

  private func exchange(
    _ method: String, _ url: String, _ headers: [(name: String, value: String)], _ body: [UInt8]?
  ) async throws -> Answer {
    let response = try await client.send(
      HTTPClientRequest(method: method, url: url, headers: headers, body: body, timeout: .seconds(20)))
    let parsed: JSONValue
    do { parsed = try JSONValue.parse(response.body) } catch {
      parsed = .string(String(decoding: response.body, as: UTF8.self))
    }
    return (
      response.status, response.header("Content-Type"), Set(response.headers.map { $0.name.lowercased() }), parsed
    )
  }
}

/// `@unchecked Sendable`: one test's requests come one after another.
private final class Kept: @unchecked Sendable { var text = "" }

/// What the official client sent, and which answer the recorder gave.
private struct Recording {
  struct Request {
    var method: String
    var path: String
    var query: String
    var hasKey: Bool
    var body: JSONValue
    var status: Int
    var responseName: String
    var response: (contentType: String?, otherHeaders: [String], body: JSONValue)?
  }

  let name: String
  let requests: [Request]

  static let folder = Program.package + "/Tests/SimulatorTests/Recordings"

  static let names: [String] = Files.names(in: folder).filter { $0.hasSuffix(".json") }.map { String($0.dropLast(5)) }
    .sorted()

  init(_ name: String) throws {
    self.name = name
    let file = try Self.parse("\(Self.folder)/\(name).json")
    requests = try (file["requests"]?.asArray ?? []).map { request in
      let answered = try #require(request["answered"])
      let responseName = try #require(answered["response"]?.asText)
      return Request(
        method: try #require(request["method"]?.asText), path: try #require(request["path"]?.asText),
        query: request["raw_query"]?.asText ?? "", hasKey: request["headers"]?["Authorization"] != nil,
        body: request["body"] ?? .null, status: try #require(answered["status"]?.asInt), responseName: responseName,
        response: responseName == "(inline)" ? nil : try Self.response(responseName))
    }
  }

  private static func response(_ name: String) throws -> (contentType: String?, otherHeaders: [String], body: JSONValue)
  {
    let file = try parse("\(folder)/responses/\(name).json")
    let headers = file["headers"]?.asObject?.members ?? []
    return (
      file["headers"]?["Content-Type"]?.asText, headers.map(\.name).filter { $0 != "Content-Type" },
      try #require(file["body"])
    )
  }

  private static func parse(_ path: String) throws -> JSONValue {
    try JSONValue.parse(try #require(Files.read(path), "there is no \(path)"))
  }
}

/// Whether two answers are built alike.
private enum Shape {
  /// Objects whose names are data.
  private static let maps: Set<String> = ["label_counts", "ports", "metadata"]

  /// What `expected` has and `actual` lacks, or has as another kind of value. Null fits everything.
  /// - Parameter data: more names below which nothing is compared.
  static func differences(
    _ expected: JSONValue, _ actual: JSONValue, data: Set<String> = [], at path: String = ""
  ) -> [String] {
    switch (expected, actual) {
    case (.null, _), (_, .null): return []
    case (.object(let left), .object(let right)):
      return left.members.flatMap { member -> [String] in
        guard let value = right[member.name] else { return ["\(path).\(member.name) is missing"] }
        if maps.contains(member.name) || data.contains(member.name) { return [] }
        return differences(member.value, value, data: data, at: "\(path).\(member.name)")
      }
    case (.array(let left), .array(let right)):
      guard let first = left.first, let other = right.first else { return [] }
      return differences(first, other, data: data, at: path + "[0]")
    case (.string, .string), (.bool, .bool), (.integer, .integer), (.number, .number), (.integer, .number),
      (.number, .integer):
      return []
    default: return ["\(path) is another kind of value: \(expected) and \(actual)"]
    }
  }
}
