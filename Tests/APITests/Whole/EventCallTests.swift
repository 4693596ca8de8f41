import API
import Domain
import HTTPServer
import JSON
import Locking
import Store
import TestSupport
import Testing

@Suite struct EventCallTests {
  @Test func `events are listed oldest first, page by page, and a reader goes on from the last that it has`()
    async throws
  {
    let world = try APIWorld()
    var ids: [ID<FleetEvent>] = []
    for number in 0..<7 { ids.append(try await world.record("job.running", about: "s\(number % 2)")) }
    let first = try await page(world, "limit=3")
    #expect(first.ids == ids[0..<3].map(\.rawValue) && first.next == ids[2].rawValue)
    let second = try await page(world, "limit=3&cursor=\(ids[2])")
    #expect(second.ids == ids[3..<6].map(\.rawValue))
    let last = try await page(world, "limit=3&after=\(ids[5])")
    #expect(last.ids == [ids[6].rawValue] && last.next == nil)
    #expect(try await page(world, "after=\(ids[6])").ids.isEmpty)
    await world.close()
  }

  @Test func `filters leave the order and the cursor alone`() async throws {
    let world = try APIWorld()
    let job = ID<Job>(at: Timestamp(seconds: 1))
    let one = try await world.record("job.queued", about: job.rawValue, jobID: job)
    _ = try await world.record("job.queued", about: "other")
    let two = try await world.record("instance.running", about: "ins", jobID: job)
    #expect(try await page(world, "job_id=\(job)").ids == [one.rawValue, two.rawValue])
    #expect(try await page(world, "job_id=\(job)&type=instance.running").ids == [two.rawValue])
    #expect(try await page(world, "job_id=\(job)&after=\(one)").ids == [two.rawValue])
    await world.close()
  }

  @Test(arguments: [
    ("type=Job", 400), ("type=job.*", 400), ("after=x", 400), ("job_id=ins_1", 400), ("what=1", 400), ("limit=0", 400),
    ("after=evt_00000000000000000000000000", 410),
    ("after=evt_00000000000000000000000000&cursor=evt_00000000000000000000000000", 400),
  ])
  func `a wrong question is refused, and an event that is gone is said to be gone`(query: String, status: Int)
    async throws
  {
    let world = try APIWorld()
    #expect(try await world.call("GET", "/v1/events?\(query)").status == status)
    await world.close()
  }

  @Test func `a stream begins with the next event, and has what was asked for`() async throws {
    let world = try APIWorld()
    _ = try await world.record("job.queued", about: "before")
    let all = try await Listener(world)
    let some = try await Listener(world, "?type=job.failed")
    let (one, two) = (
      try await world.record("job.running", about: "a"), try await world.record("job.failed", about: "a")
    )
    try await all.wait(for: 2)
    try await some.wait(for: 1)
    #expect(all.ids == [one.rawValue, two.rawValue])
    #expect(some.ids == [two.rawValue])
    #expect(all.text.hasPrefix("retry: 2000\n\n"))
    let listed = try await world.call("GET", "/v1/events?after=\(one)").json
    guard case .array(let items) = listed["items"], let item = items.first else { throw Unexpected(what: "no item") }
    #expect(try JSONValue.parse(Array(all.data.last!.utf8)) == item, "the stream and the list show the same")
    await world.close()
  }

  @Test func `a listener that comes again misses nothing and gets nothing twice, while events go on`() async throws {
    let world = try APIWorld()
    let first = try await world.record("job.queued", about: "s")
    let writing = Task {
      for number in 0..<600 { _ = try await world.record("job.running", about: "s\(number % 7)") }
    }
    var got: [String] = []
    var last = first.rawValue
    while got.count < 600 {
      let listener = try await Listener(world, "", lastEventID: last)
      try await listener.wait(for: min(37, 600 - got.count))
      got += listener.ids
      last = got.last!
      listener.leave()
    }
    try await writing.value
    let kept = try world.store.read { (r) throws(StoreError) in try r.events(after: 1, limit: 1000) }
    #expect(got == kept.map(\.event.id.rawValue))
    await world.close()
  }

  @Test func `listeners who are there all along and those who come late see one order`() async throws {
    let world = try APIWorld()
    let first = try await world.record("job.queued", about: "s")
    let early = try await Listener(world)
    for number in 0..<50 { _ = try await world.record("job.running", about: "s\(number)") }
    var late: [Listener] = []
    for _ in 0..<5 { late.append(try await Listener(world, "?after=\(first)")) }
    for number in 0..<50 { _ = try await world.record("job.running", about: "t\(number)") }
    try await early.wait(for: 100)
    for listener in late {
      try await listener.wait(for: 100)
      #expect(listener.ids == early.ids)
    }
    await world.close()
  }

  @Test func `an idle stream gets a heartbeat every fifteen seconds`() async throws {
    let clock = ManualClock()
    let world = try APIWorld(configure: { $0.clock = clock })
    let listener = try await Listener(world)
    for _ in 0..<2 {
      await clock.sleepers(1)
      clock.advance(by: .seconds(15))
    }
    try await listener.wait { $0.components(of: ": heartbeat\n\n") == 2 }
    await world.close()
  }

