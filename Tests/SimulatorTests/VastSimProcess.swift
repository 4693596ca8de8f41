import Glibc
import HTTPClient
import JSON

/// vast-sim as a process of its own, in a folder that `end` removes. Started with sudo by whoever is not root.
final class VastSimProcess: Sendable {
  let folder: String
  let url: String
  let key: String
  /// vast-sim itself, not a sudo around it.
  private let pid: Int
  private let process: pid_t
  private let output: Int32
  private let lifeline: Int32
  private let client = HTTPClient(configuration: HTTPClientConfiguration(userAgent: "simulator-tests"))

  static let asRoot = geteuid() == 0 ? [] : ["sudo", "-n"]

  /// - Parameter folder: one that an earlier vast-sim left; a new one if nil.
  init(folder: String? = nil, _ options: [String] = []) throws {
    self.folder = try folder ?? Program.temporaryFolder()
    let program = [Program.products + "/vast-sim", "--dir", self.folder]
    // It ends with the tests, also when those crash.
    let lifeline = try Program.makePipe()
    defer { close(lifeline[0]) }
    self.lifeline = lifeline[1]
    var output: Int32 = -1
    process = try Program.start(
      Self.asRoot + program + ["--end-with-input", "--boot", "0.2", "--pull", "0", "--ssh-delay", "0"] + options,
      output: &output, lifeline: lifeline[0])
    self.output = output
    let line = Program.readLine(output)
    guard let words = try? JSONValue.parse(line.utf8), case .object(let object) = words,
      case .string(let url)? = object["url"], case .string(let key)? = object["api_key"],
      case .integer(let pid)? = object["pid"]
    else { throw ProcessFailure(description: "vast-sim did not start, it said: \(line)") }
    self.url = url
    self.key = key
    self.pid = Int(pid)
  }

  /// Ends it, by a signal or by the end of its input, and returns its exit status.
  @discardableResult
  func end(signal: String = "TERM", removing: Bool = true) async throws -> Int32 {
    if signal == "input" {
      close(lifeline)
    } else {
      _ = try await Program.run(Self.asRoot + ["kill", "-\(signal)", "\(pid)"])
    }
    let status = await Program.wait(process)
    close(output)
    if signal != "input" { close(lifeline) }
    client.shutdown()
    if removing { _ = try await Program.run(Self.asRoot + ["rm", "-rf", folder]) }
    return status
  }

  func call(_ method: String, _ path: String, _ body: String? = nil) async throws -> (status: Int, body: JSONValue) {
    let response = try await client.send(
      HTTPClientRequest(
        method: method, url: url + path, headers: [("Authorization", "Bearer \(key)")],
        body: body.map { Array($0.utf8) }, timeout: .seconds(20)))
    do { return (response.status, try JSONValue.parse(response.body)) } catch { return (response.status, .null) }
  }
}
