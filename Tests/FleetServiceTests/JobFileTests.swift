import Artifacts
import Domain
import FleetService
import Locking
import Store
import TestSupport
import Testing

@Suite struct `A job's log` {
  private let seen = Locked<[UInt8]>([])

  private var text: String { seen.withLock { String(decoding: $0, as: UTF8.self) } }

  private func follow(_ world: FleetWorld, _ id: ID<Job>, from offset: Int64 = 0) -> Task<Void, any Error> {
    Task { [seen] in
      try await world.fleet.followLog(of: id, from: offset) { piece in
        seen.withLock { $0 += piece }
        return true
      }
    }
  }

  @Test func `is handed over from a byte on, as it grows, until it is complete`() async throws {
    let world = try FleetWorld()
    let id = try await world.job()
    try await world.bring(id, to: .running)
    try world.appendLog(id, "one two ")
    let task = follow(world, id, from: 4)
    await eventually { text == "two " }
    try world.appendLog(id, "three ")
    await eventually { text == "two three " }
    try world.appendLog(id, "four")
    try await world.move(id, [.ended])
    try await task.value
    #expect(text == "two three four")
  }

  @Test func `of a job that has not begun is waited for`() async throws {
    let world = try FleetWorld()
    let id = try await world.job()
    let task = follow(world, id)
    try await world.bring(id, to: .running)
    try world.appendLog(id, "first")
    await eventually { !text.isEmpty }
    try await world.move(id, [.ended])
    try await task.value
    #expect(text == "first")
  }

  @Test func `larger than one piece comes whole and in order`() async throws {
    let world = try FleetWorld()
    let id = try await world.job()
    try await world.bring(id, to: .collecting)
    let lines = (0..<40_000).map { "\($0)\n" }.joined()
    try world.appendLog(id, lines)
    try await follow(world, id).value
    #expect(text == lines)
  }

  @Test func `ends where its reader stops`() async throws {
    let world = try FleetWorld()
    let id = try await world.job()
    try await world.bring(id, to: .running)
    try world.appendLog(id, String(repeating: "x", count: 200_000))
    let pieces = Locked(0)
    try await world.fleet.followLog(of: id, from: 0) { _ in
      pieces.withLock { $0 += 1 }
      return false
    }
    #expect(pieces.withLock { $0 } == 1)
  }

  @Test(.timeLimit(.minutes(1))) func `lets a reader go that is cancelled while it waits`() async throws {
    let world = try FleetWorld()
    let id = try await world.job()
    try await world.bring(id, to: .running)
    try world.appendLog(id, "x")
    let task = follow(world, id)
    await eventually { text == "x" }
    task.cancel()
    try await task.value
  }

  @Test func `beyond its end gives nothing and still ends`() async throws {
    let world = try FleetWorld()
    let id = try await world.job()
    try world.appendLog(id, "short")
    try await world.bring(id, to: .failed)
    try await follow(world, id, from: 1_000).value
    #expect(text.isEmpty)
  }

  @Test func `says how long it is and whether more may come`() async throws {
    let world = try FleetWorld()
    let id = try await world.job()
    #expect(try world.fleet.log(of: id).size == 0)
    try await world.bring(id, to: .running)
    try world.appendLog(id, "12345")
    let running = try world.fleet.log(of: id)
    #expect(running.size == 5)
    #expect(!running.isComplete)
    try await world.move(id, [.ended])
    #expect(try world.fleet.log(of: id).isComplete)
  }

  @Test func `of nobody is not found`() async throws {
    let world = try FleetWorld()
    let nobody = ID<Job>(at: world.now)
    let error = try await fault { try await world.fleet.followLog(of: nobody, from: 0) { _ in true } }
    #expect(error == .notFound(what: "job"))
  }
}

