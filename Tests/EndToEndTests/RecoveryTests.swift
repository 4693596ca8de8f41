import JSON
import Locking
import TestSupport
import Testing

@Suite(.serialized) struct `Machines that are lost under their job` {
  /// Goes on from its checkpoint, a step every three seconds, so that its files stand still in between.
  private static let training = """
    i=$(cat checkpoints/step 2>/dev/null || echo 0); echo "from $i resume=${VASTD_RESUME:-0}"
    while [ $i -lt 9 ]; do i=$((i + 1)); echo $i >checkpoints/new; mv checkpoints/new checkpoints/step; sleep 3; done
    echo done
    """

  @Test func `an outbid training goes on from its checkpoint on another machine, across a kill -9 of vastd`()
    async throws
  {
    let rig = try await Rig()
    try await rig.startVastd()
    let body = JSONWriter.text { writer in
      writer.member("command", Self.training)
      writer.object("resources") { writer in writer.member("interruptible", true) }
      writer.object("checkpoint") { writer in writer.member("interval_s", 10) }
    }
    let id = try await rig.submit(body)
    try await rig.wait(for: id, "running")
    let checkpoints = try await rig.items("/v1/jobs/\(id)/checkpoints", atLeast: 1)
    #expect(checkpoints.first?.member("attempt") == .integer(1))
    let first = try await rig.machine(of: id)
    try rig.killVastd()
    try await rig.control("POST", "instances/\(first)/outbid", #"{"tenant": true}"#)
    try await rig.startVastd()

    let job = try await rig.ended(id, within: .seconds(120))
    #expect(job.text("state") == "succeeded", "\(job.bodyText)")
    #expect(job.value("attempt") == .integer(2))
    let log = try await rig.get("/v1/jobs/\(id)/logs").bodyText
    #expect(log.hasPrefix("from 0 resume=0\n"))
    let second = try #require(log.split(separator: "\n").first { $0.hasSuffix("resume=1") })
    #expect(second != "from 0 resume=1", "it went on: \(second)")
    #expect(log.hasSuffix("done\n"))
    #expect(try await rig.everMade() == 2)
    #expect(try await rig.alive() == 0)

    let events = try await rig.items("/v1/events?job_id=\(id)&limit=500", atLeast: 1)
    let types = events.compactMap { $0.text("type") }
    #expect(types.filter { $0 == "instance.preempted" }.count == 1)
    #expect(types.filter { $0 == "instance.recovered" }.count == 1)
    #expect(types.contains("instance.running_to_exited"))
    var last: [String: Int64] = [:]
    for event in events {
      guard let subject = event.text("subject"), case .integer(let sequence)? = event.member("sequence") else {
        continue
      }
      #expect(sequence == (last[subject] ?? 0) + 1, "\(subject)")
      last[subject] = sequence
    }
    let exclusions = try await rig.items("/v1/exclusions", atLeast: 1)
    #expect(exclusions.compactMap { $0.text("reason") } == ["preempted"])
  }

  @Test func `a container that ends under its job is started again, and a job that wants none fails with the reason`()
    async throws
  {
    let rig = try await Rig()
    try await rig.startVastd()
    let wants = try await rig.submit(#"{"command": "[ $VASTD_ATTEMPT = 2 ] || sleep 600; echo second"}"#)
    let refuses = try await rig.submit(#"{"command": "sleep 600", "recover": false}"#)
    for id in [wants, refuses] {
      try await rig.wait(for: id, "running")
      try await rig.control("POST", "instances/\(try await rig.machine(of: id))/crash", "{}")
    }
    let revived = try await rig.ended(wants, within: .seconds(90))
    #expect(revived.text("state") == "succeeded" && revived.value("attempt") == .integer(2), "\(revived.bodyText)")
    #expect(try await rig.get("/v1/jobs/\(wants)/logs").bodyText == "second\n")
    #expect(try await rig.everMade() == 2, "no machine but the two that were there")
    let failed = try await rig.ended(refuses, within: .seconds(90))
    #expect(failed.text("error.code") == "instance_exited", "\(failed.bodyText)")
    #expect(try await rig.alive() == 0)
  }

  @Test func `two hundred machines that change at once lose no event, and each tells its own in order`() async throws {
    let rig = try await Rig(settings: ["--boot", "0.2"])
    let offers = (1...200).map { #"{"id": \#($0), "machine_id": \#($0), "gpu_name": "RTX 4090"}"# }
    try await rig.control("POST", "offers", #"{"replace": true, "offers": [\#(offers.joined(separator: ","))]}"#)
    try await rig.startVastd(["VASTD_LOG_LEVEL": "warning", "VASTD_START_TIMEOUT_S": "120"])
    for offer in 1...200 {
      let answer = try await rig.post("/v1/instances", #"{"offer_id": \#(offer), "image": "python:3.11"}"#)
      guard answer.status == 202 else { throw Fault(answer.bodyText) }
    }
    try await rig.count("/v1/instances?state=running&limit=500", reaches: 200)
    let rows = try await rig.items("/v1/instances?limit=500", atLeast: 200)
    for row in rows {
      guard case .integer(let number)? = row.member("provider_id") else { continue }
      try await rig.control("POST", "instances/\(number)/crash", "{}")
    }
    try await rig.count("/v1/instances?state=destroyed&limit=500", reaches: 200)
    #expect(try await rig.alive() == 0)
    var types: [String: [String]] = [:]
    var after = ""
    while true {
      let page = try await rig.get("/v1/events?limit=500" + after)
      guard case .array(let items)? = page.json["items"] else { throw Fault(page.bodyText) }
      for case .object(let event) in items {
        guard case .string(let subject)? = event["subject"], case .string(let type)? = event["type"] else { continue }
        types[subject, default: []].append(type)
        #expect(event["sequence"] == .integer(Int64(types[subject]!.count)))
      }
      guard let next = page.text("next_cursor") else { break }
      after = "&cursor=\(next)"
    }
    for row in rows {
      let told = types[row.text("id") ?? ""] ?? []
      #expect(told.first == "instance.created" && told.last == "instance.destroyed", "\(told)")
      for type in ["instance.running", "instance.running_to_exited", "instance.exited"] {
        #expect(told.filter { $0 == type }.count == 1, "\(type) of \(told)")
      }
    }
  }
}

extension Rig {
  /// Vast's number of the machine that a job runs on.
  fileprivate func machine(of id: String) async throws -> Int64 {
    guard let instance = try await job(id).text("instance_id"),
      case .integer(let number)? = try await get("/v1/instances/\(instance)").value("provider_id")
    else { throw Fault("\(id) has no machine") }
    return number
  }

  /// The items of a list, once there are enough.
  fileprivate func items(
    _ path: String, atLeast count: Int, within patience: Duration = .seconds(60)
  ) async throws -> [JSONValue] {
    let end = ContinuousClock.now + patience
    while true {
      let answer = try await get(path)
      if case .array(let items)? = answer.json["items"], items.count >= count { return items }
      guard ContinuousClock.now < end else { throw Fault("\(path): \(answer.bodyText.prefix(2000))") }
      try await ContinuousClock().pause(for: .milliseconds(100))
    }
  }

  fileprivate func count(_ path: String, reaches count: Int) async throws {
    _ = try await items(path, atLeast: count, within: .seconds(240))
  }
}

extension JSONValue {
  fileprivate func member(_ name: String) -> JSONValue? {
    if case .object(let object) = self { object[name] } else { nil }
  }

  fileprivate func text(_ name: String) -> String? {
    if case .string(let text)? = member(name) { text } else { nil }
  }
}

extension JSONWriter {
  fileprivate static func text(_ body: (inout JSONWriter) -> Void) -> String {
    var writer = JSONWriter()
    writer.object(body)
    return String(decoding: writer.bytes, as: UTF8.self)
  }
}
