import JSON
import Locking
import TestSupport
import Testing

@Suite(.serialized) struct `A job's whole journey` {
  @Test func `upload, run, follow, collect, report, and nothing is left running`() async throws {
    let rig = try await Rig()
    try await rig.startVastd()
    let archive = rig.folder + "/work.tar.gz"
    _ = try run(
      [
        "/bin/sh", "-c",
        "mkdir -p \(rig.folder)/w/data && echo 41 > \(rig.folder)/w/data/n && tar -czf \(archive) -C \(rig.folder)/w .",
      ],
      folder: rig.folder)
    let upload = try await rig.send("POST", "/v1/uploads", body: try contents(of: archive), type: "application/gzip")
    #expect(upload.status == 201, "\(upload.bodyText)")
    let uploadID = try #require(upload.text("id"))
    let id = try await rig.submit(
      """
      {"name": "journey", "command": "n=$(cat data/n); mkdir -p output; echo $((n+1)) > output/answer; echo done $GREETING $SECRET_WORD",
       "env": {"GREETING": "it's \\"me\\" $HOME"}, "secrets": {"SECRET_WORD": "canary-7f3a"},
       "setup": "echo setting up", "input_upload_id": "\(uploadID)"}
      """)
    let log = try await rig.get("/v1/jobs/\(id)/logs?follow=true")
    #expect(log.bodyText == "setting up\ndone it's \"me\" $HOME canary-7f3a\n")
    let job = try await rig.ended(id)
    #expect(job.text("state") == "succeeded", "\(job.bodyText)")
    let results = try await rig.get("/v1/jobs/\(id)/results")
    #expect(results.status == 200)
    #expect(results.header("content-type") == "application/gzip")
    #expect(try untar(results.body, "output/answer", in: rig) == "42\n")
    #expect(try untar(results.body, "job_output.log", in: rig).contains("setting up"))
    let report = try await rig.get("/v1/jobs/\(id)/report")
    #expect(report.value("exit_code") == .integer(0))
    #expect(report.value("instances_destroyed") == .bool(true))
    #expect(report.text("verified_at") != nil)
    #expect(try await rig.alive() == 0)
    #expect(try await rig.everMade() == 1)
    // Nothing secret was said aloud: neither the job's secret, which its own log may print, nor ours.
    for secret in ["canary-7f3a", rig.key, Rig.token] {
      #expect(!(try rig.vastd.output.contains(secret)), "\(secret) is in the log")
      #expect(!job.bodyText.contains(secret))
      #expect(!(try await rig.get("/metrics", withToken: false)).bodyText.contains(secret))
    }
  }

