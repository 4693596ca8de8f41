import CSystem
import Glibc
import HTTPClient
import JSON
import Locking
import TestSupport

/// vast-sim and vastd as processes on loopback, and a caller that speaks to both as an internal tool would.
final class Rig: Sendable {
  static let token = "end-to-end-token-0123456789"

  let folder: String
  let simulator: Program
  let simulatorURL: String
  let key: String
  private let client = HTTPClient(configuration: HTTPClientConfiguration(userAgent: "end-to-end"))
  private let life = Locked<Life?>(nil)

  private struct Life {
    var vastd: Program
    var url: String
  }

  /// - Parameter settings: more flags of vast-sim.
  init(settings: [String] = []) async throws {
    var template = Array("/tmp/vastd-e2e-XXXXXX".utf8CString)
    folder = String(cString: mkdtemp(&template))
    simulator = try Program(
      "vast-sim",
      ["--listen", "127.0.0.1:0", "--dir", folder + "/sim", "--boot", "0.3", "--pull", "0", "--ssh-delay", "0.1"]
        + settings,
      output: folder + "/sim.out")
    let output = folder + "/sim.out"
    await eventually { (try? contents(of: output).contains(UInt8(ascii: "\n"))) ?? false }
    let line = simulator.output.split(separator: "\n").first ?? ""
    guard case .object(let announced)? = try? JSONValue.parse(Array(line.utf8)),
      case .string(let url)? = announced["url"], case .string(let key)? = announced["api_key"]
    else { throw Fault("vast-sim announced nothing: \(simulator.output)") }
    simulatorURL = url
    self.key = key
  }

  deinit {
    client.shutdown()
    life.withLock { $0 }?.vastd.signal(SIGTERM)
    _ = life.withLock { $0 }?.vastd.exitCode()
    simulator.signal(SIGTERM)
    _ = simulator.exitCode()
    removeTree(folder)
  }

  // MARK: vastd

  var vastd: Program {
    get throws {
      guard let life = life.withLock({ $0 }) else { throw Fault("vastd was not started") }
      return life.vastd
    }
  }

  var url: String { life.withLock { $0?.url } ?? "" }

  /// Starts it, over the same data as before, and waits until it is ready.
  func startVastd(_ environment: [String: String] = [:]) async throws {
    let port = try freePort()
    let url = "http://127.0.0.1:\(port)"
    let program = try Program(
      "vastd", ["serve"], environment: variables(port: port, environment), output: folder + "/vastd.log")
    life.withLock { $0 = Life(vastd: program, url: url) }
    await eventually { (try? await self.get("/readyz", withToken: false).status) == 200 }
    guard try await get("/readyz", withToken: false).status == 200 else { throw Fault("not ready: \(program.output)") }
  }

  func variables(port: UInt16, _ more: [String: String] = [:]) -> [String: String] {
    [
      "VAST_URL": simulatorURL, "VAST_API_KEY": key, "VASTD_TOKEN": Self.token, "VASTD_LISTEN": "127.0.0.1:\(port)",
      "VASTD_DATA_DIR": folder + "/data", "VASTD_PACING": "0", "VASTD_SETTLE_S": "2", "VASTD_LOG_LEVEL": "debug",
      "VASTD_POLL_INTERVAL_S": "2", "VASTD_TIMEOUT_S": "5",
    ].merging(more) { $1 }
  }

  /// kill -9, as the kernel or a node failure would.
  func killVastd() throws {
    let program = try vastd
    program.signal(SIGKILL)
    guard program.exitCode() == 256 + SIGKILL else { throw Fault("vastd does not die") }
  }

  // MARK: Calls

  func send(
    _ method: String, _ path: String, body: [UInt8]? = nil, type: String = "application/json",
    headers: [(name: String, value: String)] = [], withToken: Bool = true
  ) async throws -> Answer {
    var all = headers
    if withToken { all.append((name: "Authorization", value: "Bearer \(Self.token)")) }
    if body != nil { all.append((name: "Content-Type", value: type)) }
    let response = try await client.send(
      HTTPClientRequest(method: method, url: url + path, headers: all, body: body, timeout: .seconds(60)))
    return Answer(response)
  }

