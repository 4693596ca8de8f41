import Domain
import FleetService
import Locking
import TestSupport
import Testing

@Suite struct `Instances by hand` {
  private func create(
    _ world: FleetWorld, count: Int = 1, _ edit: (inout InstanceRequest) -> Void = { _ in }
  ) async throws -> [Instance] {
    var request = InstanceRequest(diskGigabytes: 10)
    edit(&request)
    return try await world.fleet.createInstances(request, count: count, idempotency: nil).made
  }

  @Test func `the best offers are written down, one row each, and the loop is told`() async throws {
    let world = try FleetWorld()
    let made = try await create(world, count: 2)
    #expect(made.map(\.order.offerID) == [1, 2])
    #expect(made.allSatisfy { $0.state == .requested && $0.desired == .running })
    #expect(made.allSatisfy { $0.order.label.hasSuffix($0.tag.description) })
    #expect(Set(try world.liveInstances()) == Set(made))
    #expect(world.surroundings.withLock { $0.instanceWakings } == 1)
    #expect(world.market.count(.create) == 0, "a request never rents by itself")
  }

  @Test func `no offer is a conflict and leaves nothing`() async throws {
    let world = try FleetWorld(offers: [])
    #expect(try await fault { try await create(world) }?.conflictCode == "no_offers")
    #expect(try world.liveInstances().isEmpty)
    #expect(world.surroundings.withLock { $0.instanceWakings } == 0)
  }

  @Test func `more than there are is a conflict that says how many, and makes none`() async throws {
    let world = try FleetWorld()
    guard case .conflict(let code, let detail) = try await fault(of: { try await create(world, count: 4) }) else {
      Issue.record("four of three were made")
      return
    }
    #expect(code == "no_offers")
    #expect(detail.contains("3 of 4"))
    #expect(try world.liveInstances().isEmpty)
  }

  @Test func `a named offer is taken whatever its price, and never replaced by another`() async throws {
    let world = try FleetWorld()
    let made = try await create(world) { $0.offerID = 3 }
    #expect(made.map(\.order.offerID) == [3])
    #expect(made.first?.query == nil, "without a query no other offer is looked for")
    guard case .conflict(_, let detail) = try await fault(of: { try await create(world) { $0.offerID = 99 } }) else {
      Issue.record("an offer that is not there was taken")
      return
    }
    #expect(detail.contains("99"))
  }

  @Test func `a disk larger than the offers have finds none`() async throws {
    let world = try FleetWorld()
    #expect(try await fault { try await create(world) { $0.diskGigabytes = 9_000 } }?.conflictCode == "no_offers")
  }

  @Test func `Vast being down is the caller's to know, and leaves nothing`() async throws {
    let world = try FleetWorld()
    world.market.change { $0.failures[.search] = [.unauthorized(detail: "no")] }
    #expect(try await fault { try await create(world) } == .market(.unauthorized(detail: "no")))
    #expect(try world.liveInstances().isEmpty)
  }

  @Test func `the label is the caller's, else the account's, else a plain one`() async throws {
    let world = try FleetWorld()
    #expect(try await create(world) { $0.label = "mine" }.first?.label == "mine")
    #expect(world.market.count(.account) == 0)
    #expect(try await create(world).first?.label == "tester")
    world.market.change { $0.failures[.account] = [.unavailable(detail: "down")] }
    #expect(try await create(world).first?.label == "vast-user")
  }

  @Test func `a bid is the caller's, else the least that runs; on demand has none`() async throws {
    var offer = Offer.make(id: 1)
    offer.minimumBidPerHour = Money(microdollars: 150_000)
    let world = try FleetWorld(offers: [offer])
    let plain = try await create(world) { $0.bidPerHour = Money(microdollars: 1) }
    #expect(plain.first?.order.bidPerHour == nil)
    let least = try await create(world) { $0.isInterruptible = true }
    #expect(least.first?.order.bidPerHour == Money(microdollars: 150_000))
    let given = try await create(world) { request in
      request.isInterruptible = true
      request.bidPerHour = Money(microdollars: 222_000)
    }
    #expect(given.first?.order.bidPerHour == Money(microdollars: 222_000))
  }

