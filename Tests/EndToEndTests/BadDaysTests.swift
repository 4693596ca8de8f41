import Glibc
import JSON
import TestSupport
import Testing

@Suite(.serialized) struct `Bad input and bad days` {
  @Test func `each gives an error that names what is wrong, and leaves nothing behind`() async throws {
    let rig = try await Rig()
    try await rig.startVastd()
    let cases: [(String, String, Int, String)] = [
      ("/v1/jobs", #"{"command": "true""#, 400, "malformed"),
      ("/v1/jobs", String(repeating: "[", count: 100_000), 400, ""),
      ("/v1/jobs", #"{"command": "\#(String(repeating: "x", count: 2 << 20))"}"#, 413, ""),
      ("/v1/jobs", #"{"command": "true", "env": {"-v": "x"}}"#, 422, "/env/-v"),
      ("/v1/jobs", #"{"command": "true", "env": {"A\nB": "x"}}"#, 422, "/env/"),
      ("/v1/jobs", #"{"command": "true", "colour": "red"}"#, 422, "/colour"),
      ("/v1/jobs", #"{"command": "true", "resources": {"num_gpus": "two"}}"#, 422, "/resources/num_gpus"),
      ("/v1/jobs", #"{"command": "true", "outputs": ["../etc"]}"#, 422, "/outputs/0"),
      (
        "/v1/jobs", #"{"command": "true", "input_upload_id": "upl_00000000000000000000000000"}"#, 422,
        "/input_upload_id"
      ),
    ]
    for (path, body, status, named) in cases {
      let answer = try await rig.post(path, body)
      #expect(answer.status == status, "\(body.prefix(80)): \(answer.bodyText.prefix(300))")
      #expect(answer.header("content-type") == "application/problem+json")
      if !named.isEmpty { #expect(answer.bodyText.contains(named), "\(answer.bodyText)") }
    }
    let broken = try await rig.send("POST", "/v1/jobs", body: [0x7B, 0x22, 0xFF, 0xFE, 0x22, 0x7D])
    #expect(broken.status == 400)
    #expect(try await rig.get("/v1/jobs").value("items") == .array([]))
  }

  @Test func `an upload that is no archive, or reaches outside of itself, is refused by name`() async throws {
    let rig = try await Rig()
    try await rig.startVastd()
    let junk = try await rig.send("POST", "/v1/uploads", body: Array("no archive".utf8), type: "application/gzip")
    #expect(junk.status == 422 || junk.status == 400, "\(junk.bodyText)")
    let script = """
      import io, sys, tarfile
      def make(path, name, kind=tarfile.REGTYPE, target=""):
          with tarfile.open(path, "w:gz") as archive:
              entry = tarfile.TarInfo(name); entry.type = kind; entry.linkname = target
              archive.addfile(entry, io.BytesIO(b""))
      folder = sys.argv[1]
      make(folder + "/a.tgz", "/etc/passwd"); make(folder + "/b.tgz", "../up")
      make(folder + "/c.tgz", "link", tarfile.SYMTYPE, "../../etc"); make(folder + "/d.tgz", "hard", tarfile.LNKTYPE, "/etc/shadow")
      """
    let made = try run(["/usr/bin/env", "python3", "-c", script, rig.folder], folder: rig.folder)
    #expect(made.code == 0, "\(made.output)")
    for (file, named) in [("a", "/etc/passwd"), ("b", "../up"), ("c", "link"), ("d", "hard")] {
      let answer = try await rig.send(
        "POST", "/v1/uploads", body: try contents(of: "\(rig.folder)/\(file).tgz"), type: "application/gzip")
      #expect(answer.status == 422, "\(file): \(answer.bodyText)")
      #expect(answer.bodyText.contains(named), "\(answer.bodyText)")
    }
    let left = try run(
      ["/usr/bin/find", rig.folder + "/data/uploads", rig.folder + "/data/tmp", "-type", "f"], folder: rig.folder)
    #expect(left.output == "", "\(left.output)")
  }

  @Test func `a GPU that does not exist and a price too low are told apart`() async throws {
    let rig = try await Rig()
    try await rig.startVastd()
    let unknown = try await rig.submit(#"{"command": "true", "resources": {"gpu_name": "RTX 9999"}}"#)
    let cheap = try await rig.submit(
      #"{"command": "true", "resources": {"gpu_name": "RTX_4090", "max_price_per_hour_usd": 0.001}}"#)
    #expect(try await rig.ended(unknown).text("error.code") == "no_such_gpu")
    #expect(try await rig.ended(cheap).text("error.code") == "no_offers_within_price")
    #expect(try await rig.everMade() == 0)
  }

  @Test func `no credit fails the job with what to do about it`() async throws {
    let rig = try await Rig()
    try await rig.startVastd()
    try await rig.control("POST", "fault", #"{"kind": "create_no_credit", "count": 9}"#)
    let id = try await rig.submit(#"{"command": "true"}"#)
    let job = try await rig.ended(id)
    #expect(job.text("error.code") == "insufficient_credit", "\(job.bodyText)")
    #expect(job.text("error.detail")?.contains("Add credit") == true)
    #expect(try await rig.everMade() == 0)
  }

  @Test func `a wrong API key, which Vast answers with 404, is called a wrong key`() async throws {
    let rig = try await Rig()
    try await rig.startVastd(["VAST_API_KEY": "not-the-key"])
    let id = try await rig.submit(#"{"command": "true"}"#)
    let job = try await rig.ended(id)
    #expect(job.text("error.code") == "provider_unauthorized", "\(job.bodyText)")
    #expect(job.text("error.detail")?.contains("VAST_API_KEY") == true)
    await eventually { (try? await rig.get("/health", withToken: false).text("status")) == "degraded" }
    let health = try await rig.get("/health", withToken: false)
    #expect(health.text("status") == "degraded")
    #expect(health.status == 200)
    #expect(try await rig.everMade() == 0)
  }

  @Test func `Vast out of reach at the start: the service is up, says so, and works when Vast comes back`() async throws
  {
    let rig = try await Rig()
    try await rig.control("POST", "fault", #"{"kind": "outage", "count": 12}"#)
    try await rig.startVastd(["VASTD_POLL_INTERVAL_S": "0.3"])
    let id = try await rig.submit(#"{"command": "true"}"#)
    await eventually { (try? await rig.get("/health", withToken: false).text("status")) == "degraded" }
    #expect(try await rig.get("/livez", withToken: false).status == 200)
    #expect(try await rig.get("/readyz", withToken: false).status == 200)
    #expect(try await rig.ended(id, within: .seconds(90)).text("state") == "succeeded")
    #expect(try await rig.alive() == 0)
  }

  @Test func `without a token everything under v1 is closed, and the system calls are open`() async throws {
    let rig = try await Rig()
    try await rig.startVastd()
    for path in ["/v1/jobs", "/v1/offers", "/v1/instances"] {
      let answer = try await rig.get(path, withToken: false)
      #expect(answer.status == 401)
      #expect(answer.header("www-authenticate") != nil)
    }
    for path in ["/livez", "/readyz", "/health", "/metrics", "/openapi.yaml", "/openapi.json"] {
      #expect(try await rig.get(path, withToken: false).status == 200, "\(path)")
    }
  }

  @Test func `metrics pass promtool, and logs are one JSON object a line with the ids they speak of`() async throws {
    let rig = try await Rig()
    try await rig.startVastd()
    let id = try await rig.submit(#"{"command": "true"}"#)
    _ = try await rig.ended(id)
    try write(try await rig.get("/metrics", withToken: false).body, to: rig.folder + "/metrics")
    let check = try run(["/bin/sh", "-c", "promtool check metrics < \(rig.folder)/metrics"], folder: rig.folder)
    #expect(check.code == 0 && check.output == "", "\(check.output)")
    let lines = try rig.vastd.output.split(separator: "\n")
    #expect(lines.count > 5)
    for line in lines {
      guard case .object(let entry)? = try? JSONValue.parse(Array(line.utf8)) else {
        Issue.record("not JSON: \(line)")
        continue
      }
      #expect(entry["ts"] != nil && entry["level"] != nil && entry["msg"] != nil)
    }
    #expect(lines.contains { $0.contains(#""job_id":"\#(id)""#) })
    #expect(lines.contains { $0.contains(#""request_id":""#) })
  }

  @Test func `a host that comes back with other ports is found there, and the time of its job still ends it`()
    async throws
  {
    let rig = try await Rig()
    try await rig.startVastd()
    let id = try await rig.submit(
      #"{"command": "for i in $(seq 100); do echo $i; sleep 0.5; done", "max_duration_s": 300}"#)
    try await rig.wait(for: id, "running")
    guard case .array(let alive)? = try await rig.control("GET", "truth").json["alive"],
      case .integer(let contract)? = alive.first
    else { throw Fault("no machine") }
    let before = try await rig.job(id).text("instance_id") ?? ""
    let port = try await rig.get("/v1/instances/\(before)/ssh").value("port")
    try await rig.control("POST", "instances/\(contract)/offline")
    try await rig.control("POST", "instances/\(contract)/online")
    await eventually(within: .seconds(30)) { (try? await rig.get("/v1/instances/\(before)/ssh").value("port")) != port }
    #expect(try await rig.get("/v1/instances/\(before)/ssh").value("port") != port)
    // Found at its new address it turns out to be another boot, whose key nobody vouches for. What counts is that it is told
    // at once and costs nothing more; looked for at the old address it would have run for a quarter of an hour.
    let job = try await rig.ended(id, within: .seconds(60))
    #expect(job.text("error.code") == "host_key_changed", "\(job.bodyText)")
    #expect(try await rig.alive() == 0)
  }

  @Test func `a wrong configuration is told whole, and nothing starts`() async throws {
    let rig = try await Rig()
    let environment = rig.variables(
      port: 1,
      [
        "VASTD_LISTEN": "0.0.0.0:8080", "VASTD_TOKEN": "short", "VASTD_RETRIES": "many", "VAST_URL": "ftp://x",
        "VASTD_APPROVAL": "sometimes",
      ])
    let program = try Program("vastd", ["serve"], environment: environment, output: rig.folder + "/wrong.log")
    let code = try #require(program.exitCode())
    #expect(code != 0 && code < 256)
    for name in ["VASTD_TOKEN", "VASTD_RETRIES", "VAST_URL", "VASTD_APPROVAL"] {
      #expect(program.output.contains(name), "\(program.output)")
    }
  }

  @Test func `a configuration file that is no JSON is told in words and on standard error`() async throws {
    let rig = try await Rig()
    try write(Array(#"{"poll_interval_s": 5,"#.utf8), to: rig.folder + "/development.json")
    let command = "unset VAST_API_KEY; VASTD_ENVIRONMENT=development VASTD_CONFIG_DIR=$PWD \"$0\" serve"
    for (redirection, isTold) in [("2>&1", true), ("2>/dev/null", false)] {
      let told = try run(
        ["/bin/sh", "-c", "cd \(rig.folder) && \(command) \(redirection)", Program.path("vastd")], folder: rig.folder)
      #expect(told.code == 1)
      #expect(told.output.contains("at byte 22, a member name was expected") == isTold, "\(told.output)")
    }
  }
}

func write(_ bytes: [UInt8], to path: String) throws {
  let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
  guard descriptor >= 0 else { throw Fault("cannot write \(path)") }
  defer { close(descriptor) }
  var offset = 0
  while offset < bytes.count {
    let count = bytes[offset...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    guard count > 0 else { throw Fault("cannot write \(path)") }
    offset += count
  }
}
