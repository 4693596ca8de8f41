import Domain
import Locking
import TestSupport
import Testing

@Suite struct `A bid that nobody named` {
  @Test(
    arguments: [
      (300_000, 400_000, 300_000), (0, 400_000, 400_000), (nil, 400_000, 400_000), (nil, 0, 1000), (5, 0, 1000),
    ]
      as [(Int64?, Int64, Int64)])
  func `is the least that runs, and never one that Vast refuses`(least: Int64?, gpus: Int64, bid: Int64) {
    var offer = Offer(id: 1, machineID: 1, hostID: 1, gpuName: "RTX 4090", pricePerHour: .zero)
    offer.minimumBidPerHour = least.map { Money(microdollars: $0) }
    offer.gpuPricePerHour = Money(microdollars: gpus)
    #expect(offer.standardBidPerHour == Money(microdollars: bid))
  }
}

@Suite struct `Values` {
  @Test func `a day ends at the next midnight in UTC, also before 1970`() {
    let day: Int64 = 86_400_000_000
    #expect(Timestamp(microseconds: 0).nextMidnight == Timestamp(microseconds: day))
    #expect(Timestamp(microseconds: day - 1).nextMidnight == Timestamp(microseconds: day))
    #expect(Timestamp(microseconds: day).nextMidnight == Timestamp(microseconds: 2 * day))
    #expect(Timestamp(microseconds: -1).nextMidnight == Timestamp(microseconds: 0))
  }

  @Test(arguments: [
    (0.0, "1970-01-01T00:00:00.000Z"), (951_782_399.9994, "2000-02-28T23:59:59.999Z"),
    (951_868_799.0, "2000-02-29T23:59:59.000Z"), (1_795_249_800.125, "2026-11-21T08:30:00.125Z"),
    (4_107_542_400.0, "2100-03-01T00:00:00.000Z"), (-1.0, "1969-12-31T23:59:59.000Z"),
  ])
  func `a moment is written as RFC 3339 in UTC with milliseconds`(seconds: Double, text: String) {
    #expect(Timestamp(seconds: seconds).rfc3339 == text)
  }

  @Test func `an hourly rate over many short spans adds up to the rate over the whole, within rounding`() throws {
    let rate = try #require(Money(dollars: 0.389))
    var sum = Money.zero
    for _ in 0..<3600 { sum += rate.perHour(for: .seconds(1)) }
    #expect(abs(sum.microdollars - rate.microdollars) <= 1800)
    #expect(rate.perHour(for: .seconds(3600)) == rate)
    #expect(rate.perHour(for: .seconds(-5)) == .zero)
    #expect(rate.perHour(for: .seconds(3600 * 24 * 365)) == Money(microdollars: 389_000 * 24 * 365))
  }

  @Test func `an id keeps its kind, and only what was made here is one`() throws {
    let job = ID<Job>(at: Timestamp(seconds: 1_800_000_000))
    #expect(ID<Job>(job.rawValue) == job)
    #expect(ID<Instance>(job.rawValue) == nil)
    for text in ["job_", "job_x", job.rawValue + "0", job.rawValue.uppercased(), "job_../../etc/passwd0000000000"] {
      #expect(ID<Job>(text) == nil, "\(text)")
    }
    let later = ID<Job>(at: Timestamp(seconds: 1_800_000_001))
    #expect(job < later)
  }

  @Test func `a tag survives a label of any length, and only a whole tag counts`() throws {
    let owner = try #require(Owner("team-a"))
    let tag = InstanceTag(owner: owner, instanceID: ID(at: Timestamp(seconds: 1)))
    for text in ["", "train", String(repeating: "é", count: 400), "a #vastd/b/c"] {
      let label = tag.label(text)
      #expect(label.count <= 256)
      #expect(InstanceTag(inLabel: label) == tag)
    }
    #expect(InstanceTag(inLabel: "train \(tag) (copy)") == nil)
    #expect(InstanceTag(inLabel: "vastd/team-a/\(tag.instanceID)") == nil)
  }