  @Test func `a listener whom nothing concerns gets its heartbeat on a busy service as well`() async throws {
    let clock = ManualClock()
    let world = try APIWorld(configure: { $0.clock = clock })
    let all = try await Listener(world)
    let some = try await Listener(world, "?type=job.failed")
    for number in 1...6 {
      await clock.sleepers(1)
      clock.advance(by: .seconds(5))
      _ = try await world.record("job.running", about: "a")
      try await all.wait(for: number)
    }
    try await some.wait { $0.components(of: ": heartbeat\n\n") == 2 }
    #expect(all.text.components(of: ": heartbeat\n\n") == 0)
    await world.close()
  }

  @Test func `listeners who come and go while much happens miss nothing`() async throws {
    let world = try APIWorld()
    let writing = Task {
      for number in 0..<1500 { _ = try await world.record("job.running", about: "s\(number % 7)") }
    }
    // Each begins with the next event, whichever that is, and must have all that follow.
    var listeners: [Listener] = []
    for _ in 0..<20 { listeners.append(try await Listener(world)) }
    try await writing.value
    let last = try await world.record("job.failed", about: "end")
    let kept = try world.store.read { (r) throws(StoreError) in try r.events(after: 0, limit: 2000) }
      .map(\.event.id.rawValue)
    for listener in listeners {
      try await listener.wait { $0.contains(last.rawValue) && $0.hasSuffix("\n\n") }
      let ids = listener.ids
      #expect(ids == Array(kept.suffix(ids.count)))
    }
    await world.close()
  }

  @Test func `an event that is not kept any more is answered by a reset and by all that are`() async throws {
    let world = try APIWorld()
    let kept = try await world.record("job.queued", about: "s")
    let listener = try await Listener(world, "", lastEventID: "evt_00000000000000000000000000")
    try await listener.wait(for: 1)
    #expect(listener.text.contains("event: reset\n"))
    #expect(listener.ids == [kept.rawValue])
    await world.close()
  }

  @Test func `a listener that takes nothing is cut off and holds nobody up`() async throws {
    let world = try APIWorld()
    let slow = try RawClient(port: world.server.port)
    slow.shrinkReceiveBuffer(65536)
    await slow.send(world.request("GET", "/v1/events/stream"))
    #expect(try await slow.responseHead().status == 200)
    let quick = try await Listener(world)
    let big = String(repeating: "x", count: 60_000)
    var last = ""
    for number in 1...120 {
      let event = FleetEvent(
        type: "job.running", subject: "s\(number)", at: Timestamp(seconds: 1), data: ["detail": .text(big)])
      try await world.store.write { (tx) throws(StoreError) in try tx.append(event) }
      last = event.id.rawValue
      try await quick.wait(forBytes: number * 60_000)
    }
    #expect(quick.ids.last == last)
    let rest = try await slow.readToEnd()
    #expect(rest.count < 120 * 60_000)
    #expect(!String(decoding: rest.suffix(7), as: UTF8.self).contains("0\r\n\r\n"), "cut, not ended")
    await world.close()
  }

  private func page(_ world: APIWorld, _ query: String) async throws -> (ids: [String], next: String?) {
    let answer = try await world.call("GET", "/v1/events?\(query)")
    guard answer.status == 200, case .array(let items) = try answer.json["items"] else {
      throw Unexpected(what: answer.text)
    }
    let ids = items.compactMap { if case .string(let id) = $0["id"] { id } else { nil } }
    return (ids, try answer.json["next_cursor"].flatMap { if case .string(let next) = $0 { next } else { nil } })
  }
}

/// A client of the stream that reads on a task of its own.
private final class Listener: Sendable {
  private let client: RawClient
  private let bytes = Locked<[UInt8]>([])

  init(_ world: APIWorld, _ query: String = "", lastEventID: String? = nil) async throws {
    client = try RawClient(port: world.server.port)
    let headers = lastEventID.map { [("Last-Event-ID", $0)] } ?? []
    await client.send(world.request("GET", "/v1/events/stream" + query, headers: headers))
    let head = try await client.responseHead()
    guard head.status == 200 else { throw Unexpected(what: "\(head.status)") }
    Task { [client, bytes] in
      while let some = try? await client.some(), !some.isEmpty { bytes.withLock { $0 += some } }
    }
    try await wait { $0.contains("retry: 2000") }
  }

  func leave() { client.leave() }

  /// The body without the lengths of its chunks, which stand on lines of their own.
  var text: String {
    let raw = String(decoding: bytes.withLock { $0 }, as: UTF8.self)
    return raw.split(separator: "\r\n", omittingEmptySubsequences: false).enumerated()
      .filter { !$0.offset.isMultiple(of: 2) }.map(\.element).joined()
  }

  private func values(of field: String) -> [String] {
    text.split(separator: "\n").filter { $0.hasPrefix(field) }.map { String($0.dropFirst(field.count)) }
  }

  var ids: [String] { Array(values(of: "id: ").prefix(data.count)) }
  var data: [String] { values(of: "data: {\"specversion\"").map { "{\"specversion\"" + $0 } }

  func wait(for count: Int) async throws { try await wait { _ in self.data.count >= count } }

  func wait(forBytes count: Int) async throws {
    await eventually(within: .seconds(20)) { self.bytes.withLock { $0.count } >= count }
    guard bytes.withLock({ $0.count }) >= count else { throw Unexpected(what: "not in time") }
  }

  func wait(until condition: @Sendable (String) -> Bool) async throws {
    await eventually(within: .seconds(20)) { condition(self.text) }
    guard condition(text) else { throw Unexpected(what: "not in time: \(text.suffix(200))") }
  }
}

extension String {
  fileprivate func components(of part: String) -> Int {
    split(separator: part, omittingEmptySubsequences: false).count - 1
  }
}
