import Glibc
import JSON
import TestSupport
import Testing

@testable import Simulator

/// Real processes behind real instances. Slow things of a second or two, so each test does much at once.
@Suite(.timeLimit(.minutes(2))) struct MachineTests {
  @Test func `an instance takes logins, keeps its files over a stop, and leaves nothing when destroyed`() async throws {
    let rig = try await Rig()
    let id = try await rig.create(
      #""onstart": "echo onstart $WORD; env >> /etc/environment", "env": {"WORD": "a 'b'"}"#)
    let port = try await rig.openPort(id)

    let inside = try await rig.login(
      port, "echo $HOME; pwd; echo \"$WORD\" $CONTAINER_ID; nvidia-smi -L | wc -l; exit 7")
    let lines = inside.output.split(separator: "\n").map(String.init)
    #expect(inside.status == 7)
    #expect(lines == ["\(rig.sim.folder)/instances/\(id)/root", lines[0], "a 'b' \(id)", "1"])
    let query = try await rig.login(port, "nvidia-smi --query-gpu=name,memory.total --format=csv,noheader,nounits")
    #expect(query.output == "RTX 4090, 24564\n")
    #expect(try await rig.login(try await rig.proxyPort(id), "echo by proxy").output == "by proxy\n")

    // A job that detaches itself as well as it can, twice: stopped, and destroyed.
    let job = rig.unlikely()
    _ = try await rig.login(
      port, "echo kept > file; setsid nohup sh -c '(sleep \(job) &)' >/dev/null 2>&1 </dev/null &")
    await eventually { await rig.isRunning(job) }
    #expect(await rig.isRunning(job))
    _ = try await rig.sim.call("PUT", "/api/v0/instances/\(id)/", #"{"state": "stopped"}"#)
    await eventually { await !rig.isRunning(job) }
    #expect(await !rig.isRunning(job))
    #expect(try await rig.login(port, "true").status == 255)

    _ = try await rig.sim.call("PUT", "/api/v0/instances/\(id)/", #"{"state": "running"}"#)
    let again = try await rig.openPort(id)
    #expect(again != port)
    #expect(try await rig.login(again, "cat file").output == "kept\n")
    _ = try await rig.login(again, "setsid nohup sleep \(job) >/dev/null 2>&1 </dev/null & trap '' TERM HUP; exit 0")
    #expect(await rig.isRunning(job))
    #expect(try await rig.sim.call("DELETE", "/api/v0/instances/\(id)/", "{}").status == 200)
    await eventually { await !rig.isRunning(job) }
    #expect(await !rig.isRunning(job))
    await eventually { (try? await rig.folders()) == [] }
    #expect(try await rig.folders() == [])
    try await rig.end()
  }

  @Test func `a lost bid ends what runs and keeps the files, and the end of the higher bid brings them back`()
    async throws
  {
    let rig = try await Rig(["--outbid-grace", "0.1"])
    let id = try await rig.create(#""price": 0.2"#)
    let port = try await rig.openPort(id)
    let job = rig.unlikely()
    _ = try await rig.login(port, "echo kept > file; setsid nohup sleep \(job) >/dev/null 2>&1 </dev/null & exit 0")
    #expect(await rig.isRunning(job))
    _ = try await rig.sim.call("POST", "/sim/instances/\(id)/outbid", #"{"tenant": true}"#)
    await eventually { await !rig.isRunning(job) }
    #expect(await !rig.isRunning(job))
    #expect(try await rig.login(port, "true").status == 255)
    let start = try await rig.sim.call("PUT", "/api/v0/instances/\(id)/", #"{"state": "running"}"#)
    #expect(start.status == 200 && start.body["error"]?.asText == "resources_unavailable")
    _ = try await rig.sim.call("POST", "/sim/instances/\(id)/release", "{}")
    let again = try await rig.openPort(id)
    #expect(again != port)
    #expect(try await rig.login(again, "cat file").output == "kept\n")
    try await rig.end()
  }

  @Test func `two instances at once have doors, homes and keys of their own`() async throws {
    let rig = try await Rig()
    let first = try await rig.create()
    let second = try await rig.create(offer: 31_018_300)
    let firstPort = try await rig.openPort(first)
    let secondPort = try await rig.openPort(second)
    _ = try await rig.login(firstPort, "echo first > mine")
    #expect(try await rig.login(secondPort, "ls mine").status == 2)

    // A key that is attached to one opens that one only, and no longer when it is detached.
    let key = try await rig.newKey()
    #expect(try await rig.login(firstPort, "true", key: key.path).status == 255)
    let attached = try await rig.sim.call(
      "POST", "/api/v0/instances/\(first)/ssh/", #"{"ssh_key": "\#(key.text)"}"#)
    await eventually { (try? await rig.login(firstPort, "true", key: key.path).status) == 0 }
    #expect(try await rig.login(firstPort, "true", key: key.path).status == 0)
    #expect(try await rig.login(secondPort, "true", key: key.path).status == 255)
    let text = try #require(attached.body["key"]?.asText)
    let number = try #require(try JSONValue.parse(text.utf8)["id"]?.asInt)
    _ = try await rig.sim.call("DELETE", "/api/v0/instances/\(first)/ssh/\(number)/", "{}")
    await eventually { (try? await rig.login(firstPort, "true", key: key.path).status) == 255 }
    #expect(try await rig.login(firstPort, "true", key: key.path).status == 255)

    _ = try await rig.sim.call("DELETE", "/api/v0/instances/\(first)/", "{}")
    #expect(try await rig.login(secondPort, "echo still here").output == "still here\n")
    try await rig.end()
  }

  @Test func `a deaf instance runs and lets nobody in, a silent one takes connections and says nothing`() async throws {
    let rig = try await Rig()
    for fate in ["deaf", "silent", "proxy_only"] {
      _ = try await rig.sim.call("POST", "/sim/fate", #"{"fate": "\#(fate)"}"#)
    }
    let deaf = try await rig.create()
    let silent = try await rig.create(offer: 31_018_300)
    let proxyOnly = try await rig.create(offer: 31_018_301)
    for id in [deaf, silent, proxyOnly] { try await rig.running(id) }
    #expect(try await rig.banner(try await rig.directPort(deaf)) == nil)
    #expect(try await rig.banner(try await rig.directPort(silent)) == "")
    let proxy = try await rig.proxyPort(proxyOnly)
    await eventually { (try? await rig.banner(proxy))?.hasPrefix("SSH-2.0-") == true }
    #expect(try await rig.banner(proxy)?.hasPrefix("SSH-2.0-") == true)
    #expect(try await rig.banner(try await rig.directPort(proxyOnly)) == nil)
    try await rig.end()
  }

  @Test(arguments: ["TERM", "INT", "KILL", "input"])
  func `nothing that it started outlives vast-sim`(_ signal: String) async throws {
    let rig = try await Rig()
    let id = try await rig.create()
    let port = try await rig.openPort(id)
    let job = rig.unlikely()
    _ = try await rig.login(port, "setsid nohup sleep \(job) >/dev/null 2>&1 </dev/null & exit 0")
    #expect(await rig.isRunning(job))
    let status = try await rig.sim.end(signal: signal, removing: false)
    #expect(status == (signal == "KILL" ? 137 : 0))
    await eventually { await !rig.isRunning(job) }
    #expect(await !rig.isRunning(job))
    let folder = rig.sim.folder
    await eventually { await !rig.isRunning(folder + "/instances") }
    #expect(await !rig.isRunning(folder + "/instances"))

    // The folder can be used again, starts empty, and keeps the old truth.
    let next = try VastSimProcess(folder: folder)
    let truth = try await next.call("GET", "/sim/truth")
    #expect(truth.body["contracts"] == .array([]))
    let kept = try await Program.run(VastSimProcess.asRoot + ["sh", "-c", "cat '\(folder)'/truth-*.jsonl"])
    #expect(kept.output.contains("\"event\":\"created\",\"contract\":\(id)"))
    try await next.end()
    try await rig.removeKeys()
  }

  @Test func `the next start ends what even the containers' inits could not`() async throws {
    let rig = try await Rig()
    let id = try await rig.create()
    let port = try await rig.openPort(id)
    let job = rig.unlikely()
    _ = try await rig.login(port, "setsid nohup sleep \(job) >/dev/null 2>&1 </dev/null & exit 0")
    let container = rig.sim.folder + "/instances/\(id)"
    let record = try await Program.run(VastSimProcess.asRoot + ["cat", container + "/init"])
    let initProcess = try #require(record.output.split(separator: " ").first)
    _ = try await Program.run(VastSimProcess.asRoot + ["kill", "-KILL", String(initProcess)])
    try await rig.sim.end(signal: "KILL", removing: false)
    #expect(await rig.isRunning(job))
    let next = try VastSimProcess(folder: rig.sim.folder)
    #expect(await !rig.isRunning(job))
    try await next.end()
    try await rig.removeKeys()
  }

  @Test func `two simulators do not share a folder`() async throws {
    let first = try VastSimProcess(["--machines", "off"])
    do {
      let second = try VastSimProcess(folder: first.folder, ["--machines", "off"])
      try await second.end(removing: false)
      Issue.record("a second vast-sim started in the folder of the first")
    } catch let failure as ProcessFailure {
      #expect(failure.description.contains("another vast-sim uses \(first.folder)"))
    }
    try await first.end()
  }
}

/// A vast-sim with a key on its account, and ways into its instances.
private struct Rig {
  let sim: VastSimProcess
  private let folder: String
  private var key: String { folder + "/key" }

  init(_ options: [String] = []) async throws {
    sim = try VastSimProcess(options)
    folder = try Program.temporaryFolder()
    let text = try await Self.makeKey(folder + "/key")
    _ = try await sim.call("POST", "/api/v0/ssh/", #"{"ssh_key": "\#(text)"}"#)
  }

  func end() async throws {
    #expect(try await sim.end() == 0)
    try await removeKeys()
  }

  func removeKeys() async throws { _ = try await Program.run(["rm", "-rf", folder]) }

  func create(offer: Int = Fixture.offer, _ more: String = #""label": "x""#) async throws -> Int {
    let made = try await sim.call(
      "PUT", "/api/v0/asks/\(offer)/",
      #"{"image": "ubuntu:22.04", "disk": 10, "runtype": "ssh_direc ssh_proxy", \#(more)}"#)
    return try #require(made.body["new_contract"]?.asInt)
  }

  private func row(_ id: Int) async throws -> JSONValue {
    try #require(try await sim.call("GET", "/api/v0/instances/\(id)/?owner=me").body["instances"])
  }

  func running(_ id: Int) async throws {
    await eventually { (try? await row(id)["actual_status"]?.asText) == "running" }
    #expect(try await row(id)["actual_status"]?.asText == "running")
  }

  func directPort(_ id: Int) async throws -> Int {
    try #require(try await row(id)["ports"]?["22/tcp"]?.asArray?.first?["HostPort"]?.asInt)
  }

  func proxyPort(_ id: Int) async throws -> Int { try #require(try await row(id)["ssh_port"]?.asInt) }

  /// The direct port once a login there works.
  func openPort(_ id: Int) async throws -> Int {
    try await running(id)
    let port = try await directPort(id)
    await eventually { (try? await login(port, "true").status) == 0 }
    #expect(try await login(port, "true").status == 0)
    return port
  }

  func login(_ port: Int, _ command: String, key: String? = nil) async throws -> (status: Int32, output: String) {
    try await Program.run(
      [
        "ssh", "-F", "none", "-i", key ?? self.key, "-p", "\(port)", "-o", "StrictHostKeyChecking=no", "-o",
        "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", "-o", "LogLevel=QUIET", "-o", "IdentitiesOnly=yes",
        "root@127.0.0.1", command,
      ])
  }

  /// The first line of who listens there within half a second; nil when nobody does.
  func banner(_ port: Int) async throws -> String? {
    let script = "exec 3<>/dev/tcp/127.0.0.1/\(port) || exit 9; IFS= read -r -t 0.5 line <&3; printf %s \"$line\""
    let done = try await Program.run(["bash", "-c", script])
    return done.status == 9 || done.output.contains("refused") ? nil : done.output
  }

  func newKey() async throws -> (path: String, text: String) {
    let path = folder + "/other"
    return (path, try await Self.makeKey(path))
  }

  private static func makeKey(_ path: String) async throws -> String {
    let made = try await Program.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path])
    try #require(made.status == 0, "ssh-keygen said: \(made.output)")
    return try await Program.run(["cat", path + ".pub"]).output.split(separator: "\n").joined()
  }

  /// A number of seconds to sleep that no other process sleeps.
  func unlikely() -> String { "\(Int.random(in: 10_000...99_999)).\(Int.random(in: 1_000_000...9_999_999))" }

  /// Whether a process has this in its command line; only this machine's ps is asked, so that root's are seen too.
  func isRunning(_ text: String) async -> Bool {
    guard let all = try? await Program.run(["ps", "-eo", "args"]) else { return false }
    return all.output.split(separator: "\n").contains { $0.contains(text) && !$0.contains("ssh -F") }
  }

  func folders() async throws -> [String] {
    try await Program.run(VastSimProcess.asRoot + ["ls", sim.folder + "/instances"]).output.split(separator: "\n").map(
      String.init)
  }
}
