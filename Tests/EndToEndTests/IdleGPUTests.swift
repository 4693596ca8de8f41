import JSON
import TestSupport
import Testing

@Suite struct `Idle GPUs end work` {
  @Test func `a command is ended and an idle machine by hand stops, each once its minute is over`() async throws {
    let rig = try await Rig()
    try await rig.startVastd(["VASTD_IDLE_GPU_STOP_S": "60"])
    let byHand = try await rig.post("/v1/instances", #"{"label": "ada"}"#)
    let machine = try #require(byHand.text("id"), "\(byHand.bodyText)")
    let id = try await rig.submit(
      #"{"command": "mkdir -p output; echo so far >output/it; sleep 600", "on_failure": "destroy"}"#)
    try await rig.wait(for: id, "running")
    try await rig.idleAll()
    let job = try await rig.ended(id, within: .seconds(120))
    #expect(job.text("state") == "failed" && job.text("error.code") == "gpu_idle", "\(job.bodyText)")
    #expect(job.text("error.detail")?.contains("cost $") == true)
    #expect(try await rig.get("/v1/jobs/\(id)/results").status == 200, "what it left came home")
    let report = try await rig.get("/v1/jobs/\(id)/report")
    #expect(try #require(report.number("idle_gpu_s")) >= 60 && report.number("idle_gpu_cost_usd") ?? 0 > 0)

    await eventually(within: .seconds(60)) {
      (try? await rig.get("/v1/instances/\(machine)").text("state")) == "stopped"
    }
    let stopped = try await rig.get("/v1/instances/\(machine)")
    #expect(stopped.text("state") == "stopped" && stopped.text("desired_state") == "stopped", "\(stopped.bodyText)")
    #expect(stopped.value("failure") == .null && stopped.value("gpu_utilization") == .null)
    #expect(try #require(stopped.number("idle_s")) >= 50)
    let events = try await rig.get("/v1/events?type=instance.stopped_idle&limit=10").bodyText
    #expect(events.contains(machine) && events.contains(#""idle_s":6"#), "\(events)")
    #expect(try await rig.alive() == 1, "it keeps its disk")
    #expect(try await rig.send("DELETE", "/v1/instances/\(machine)").status == 202)
    await eventually(within: .seconds(30)) { (try? await rig.alive()) == 0 }
    #expect(try await rig.alive() == 0)
  }

  @Test(arguments: ["59", "86401", "-1", "nan", "soon"])
  func `a bound that is none is refused by its name`(value: String) async throws {
    let rig = try await Rig()
    let (code, output) = try rig.configuration(["VASTD_IDLE_GPU_STOP_S": value])
    #expect(code != 0 && output.contains("VASTD_IDLE_GPU_STOP_S: "), "\(output)")
  }

  @Test func `the bound shows where it comes from, and goes with any interval between looks`() async throws {
    let rig = try await Rig()
    let good = try rig.configuration(["VASTD_IDLE_GPU_STOP_S": "600"])
    let line = good.output.split(separator: "\n").first { $0.hasPrefix("idle_gpu_stop_s") } ?? ""
    #expect(good.code == 0 && line.contains("600") && line.contains("VASTD_IDLE_GPU_STOP_S"), "\(good.output)")
    let rare = try rig.configuration(["VASTD_IDLE_GPU_STOP_S": "600", "VASTD_POLL_INTERVAL_S": "90"])
    #expect(rare.code == 0, "\(rare.output)")
  }
}

extension Rig {
  /// Every machine that there is has idle GPUs from now on.
  fileprivate func idleAll() async throws {
    guard case .array(let alive)? = try await control("GET", "truth").json["alive"] else { throw Fault("no truth") }
    for case .integer(let id) in alive {
      try await control("POST", "instances/\(id)/utilization", #"{"gpu_util": 1}"#)
    }
  }

  /// What `vastd config` says.
  fileprivate func configuration(_ more: [String: String]) throws -> (code: Int32?, output: String) {
    let program = try Program(
      "vastd", ["config"], environment: variables(port: try freePort(), more), output: folder + "/config.out")
    let code = program.exitCode()
    let output = program.output
    removeTree(folder + "/config.out")
    return (code, output)
  }
}

extension Answer {
  fileprivate func number(_ path: String) -> Double? {
    switch value(path) {
    case .number(let number)?: number
    case .integer(let integer)?: Double(integer)
    default: nil
    }
  }
}
