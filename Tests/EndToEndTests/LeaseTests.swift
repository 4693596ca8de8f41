import JSON
import Locking
import TestSupport
import Testing

@Suite(.serialized) struct `The dead man's switch` {
  @Test func `vastd is killed for good, and its machine goes by itself with its own key`() async throws {
    let rig = try await Rig()
    try await rig.startVastd(["VASTD_LEASE_S": "4"])
    let id = try await rig.submit(#"{"command": "sleep 600"}"#)
    try await rig.begun(id)
    let found = try run(["/bin/grep", "-r", rig.key, rig.folder + "/sim/instances"], folder: rig.folder)
    #expect(found.code == 1 && found.output == "", "the account's key is on the machine: \(found.output)")
    try rig.killVastd()
    #expect(try await rig.alive() == 1)
    await eventually(within: .seconds(40)) { (try? await rig.alive()) == 0 }
    #expect(try await rig.alive() == 0)
    #expect(try await rig.destroyers() == [.string("instance")])
  }

  @Test func `a command that has ended does not keep the machine of a vastd that is gone`() async throws {
    let rig = try await Rig()
    try await rig.startVastd(["VASTD_LEASE_S": "4"])
    let id = try await rig.submit(#"{"command": "sleep 2"}"#)
    try await rig.begun(id)
    try rig.killVastd()
    await eventually(within: .seconds(40)) { (try? await rig.alive()) == 0 }
    #expect(try await rig.alive() == 0)
    #expect(try await rig.destroyers() == [.string("instance")])
  }

  @Test func `where Vast refuses the destroy the machine stops itself`() async throws {
    let rig = try await Rig()
    try await rig.startVastd(["VASTD_LEASE_S": "4"])
    let id = try await rig.submit(#"{"command": "sleep 600"}"#)
    try await rig.begun(id)
    try rig.killVastd()
    try await rig.control(
      "POST", "fault", #"{"route": "destroy", "happens": false, "reply": "status", "status": 403, "count": 1000}"#)
    await eventually(within: .seconds(40)) { (try? await rig.contracts().first?["actual_status"]) == .string("exited") }
    let contract = try #require(try await rig.contracts().first)
    #expect(contract["actual_status"] == .string("exited") && contract["intended_status"] == .string("stopped"))
  }

  @Test func `while vastd watches, a job outlives many leases`() async throws {
    let rig = try await Rig()
    // Long enough that a machine under load, which may stall for seconds, does not miss all renewals of one.
    try await rig.startVastd(["VASTD_LEASE_S": "8"])
    let id = try await rig.submit(#"{"command": "for i in 1 2 3 4 5 6; do sleep 4; echo $i; done"}"#)
    try await rig.begun(id)
    let job = try await rig.ended(id)
    #expect(job.text("state") == "succeeded", "\(job.bodyText)")
    #expect(try await rig.everMade() == 1)
    #expect(try await rig.destroyers() == [.string("account")])
  }

  @Test func `a restart within the lease is harmless`() async throws {
    let rig = try await Rig()
    try await rig.startVastd(["VASTD_LEASE_S": "15"])
    let id = try await rig.submit(#"{"command": "sleep 20; echo through"}"#)
    try await rig.begun(id)
    try rig.killVastd()
    try await ContinuousClock().pause(for: .seconds(2))
    try await rig.startVastd()
    let job = try await rig.ended(id)
    #expect(job.text("state") == "succeeded", "\(job.bodyText)")
    #expect(try await rig.destroyers() == [.string("account")])
  }
}

extension Rig {
  /// Waits until a job's command runs and its machine has a lease.
  fileprivate func begun(_ id: String) async throws {
    try await wait(for: id, "running")
    await eventually(within: .seconds(20)) { (try? self.vastd.output.contains("lease begun")) ?? false }
    guard try vastd.output.contains("lease begun") else { throw Fault("no lease: \(try vastd.output.suffix(6000))") }
  }

  fileprivate func contracts() async throws -> [JSONObject] {
    guard case .array(let contracts)? = try await control("GET", "truth").json["contracts"] else {
      throw Fault("no truth")
    }
    return contracts.compactMap { if case .object(let contract) = $0 { contract } else { nil } }
  }

  /// Who destroyed each contract ever made.
  fileprivate func destroyers() async throws -> [JSONValue?] { try await contracts().map { $0["destroyed_by"] } }
}
