import JSON
import TestSupport
import Testing

@Suite(.serialized) struct `Machines that come to nothing` {
  @Test(arguments: [
    ("stuck", "start_timeout"), ("pull_fails", "image_pull_failed"), ("deaf", "ssh_timeout"),
    ("silent", "ssh_timeout"), ("full_disk", "disk_full"),
  ])
  func `are told apart, and the next one runs the job`(fate: String, code: String) async throws {
    let rig = try await Rig()
    try await rig.startVastd(["VASTD_START_TIMEOUT_S": "6", "VASTD_SSH_TIMEOUT_S": "6"])
    try await rig.control("POST", "fate", #"{"fate": "\#(fate)"}"#)
    let id = try await rig.submit(#"{"command": "echo here"}"#)
    let job = try await rig.ended(id, within: .seconds(90))
    #expect(job.text("state") == "succeeded", "\(job.bodyText)")
    #expect(try job.failures() == [code, nil])
    #expect(try job.machines().count == 2)
    #expect(try await rig.alive() == 0)
    #expect(try await rig.everMade() == 2)
  }

  @Test func `a silent command is ended and runs on the next machine, and the log has both`() async throws {
    let rig = try await Rig()
    try await rig.startVastd()
    let id = try await rig.submit(
      #"{"command": "echo try $VASTD_ATTEMPT; [ $VASTD_ATTEMPT = 2 ] || sleep 600; echo done", "idle_timeout_s": 3}"#)
    let job = try await rig.ended(id, within: .seconds(90))
    #expect(job.text("state") == "succeeded", "\(job.bodyText)")
    #expect(try job.failures() == ["idle_timeout", nil])
    #expect(try job.machines().count == 2)
    let log = try await rig.get("/v1/jobs/\(id)/logs").bodyText
    // Between the two, the shell may say that it was ended.
    #expect(log.hasPrefix("try 1\n") && log.hasSuffix("\ntry 2\ndone\n"), "\(log)")
    #expect(try await rig.alive() == 0)
  }

  @Test func `a command that says something in time runs for longer than it may be silent`() async throws {
    let rig = try await Rig()
    try await rig.startVastd()
    let id = try await rig.submit(
      #"{"command": "for i in 1 2 3 4 5 6; do sleep 1.5; echo $i; done", "idle_timeout_s": 5}"#)
    let job = try await rig.ended(id)
    #expect(job.text("state") == "succeeded", "\(job.bodyText)")
    #expect(try await rig.everMade() == 1)
    #expect(try await rig.get("/v1/jobs/\(id)/logs").bodyText == "1\n2\n3\n4\n5\n6\n")
  }
}

extension Answer {
  private func attempts() throws -> [JSONObject] {
    guard case .array(let attempts)? = json["attempts"] else { throw Fault("no attempts: \(bodyText)") }
    return attempts.compactMap { if case .object(let attempt) = $0 { attempt } else { nil } }
  }

  /// The code that each attempt ended with.
  fileprivate func failures() throws -> [String?] {
    try attempts().map { attempt in
      guard case .object(let error)? = attempt["error"], case .string(let code)? = error["code"] else { return nil }
      return code
    }
  }

  fileprivate func machines() throws -> Set<Int64> {
    Set(try attempts().compactMap { if case .integer(let machine)? = $0["machine_id"] { machine } else { nil } })
  }
}
