import Glibc
import JSON
import TestSupport
import Testing

@Suite(.serialized) struct `Death and restart` {
  @Test(arguments: ["provisioning", "starting", "running", "collecting", "cleaning_up"])
  func `kill -9 in any phase loses no job, starts no command twice and leaves no machine`(phase: String) async throws {
    let rig = try await Rig()
    try await rig.startVastd()
    let id = try await rig.submit(
      #"{"command": "echo started >> runs; for i in 1 2 3; do echo $i; sleep 0.3; done; head -c 3000000 /dev/urandom > big", "outputs": ["runs", "big"]}"#
    )
    await eventually(within: .seconds(30)) {
      let state = try? await rig.job(id).text("state")
      return state == phase || state == "succeeded"
    }
    try rig.killVastd()
    try await rig.startVastd()
    let job = try await rig.ended(id)
    #expect(job.text("state") == "succeeded", "\(job.bodyText)")
    #expect(try await rig.get("/v1/jobs/\(id)/logs").bodyText == "1\n2\n3\n")
    let path = rig.folder + "/r.tar.gz"
    try write(try await rig.get("/v1/jobs/\(id)/results").body, to: path)
    #expect(try run(["/bin/tar", "-xzOf", path, "runs"], folder: rig.folder).output == "started\n")
    #expect(try await rig.alive() == 0)
    #expect(try await rig.everMade() == 1)
  }

  @Test(arguments: ["create_lost", "create_cut", "create_half", "create_html"])
  func `a create whose answer is lost leads to one machine, found by its tag`(kind: String) async throws {
    let rig = try await Rig()
    try await rig.startVastd()
    try await rig.control("POST", "fault", #"{"kind": "\#(kind)"}"#)
    let id = try await rig.submit(#"{"command": "true"}"#)
    let job = try await rig.ended(id)
    #expect(job.text("state") == "succeeded", "\(job.bodyText)")
    #expect(try await rig.everMade() == 1)
    #expect(try await rig.alive() == 0)
  }

  @Test func `a create that failed without a trace is settled before the next machine is rented`() async throws {
    let rig = try await Rig()
    try await rig.startVastd()
    try await rig.control("POST", "fault", #"{"kind": "create_refused"}"#)
    let id = try await rig.submit(#"{"command": "true"}"#)
    let job = try await rig.ended(id)
    #expect(job.text("state") == "succeeded", "\(job.bodyText)")
    #expect(job.value("attempt") == .integer(2))
    #expect(try await rig.everMade() == 1)
    #expect(try await rig.alive() == 0)
  }

  @Test func `a create killed while its answer is on the way is found again`() async throws {
    let rig = try await Rig()
    try await rig.startVastd()
    try await rig.control("POST", "fault", #"{"route": "create", "delay": 3}"#)
    let id = try await rig.submit(#"{"command": "true"}"#)
    await eventually { (try? await rig.everMade()) == 1 }
    try rig.killVastd()
    try await rig.startVastd()
    #expect(try await rig.ended(id).text("state") == "succeeded")
    #expect(try await rig.everMade() == 1)
    #expect(try await rig.alive() == 0)
  }

  @Test func `lists that fail or lie about a running machine change nothing`() async throws {
    let rig = try await Rig()
    try await rig.startVastd(["VASTD_POLL_INTERVAL_S": "0.3"])
    let id = try await rig.submit(#"{"command": "sleep 4; echo survived"}"#)
    try await rig.wait(for: id, "running")
    for kind in ["list_empty", "list_fails", "list_cut", "list_html", "list_half"] {
      try await rig.control("POST", "fault", #"{"kind": "\#(kind)", "count": 2}"#)
    }
    let job = try await rig.ended(id)
    #expect(job.text("state") == "succeeded", "\(job.bodyText)")
    #expect(try await rig.everMade() == 1)
    #expect(try await rig.alive() == 0)
  }

  @Test(arguments: ["destroy_lost", "destroy_ignored"])
  func `a destroy whose answer lies is asked for until a read shows it gone`(kind: String) async throws {
    let rig = try await Rig()
    try await rig.startVastd()
    try await rig.control("POST", "fault", #"{"kind": "\#(kind)"}"#)
    let id = try await rig.submit(#"{"command": "true"}"#)
    #expect(try await rig.ended(id).text("state") == "succeeded")
    #expect(try await rig.alive() == 0)
  }

  @Test func `SIGTERM drains, exits 0, and the command on the machine runs on for the next start`() async throws {
    let rig = try await Rig()
    try await rig.startVastd()
    let id = try await rig.submit(#"{"command": "for i in 1 2 3 4; do echo $i; sleep 0.5; done"}"#)
    try await rig.wait(for: id, "running")
    let program = try rig.vastd
    program.signal(SIGTERM)
    #expect(program.exitCode() == 0, "\(program.output.suffix(2000))")
    #expect(try await rig.alive() == 1)
    try await rig.startVastd()
    #expect(try await rig.ended(id).text("state") == "succeeded")
    #expect(try await rig.get("/v1/jobs/\(id)/logs").bodyText == "1\n2\n3\n4\n")
    #expect(try await rig.alive() == 0)
  }

  @Test func `a second vastd over the same data refuses to start and says why`() async throws {
    let rig = try await Rig()
    try await rig.startVastd()
    let second = try Program(
      "vastd", ["serve"], environment: rig.variables(port: try freePort()), output: rig.folder + "/second.log")
    let code = try #require(second.exitCode())
    #expect(code != 0 && code < 256)
    #expect(second.output.contains("in use by process"), "\(second.output)")
    #expect(try await rig.get("/readyz", withToken: false).status == 200)
  }
}