  func get(_ path: String, withToken: Bool = true) async throws -> Answer {
    try await send("GET", path, withToken: withToken)
  }

  func post(_ path: String, _ json: String, headers: [(name: String, value: String)] = []) async throws -> Answer {
    try await send("POST", path, body: Array(json.utf8), headers: headers)
  }

  /// Speaks to the simulator's control surface.
  @discardableResult
  func control(_ method: String, _ path: String, _ json: String? = nil) async throws -> Answer {
    let headers = json == nil ? [] : [(name: "Content-Type", value: "application/json")]
    let response = try await client.send(
      HTTPClientRequest(
        method: method, url: simulatorURL + "/sim/" + path, headers: headers, body: json.map { Array($0.utf8) }))
    guard response.status < 300 else { throw Fault("\(path): \(String(decoding: response.body, as: UTF8.self))") }
    return Answer(response)
  }

  // MARK: Jobs

  func submit(_ json: String) async throws -> String {
    let answer = try await post("/v1/jobs", json)
    guard answer.status == 201, let id = answer.text("id") else { throw Fault("\(answer.status): \(answer.bodyText)") }
    return id
  }

  func job(_ id: String) async throws -> Answer { try await get("/v1/jobs/\(id)") }

  /// Waits until the job's state is one of these; the job then.
  @discardableResult
  func wait(
    for id: String, _ states: String..., within patience: Duration = .seconds(60)
  ) async throws -> Answer {
    let end = ContinuousClock.now + patience
    while true {
      let job = try await job(id)
      if let state = job.text("state"), states.contains(state) { return job }
      guard ContinuousClock.now < end else {
        throw Fault("\(id) is not \(states): \(job.bodyText)\n\(try vastd.output.suffix(6000))")
      }
      try await ContinuousClock().pause(for: .milliseconds(50))
    }
  }

  func ended(_ id: String, within patience: Duration = .seconds(60)) async throws -> Answer {
    try await wait(for: id, "succeeded", "failed", "cancelled", within: patience)
  }

  /// The provider's own truth: contracts that exist and cost money now.
  func alive() async throws -> Int {
    guard case .array(let alive)? = try await control("GET", "truth").json["alive"] else { throw Fault("no truth") }
    return alive.count
  }

  /// The provider's own truth: contracts ever made.
  func everMade() async throws -> Int {
    guard case .array(let contracts)? = try await control("GET", "truth").json["contracts"] else {
      throw Fault("no truth")
    }
    return contracts.count
  }
}

struct Answer: Sendable {
  let status: Int
  let body: [UInt8]
  private let response: HTTPClientResponse

  init(_ response: HTTPClientResponse) {
    status = response.status
    body = response.body
    self.response = response
  }

  func header(_ name: String) -> String? { response.header(name) }
  var bodyText: String { String(decoding: body, as: UTF8.self) }

  var json: JSONObject {
    guard case .object(let object)? = try? JSONValue.parse(body) else { return JSONObject() }
    return object
  }

  /// The text at a path of names: `error.code`.
  func text(_ path: String) -> String? {
    if case .string(let text)? = value(path) { return text }
    return nil
  }

  func value(_ path: String) -> JSONValue? {
    var value = JSONValue.object(json)
    for name in path.split(separator: ".") {
      guard case .object(let object) = value, let next = object[String(name)] else { return nil }
      value = next
    }
    return value
  }
}

func freePort() throws -> UInt16 {
  let descriptor = csystem_listen_tcp("127.0.0.1", 0, 1)
  guard descriptor >= 0 else { throw Fault("no free port") }
  defer { close(descriptor) }
  return csystem_socket_port(descriptor)
}