@Suite struct `Results and report` {
  @Test(arguments: [
    (JobState.queued, "not_collected_yet"), (.running, "not_collected_yet"), (.collecting, "not_collected_yet"),
    (.failed, "no_results"), (.cancelled, "no_results"),
  ])
  func `results that are not there say why`(state: JobState, code: String) async throws {
    let world = try FleetWorld()
    let id = try await world.job()
    try await world.bring(id, to: state)
    #expect(try await fault { try world.fleet.results(of: id) }?.conflictCode == code)
  }

  @Test func `collected results are offered while the job still cleans up`() async throws {
    let world = try FleetWorld()
    let id = try await world.job()
    try await world.move(id, [.placed, .ready, .launched, .ended, .collected]) { job in
      job.outcome = .succeeded
      job.results = Job.Results(sizeBytes: 7, sha256: "ab", missing: [])
    }
    let results = try world.fleet.results(of: id)
    #expect(results.path == world.data.resultsPath(id))
    #expect(results.sizeBytes == 7)
  }

  @Test func `a report before anything happened is empty and honest`() async throws {
    let world = try FleetWorld()
    let report = try world.fleet.report(on: try await world.job())
    #expect(report.instances.isEmpty)
    #expect(report.usage == Usage())
    #expect(report.runtime == nil)
    #expect(report.verifiedAt == nil)
    #expect(report.gpuName == nil)
  }

  @Test func `a report adds up the ledger of every attempt, and up to now while one bills`() async throws {
    let world = try FleetWorld()
    let job = try await world.job()
    let first = try await world.instance(for: job, [.orderSent, .created, .destroyAsked, .goneProven])
    let second = try await world.instance(for: job, [.orderSent, .created, .booted]) { $0.gpuName = "RTX 4090" }
    let begin = world.now
    let rate = Money(microdollars: 360_000)
    let lines: [(Instance, BillingEvent.Kind, Duration, Money)] = [
      (first, .start, .zero, rate), (first, .stop, .seconds(1800), .zero), (second, .start, .seconds(1800), rate),
    ]
    try await world.store.write { (tx) throws(StoreError) in
      for (row, kind, at, gpu) in lines {
        try tx.append(
          BillingEvent(
            instanceID: row.id, jobID: job, kind: kind, at: begin + at, gpuPerHour: gpu, storagePerHour: .zero))
      }
    }
    world.advance(by: .seconds(3600))
    let report = try world.fleet.report(on: job)
    let error = abs(report.usage.cost.total.microdollars - 360_000)
    #expect(
      error < 100, "half an hour of each, but for the few milliseconds that the clock moved: \(report.usage.cost.total)"
    )
    #expect(!report.areInstancesDestroyed)
    #expect(report.gpuName == "RTX 4090")
    #expect(report.instances.map(\.id) == [first.id, second.id])
  }

  @Test func `a report adds up the idle time of every machine and what it cost`() async throws {
    let world = try FleetWorld()
    let job = try await world.job()
    for seconds in [90, 30] {
      let events: [InstanceEvent] =
        [.orderSent, .created] + (seconds == 90 ? [.destroyAsked, .goneProven] : [.booted])
      _ = try await world.instance(for: job, events) { row in
        row.idleTime = .seconds(seconds)
        row.idleCost = Money(microdollars: Int64(seconds) * 100)
      }
    }
    let report = try world.fleet.report(on: job)
    #expect(report.idleTime == .seconds(120) && report.idleCost == Money(microdollars: 12_000))
  }

  @Test func `runtime counts from the command's start to its end, and on while it runs`() async throws {
    let world = try FleetWorld()
    let id = try await world.job()
    let start = world.now
    try await world.move(id, [.placed, .ready, .launched]) { $0.startedAt = start }
    world.advance(by: .seconds(60))
    let soFar = try #require(try world.fleet.report(on: id).runtime)
    #expect(soFar >= .seconds(60) && soFar < .seconds(61))
    try await world.move(id, [.ended]) { $0.endedAt = start + .seconds(70) }
    world.advance(by: .seconds(600))
    #expect(try world.fleet.report(on: id).runtime == .seconds(70))
  }
}