  @Test func `an interruptible one without a known least bid bids what its GPUs cost, and is never on demand`()
    async throws
  {
    let world = try FleetWorld()
    let made = try await create(world) { $0.isInterruptible = true }
    #expect(made.first?.order.bidPerHour == Money(microdollars: 400_000))
  }
}

@Suite struct `Destroying an instance` {
  @Test func `is wanted, written down and told; a second time changes nothing`() async throws {
    let world = try FleetWorld()
    let row = try await world.instance(for: nil, [.orderSent, .created])
    let wanted = try await world.fleet.destroyInstance(row.id)
    #expect(wanted.desired == .destroyed)
    #expect(wanted.state == .loading, "the loop destroys")
    #expect(world.surroundings.withLock { $0.instanceWakings } == 1)
    #expect(try await world.fleet.destroyInstance(row.id).version == wanted.version)
    #expect(world.market.snapshot.calls.isEmpty)
  }

  @Test func `is refused while it serves a job, and allowed once that has ended`() async throws {
    let world = try FleetWorld()
    let job = try await world.job()
    let row = try await world.instance(for: job, [.orderSent, .created, .booted])
    try await world.move(job, [.placed, .ready, .launched]) { $0.instanceID = row.id }
    let error = try await fault { try await world.fleet.destroyInstance(row.id) }
    #expect(error?.conflictCode == "instance_serves_job")
    #expect(try world.fleet.instance(row.id).desired == .running)
    try await world.move(job, [.gaveUp, .finishedBadly]) { $0.outcome = .failed }
    #expect(try await world.fleet.destroyInstance(row.id).desired == .destroyed)
  }

  @Test(arguments: [[InstanceEvent.cancelled], [.orderSent, .refused]])
  func `of what is gone answers with what it is`(events: [InstanceEvent]) async throws {
    let world = try FleetWorld()
    let row = try await world.instance(for: nil, events)
    let answer = try await world.fleet.destroyInstance(row.id)
    #expect(answer.state.isFinal)
    #expect(answer.version == row.version)
  }

  @Test func `of what never was is not found`() async throws {
    let world = try FleetWorld()
    let nobody = ID<Instance>(at: world.now)
    #expect(try await fault { try await world.fleet.destroyInstance(nobody) } == .notFound(what: "instance"))
    #expect(try await fault { try world.fleet.sshAccess(to: nobody) } == .notFound(what: "instance"))
  }
}

@Suite struct `SSH access` {
  @Test func `is ready when the machine runs and has an address; the one that was seen goes first`() async throws {
    let world = try FleetWorld()
    let direct = SSHAddress(host: "192.0.2.7", port: 4022)
    let proxy = SSHAddress(host: "ssh5.example", port: 17_000)
    let row = try await world.instance(for: nil, [.orderSent, .created, .booted]) { instance in
      instance.directAddress = direct
      instance.proxyAddress = proxy
      instance.sshAddress = proxy
    }
    let access = try world.fleet.sshAccess(to: row.id)
    #expect(access.isReady)
    #expect(access.address == proxy)
    #expect(access.direct == direct)
  }

  @Test func `is not ready before the machine runs, nor without an address that can be one`() async throws {
    let world = try FleetWorld()
    let loading = try await world.instance(for: nil, [.orderSent, .created]) {
      $0.directAddress = SSHAddress(host: "192.0.2.7", port: 4022)
    }
    let bare = try await world.instance(for: nil, [.orderSent, .created, .booted])
    let odd = try await world.instance(for: nil, [.orderSent, .created, .booted]) {
      $0.directAddress = SSHAddress(host: "-oProxyCommand=sh", port: 22)
    }
    for row in [loading, bare, odd] { #expect(try world.fleet.sshAccess(to: row.id).isReady == false) }
    #expect(try world.fleet.sshAccess(to: odd.id).address == nil)
  }
}