  @Test func `names and links that no archive may hold cost a job none of its results`() async throws {
    let rig = try await Rig()
    try await rig.startVastd()
    let id = try await rig.submit(
      #"""
      {"command": "mkdir -p output/step3; cd output; echo 42 >step3/m.pt; ln -s step3 latest; ln -s step3/m.pt best; echo 1 >\"$(printf 'a\\nb')\"; ln -s /etc/passwd abs; cd ..; ln -s gone out; echo x >./-x",
       "outputs": ["output/latest/m.pt", "output/", "output/best", "*", "out/"]}
      """#)
    let job = try await rig.ended(id)
    #expect(job.text("state") == "succeeded", "\(job.bodyText)")
    #expect(job.bodyText.contains(#""missing":["output/a\\nb","output/abs"]"#), "\(job.bodyText)")
    let results = try await rig.get("/v1/jobs/\(id)/results")
    #expect(try untar(results.body, "output/step3/m.pt", in: rig) == "42\n")
  }

  @Test(arguments: ["cd; rm -rf vastd; sleep 1; exit 0", "rm -rf .vastd; sleep 1; exit 0", "cd; rm -rf vastd"])
  func `a command that deletes the job's folder is told so`(command: String) async throws {
    let rig = try await Rig()
    try await rig.startVastd()
    let id = try await rig.submit(#"{"command": "\#(command)"}"#)
    let job = try await rig.ended(id)
    #expect(job.text("state") == "failed")
    #expect(job.bodyText.contains(#""code":"workspace_gone""#), "\(job.bodyText)")
    #expect(try await rig.alive() == 0)
  }

  @Test func `a job costs six calls, two looks at the spend, and a list for each half second that something changes`()
    async throws
  {
    let rig = try await Rig(settings: ["--boot", "1", "--ssh-delay", "0.5"])
    // The idle poll is not the job's.
    try await rig.startVastd(["VASTD_POLL_INTERVAL_S": "600"])
    await eventually { (try? await rig.control("GET", "requests").json["total"]) != .integer(0) }
    try await ContinuousClock().pause(for: .milliseconds(500))
    try await rig.control("DELETE", "requests")
    let begun = ContinuousClock.now
    let id = try await rig.submit(#"{"command": "true"}"#)
    #expect(try await rig.ended(id).text("state") == "succeeded")
    let requests = try await rig.control("GET", "requests")
    func count(_ route: String) -> Int64 {
      if case .integer(let count)? = requests.value("counts.\(route)") { return count }
      return 0
    }
    guard case .integer(let total)? = requests.json["total"] else {
      Issue.record("no count")
      return
    }
    // On a machine that has time for it there are 5 lists in the 2.5 s of the job; each half second more is one more.
    let slowness = max(.zero, ContinuousClock.now - begun - .seconds(2.5))
    let extra = slowness.components.seconds * 2 + 2
    #expect(total - count("list") - count("spend_rate") <= 6, "\(requests.json["counts"].map { "\($0)" } ?? "")")
    #expect(count("spend_rate") <= 2, "one with each list that proves the machine gone")
    #expect(count("list") <= 6 + extra, "\(requests.json["counts"].map { "\($0)" } ?? "")")
  }

  @Test func `a failed command keeps its exit code, its log and its outputs`() async throws {
    let rig = try await Rig()
    try await rig.startVastd()
    let id = try await rig.submit(
      #"{"command": "echo half > part; echo oops >&2; exit 7", "outputs": ["part", "missing/"]}"#)
    let job = try await rig.ended(id)
    #expect(job.text("state") == "failed")
    #expect(job.value("exit_code") == .integer(7))
    #expect(job.text("error.code") == "command_failed")
    #expect(try await rig.get("/v1/jobs/\(id)/logs").bodyText == "oops\n")
    let results = try await rig.get("/v1/jobs/\(id)/results")
    #expect(try untar(results.body, "part", in: rig) == "half\n")
    #expect(job.value("results.missing") == .array([.string("missing/")]))
    #expect(try await rig.alive() == 0)
  }

  @Test func `a log is read from any byte and its offsets stay the same`() async throws {
    let rig = try await Rig()
    try await rig.startVastd()
    let id = try await rig.submit(#"{"command": "for i in 1 2 3 4 5; do echo line $i; sleep 0.1; done"}"#)
    let all = try await rig.get("/v1/jobs/\(id)/logs?follow=true").bodyText
    #expect(all == (1...5).map { "line \($0)\n" }.joined())
    #expect(try await rig.get("/v1/jobs/\(id)/logs?offset=7").bodyText == String(all.dropFirst(7)))
    _ = try await rig.ended(id)
    #expect(try await rig.get("/v1/jobs/\(id)/logs?offset=7&follow=true").bodyText == String(all.dropFirst(7)))
  }

  @Test(arguments: ["provisioning", "running"])
  func `cancel ends a job in any phase and leaves nothing`(phase: String) async throws {
    let rig = try await Rig(settings: phase == "provisioning" ? ["--boot", "30"] : [])
    try await rig.startVastd()
    let id = try await rig.submit(#"{"command": "sleep 600"}"#)
    try await rig.wait(for: id, phase)
    #expect(try await rig.post("/v1/jobs/\(id)/cancel", "").status < 300)
    #expect(try await rig.ended(id).text("state") == "cancelled")
    #expect(try await rig.alive() == 0)
  }

  @Test func `an instance by hand is created, shown, reached by ssh and destroyed`() async throws {
    let rig = try await Rig()
    try await rig.startVastd()
    let made = try await rig.post(
      "/v1/instances", #"{"resources": {"gpu_name": "RTX_4090"}, "image": "python:3.11", "disk_gb": 20}"#)
    #expect(made.status == 202, "\(made.bodyText)")
    let id = try #require(made.text("id"))
    await eventually { (try? await rig.get("/v1/instances/\(id)").text("state")) == "running" }
    let ssh = try await rig.get("/v1/instances/\(id)/ssh")
    #expect(ssh.value("ready") == .bool(true), "\(ssh.bodyText)")
    #expect(ssh.text("command")?.hasPrefix("ssh ") == true)
    #expect(try await rig.alive() == 1)
    #expect(try await rig.send("DELETE", "/v1/instances/\(id)").status == 202)
    await eventually { (try? await rig.get("/v1/instances/\(id)").text("state")) == "destroyed" }
    #expect(try await rig.get("/v1/instances/\(id)").text("state") == "destroyed")
    #expect(try await rig.alive() == 0)
  }

  @Test func `the same key and body make one job; another body is refused`() async throws {
    let rig = try await Rig()
    try await rig.startVastd()
    let headers = [(name: "Idempotency-Key", value: "key-1")]
    let first = try await rig.post("/v1/jobs", #"{"command": "true"}"#, headers: headers)
    let second = try await rig.post("/v1/jobs", #"{"command": "true"}"#, headers: headers)
    #expect(first.status == 201)
    #expect(second.status == 201)
    #expect(second.header("idempotent-replayed") == "true")
    #expect(first.text("id") == second.text("id"))
    #expect(try await rig.post("/v1/jobs", #"{"command": "false"}"#, headers: headers).status == 422)
    try rig.killVastd()
    try await rig.startVastd()
    let third = try await rig.post("/v1/jobs", #"{"command": "true"}"#, headers: headers)
    #expect(third.body == first.body, "the first answer again, byte for byte, after kill -9")
    _ = try await rig.ended(try #require(first.text("id")))
  }

  private func untar(_ archive: [UInt8], _ name: String, in rig: Rig) throws -> String {
    let path = rig.folder + "/results.tar.gz"
    try write(archive, to: path)
    let result = try run(["/bin/tar", "-xzOf", path, name], folder: rig.folder)
    guard result.code == 0 else { throw Fault(result.output) }
    return result.output
  }
}