  @Test func `offers are ranked the same way every time, and what does not fit is out`() {
    let cheap = Offer.make(id: 1, dollars: 0.2, reliability: 0.8)
    var strong = Offer.make(id: 2, dollars: 0.4)
    strong.deepLearningScore = 100
    let dear = Offer.make(id: 3, dollars: 0.9, reliability: 0.999)
    let all = [dear, strong, cheap]
    var query = OfferQuery()
    #expect(OfferSelection.cheapest.rank(all, for: query).map(\.id) == [1, 2, 3])
    #expect(OfferSelection.secondCheapest.rank(all, for: query).map(\.id) == [2, 3, 1])
    #expect(OfferSelection.secondCheapest.rank([cheap], for: query).map(\.id) == [1])
    #expect(OfferSelection.bestValue.rank(all, for: query).first?.id == 2)
    #expect(OfferSelection.mostReliable.rank(all, for: query).first?.id == 3)
    query.minimumReliability = 0.9
    query.maximumPricePerHour = Money(dollars: 0.5)
    query.minimumGPURAMGigabytes = 24
    #expect(OfferSelection.cheapest.rank(all, for: query).map(\.id) == [2], "24564 MB pass for 24 GB")
    query.excludedMachines = [20]
    #expect(OfferSelection.cheapest.rank(all, for: query).isEmpty)
  }

  @Test func `the ledger bills the disk from creation to the end and the GPU while it runs`() {
    let start = Timestamp(seconds: 1_800_000_000)
    let id = ID<Instance>(at: start)
    func entry(_ kind: BillingEvent.Kind, _ hours: Double, gpu: Int64, disk: Int64) -> BillingEvent {
      BillingEvent(
        instanceID: id, jobID: nil, kind: kind, at: start + .seconds(hours * 3600),
        gpuPerHour: Money(microdollars: gpu),
        storagePerHour: Money(microdollars: disk))
    }
    let lines = [
      entry(.start, 0, gpu: 0, disk: 10_000), entry(.rateChanged, 1, gpu: 400_000, disk: 10_000),
      entry(.rateChanged, 3, gpu: 0, disk: 20_000), entry(.stop, 4, gpu: 0, disk: 0),
    ]
    #expect(lines.cost(until: start + .seconds(10 * 3600)).microdollars == 10_000 + 2 * 410_000 + 20_000)
    #expect(lines.cost(until: start + .seconds(1.5 * 3600)).microdollars == 10_000 + 205_000)
    #expect([BillingEvent]().cost(until: start) == .zero)
    // What comes at the same moment, or before, comes right after: none is taken for the last, and none goes back in time.
    for hours in [4.0, 3.5] {
      let late = entry(.rateChanged, hours, gpu: 1, disk: 1).following(lines[3])
      #expect(late.at == lines[3].at + .microseconds(1) && late.gpuPerHour == Money(microdollars: 1))
    }
    #expect(lines[3].following(lines[2]) == lines[3] && lines[0].following(nil) == lines[0])
  }

  @Test func `ids drawn from a bound chance are the same again, and others are not`() {
    let moment = Timestamp(seconds: 1_800_000_000)
    func three() -> [ID<Job>] {
      let counter = Locked<UInt64>(0)
      let chance = Chance {
        counter.withLock { count in
          count &+= 0x9E37_79B9_7F4A_7C15
          return count
        }
      }
      return Chance.$present.withValue(chance) { (0..<3).map { _ in ID<Job>(at: moment) } }
    }
    #expect(three() == three())
    #expect(Set(three()).count == 3)
    #expect(ID<Job>(at: moment) != ID<Job>(at: moment))
  }
}

@Suite struct `The time line of a new life` {
  private let boot: Int64 = 5_000_000
  private func line(_ id: String, _ offset: Int64) -> TimeLine { TimeLine(bootID: id, offset: offset) }

  @Test(
    arguments: [
      // kept, newest, expected offset
      (nil, nil, 1000), ("a 400", nil, 1000), ("a 4000", nil, 1000), ("a 400", 5_000_100, 400),
      ("a 4000", 5_000_100, 4000),
      ("b 400", 5_000_100, 1000), ("b 400", 5_009_000, 9000), (nil, 5_009_000, 9000),
    ] as [(String?, Int64?, Int64)])
  func `is the wall clock's unless something is under way, then the last life's, and never goes back`(
    kept: String?, newest: Int64?, offset: Int64
  ) {
    let begun = TimeLine.beginning(
      wall: line("a", 1000), after: kept.flatMap { TimeLine($0) }, newest: newest.map { Timestamp(microseconds: $0) },
      atBoot: boot)
    #expect(begun == line("a", offset))
  }

  @Test func `is kept as text, and nothing else is one`() {
    #expect(TimeLine(line("4c1d-x", -17).text) == line("4c1d-x", -17))
    for text in ["", "a", "a b", "a 1 2", "a 1.5"] { #expect(TimeLine(text) == nil) }
  }
}
