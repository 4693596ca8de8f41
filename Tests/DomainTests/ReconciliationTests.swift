import Domain
import Testing

private let day = Timestamp(seconds: 1_795_132_800)
private let hour = Duration.seconds(3600)
private let instance: Instance = {
  let id = ID<Instance>(at: day)
  let tag = InstanceTag(owner: Owner("tests")!, instanceID: id)
  let order = RentalOrder(offerID: 7, label: tag.label("train"), image: "python:3.11", diskGigabytes: 64)
  var instance = Instance(id: id, order: order, label: "train", tag: tag, gpuCount: 1, createdAt: day)
  instance.restore(state: .running)
  return instance
}()

private func charged(
  gpu: Int64 = 0, disk: Int64 = 0, download: Int64 = 0, upload: Int64 = 0, other: Int64 = 0, amount: Int64? = nil,
  day: Timestamp = day, seenAt: Timestamp = day + 25 * hour
) -> ChargedDay {
  var charged = ChargedDay(instanceID: instance.id, day: day)
  var charge = MarketCharge(
    instanceID: MarketID(1), dayStart: day,
    amount: Money(microdollars: amount ?? gpu + disk + download + upload + other))
  charge.gpu = Money(microdollars: gpu)
  charge.disk = Money(microdollars: disk)
  charge.download = Money(microdollars: download)
  charge.upload = Money(microdollars: upload)
  charge.other = Money(microdollars: other)
  charged.add(charge, seenAt: seenAt)
  return charged
}

private func rate(
  _ kind: BillingEvent.Kind, _ at: Timestamp, gpu: Int64, storage: Int64 = 0, unseenSince: Timestamp? = nil
) -> BillingEvent {
  BillingEvent(
    instanceID: instance.id, jobID: nil, kind: kind, at: at, gpuPerHour: Money(microdollars: gpu),
    storagePerHour: Money(microdollars: storage), unseenSince: unseenSince)
}

@Suite struct `The ledger against a charge` {
  struct Case: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var ledger: Int64
    var charged: ChargedDay
    var rest: Int64
    var isWithin: Bool
  }

  @Test(
    arguments: [
      Case(testDescription: "equal", ledger: 500_000, charged: charged(gpu: 500_000), rest: 0, isWithin: true),
      Case(testDescription: "rounding", ledger: 500_400, charged: charged(gpu: 500_000), rest: 0, isWithin: true),
      Case(
        testDescription: "rounding of each part", ledger: 501_300, charged: charged(gpu: 480_000, disk: 20_000),
        rest: 300, isWithin: true),
      Case(
        testDescription: "a cent is no discrepancy", ledger: 30_500, charged: charged(gpu: 20_000), rest: 10_000,
        isWithin: true),
      Case(
        testDescription: "more than a cent and than a hundredth", ledger: 30_501, charged: charged(gpu: 20_000),
        rest: 10_001, isWithin: false),
      Case(
        testDescription: "a hundredth is no discrepancy", ledger: 10_100_500, charged: charged(gpu: 10_000_000),
        rest: 100_000, isWithin: true),
      Case(
        testDescription: "more than a hundredth", ledger: 10_100_501, charged: charged(gpu: 10_000_000),
        rest: 100_001, isWithin: false),
      Case(
        testDescription: "less than was charged", ledger: 0, charged: charged(gpu: 20_000), rest: -19_500,
        isWithin: false),
      Case(
        testDescription: "nothing was charged", ledger: 10_001, charged: ChargedDay(instanceID: instance.id, day: day),
        rest: 10_001, isWithin: false),
      Case(
        testDescription: "a fee explains itself", ledger: 500_000, charged: charged(gpu: 500_000, other: 200_000),
        rest: 0, isWithin: true),
      Case(
        testDescription: "so do credits", ledger: 500_000, charged: charged(gpu: 500_000, other: -480_000), rest: 0,
        isWithin: true),
      Case(
        testDescription: "parts need not add up to the whole", ledger: 500_000,
        charged: charged(gpu: 480_000, disk: 20_000, amount: 501_000), rest: 0, isWithin: true),
    ])
  func `leaves what neither rounding nor fees account for`(_ example: Case) {
    var ledger = Cost.zero
    ledger.gpu = Money(microdollars: example.ledger)
    let comparison = ChargeComparison(ledger: ledger, charged: example.charged)
    #expect(comparison.rest == Money(microdollars: example.rest))
    #expect(comparison.isWithinTolerance == example.isWithin)
    #expect(comparison.explained + comparison.rest == comparison.difference)
    #expect(comparison.difference.microdollars == example.ledger - example.charged.amount.microdollars)
  }
}

@Suite struct `What nobody saw of a day` {
  @Test func `is nothing where every change was seen`() {
    #expect(UnseenShare(of: day, in: [rate(.start, day, gpu: 100), rate(.stop, day + hour, gpu: 0)]) == nil)
  }

  @Test func `lies between the rate before and the one after, for the span and the day`() throws {
    let lines = [
      rate(.start, day + hour, gpu: 100, storage: 10),
      rate(.stop, day + 30 * hour, gpu: 0, unseenSince: day + 20 * hour),
    ]
    let first = try #require(UnseenShare(of: day, in: lines))
    #expect(first.gpu == -400...0 && first.storage == -40...0)
    let second = try #require(UnseenShare(of: day.nextMidnight, in: lines))
    #expect(second.gpu == -600...0 && second.storage == -60...0)
    #expect(UnseenShare(of: day - 24 * hour, in: lines) == nil)
  }

  @Test func `may be more than was counted, and does not reach behind the beginning`() throws {
    let share = try #require(
      UnseenShare(
        of: day,
        in: [
          rate(.rateChanged, day + 5 * hour, gpu: 70, storage: 10, unseenSince: day),
          rate(.start, day + 2 * hour, gpu: 0, storage: 10),
        ]))
    #expect(share.gpu == 0...210 && share.storage == 0...0)
  }

  @Test func `of a machine that was lost and then proved gone is GPU and disk, each counted once`() throws {
    let seenAt = day + 2 * hour
    let share = try #require(
      UnseenShare(
        of: day,
        in: [
          rate(.start, day + hour, gpu: 100, storage: 10),
          rate(.rateChanged, day + 6 * hour, gpu: 0, storage: 10, unseenSince: seenAt),
          rate(.stop, day + 7 * hour, gpu: 0, unseenSince: seenAt),
        ]))
    #expect(share.gpu == -400...0 && share.storage == -50...0)
  }
}

@Suite struct `A day between ledger and charges` {
  private let known = [rate(.start, day + hour, gpu: 100_000, storage: 10_000)]

  private func plan(
    _ charged: ChargedDay, _ known: [BillingEvent], at now: Timestamp, _ instance: Instance = instance
  ) -> DayReconciliation {
    DayReconciliation(of: instance, charged: charged, known: known, now: now)
  }

  private var seenLater: Instance {
    var instance = instance
    instance.lastSeenAt = day + 30 * hour
    return instance
  }

  @Test func `gets the traffic that the ledger lacks, by direction, dated within the day, and once`() {
    let now = day + 5 * hour
    let first = plan(charged(download: 500_000, upload: 20_000), known, at: now)
    #expect(first.lines.map(\.amount.transfer) == [Money(microdollars: 500_000), Money(microdollars: 20_000)])
    #expect(first.lines.allSatisfy { $0.kind == .transfer && $0.at == now })
    #expect(first.ledger.transfer == Money(microdollars: 520_000))
    #expect(plan(charged(download: 500_000, upload: 20_000), known + first.lines, at: now).lines == [])
    let late = plan(charged(download: 700_000, upload: 20_000), known + first.lines, at: day + 26 * hour)
    #expect(late.lines.map(\.amount.transfer) == [Money(microdollars: 200_000)])
    #expect(late.lines.map(\.at) == [day.nextMidnight - .microseconds(1)])
    #expect(Set((first.lines + late.lines).map(\.key)).count == 3)
    let less = plan(charged(download: 100_000), known + first.lines + late.lines, at: day + 27 * hour)
    #expect(less.lines == [], "what was charged and taken back is shown, not hidden")
  }

  @Test func `is settled an hour after its end, when the machine was looked at since`() {
    let end = day.nextMidnight
    func isSettled(
      _ state: InstanceState, destroyed: Timestamp? = nil, seen: Timestamp? = nil, at now: Timestamp
    ) -> Bool {
      DayReconciliation.isSettled(day, state: state, destroyedAt: destroyed, lastSeenAt: seen, now: now)
    }
    #expect(!isSettled(.running, seen: end + hour, at: end + hour))
    #expect(isSettled(.running, seen: end + hour, at: end + hour + .seconds(1)))
    #expect(!isSettled(.running, seen: end - hour, at: end + 9 * hour), "nobody knows yet what became of it")
    #expect(!isSettled(.running, at: end + 9 * hour))
    #expect(isSettled(.destroyed, destroyed: day + hour, at: day + 2 * hour + .seconds(1)), "nothing follows")
    #expect(!isSettled(.destroyed, destroyed: day + hour, at: day + 2 * hour))
    #expect(isSettled(.failed, at: end + 2 * hour))
  }

  @Test func `follows the charges for what nobody saw, as far as that can account for it`() {
    let known = known + [rate(.stop, day + 20 * hour, gpu: 0, unseenSince: day + 15 * hour)]
    let now = day + 26 * hour
    // Gone after an hour unseen: 15 of the 19 hours.
    let plan1 = plan(charged(gpu: 1_500_000, disk: 150_000), known, at: now, seenLater)
    #expect(plan1.lines.map(\.kind) == [.adjusted])
    #expect(plan1.lines[0].amount.gpu == Money(microdollars: -400_000))
    #expect(plan1.lines[0].amount.storage == Money(microdollars: -40_000))
    #expect(plan1.comparison.difference == .zero && plan1.comparison.isWithinTolerance)
    // Again, less, and back to the first figure: each line is a fact of its own.
    var lines = known + plan1.lines
    #expect(plan(charged(gpu: 1_500_000, disk: 150_000), lines, at: now, seenLater).lines == [])
    for (gpu, change) in [(1_450_000, -50_000), (1_500_000, 50_000)] as [(Int64, Int64)] {
      let more = plan(charged(gpu: gpu, disk: 150_000), lines, at: now, seenLater).lines
      #expect(more.map(\.amount.gpu) == [Money(microdollars: change)])
      lines += more
    }
    #expect(Set(lines.map(\.key)).count == lines.count)
    // Nothing charged at all: five hours are all that was unseen.
    let bounded = plan(charged(), known, at: now, seenLater)
    #expect(bounded.lines.map(\.amount.gpu) == [Money(microdollars: -500_000)])
    #expect(bounded.ledger.gpu == Money(microdollars: 1_400_000))
    #expect(!bounded.comparison.isWithinTolerance)
  }

  @Test func `is told and not adjusted by figures that are a part of it, nor by none`() {
    let known = known + [rate(.stop, day + 20 * hour, gpu: 0, unseenSince: day + 17 * hour)]
    let never = ChargedDay(instanceID: instance.id, day: day)
    // Listed at 22:00 or just before charges no longer lag, and in no list since.
    let early = [22 * hour, 25 * hour - .microseconds(1)].map {
      charged(gpu: 1_500_000, disk: 150_000, seenAt: day + $0)
    }
    for part in [never] + early {
      let plan = plan(part, known, at: day + 30 * hour, seenLater)
      #expect(plan.lines == [] && plan.isSettled && plan.isDue(part), "\(part)")
    }
    let whole = charged(gpu: 1_700_000, disk: 170_000, seenAt: day + 25 * hour)
    #expect(plan(whole, known, at: day + 30 * hour, seenLater).lines.map(\.kind) == [.adjusted])
  }

  @Test func `of a machine that is gone is whole once charges no longer lag behind its end`() {
    let known = known + [rate(.stop, day + 5 * hour, gpu: 0, unseenSince: day + 2 * hour)]
    var gone = instance
    gone.restore(state: .destroyed)
    gone.destroyedAt = day + 5 * hour
    for (seenAt, kinds) in [(6 * hour - .microseconds(1), []), (6 * hour, [.adjusted])]
      as [(Duration, [BillingEvent.Kind])]
    {
      let charge = charged(gpu: 200_000, disk: 20_000, seenAt: day + seenAt)
      #expect(plan(charge, known, at: day + 7 * hour, gone).lines.map(\.kind) == kinds)
    }
  }

  @Test func `is never adjusted before it is settled, nor where every change was seen`() {
    let gap = known + [rate(.stop, day + 20 * hour, gpu: 0, unseenSince: day + 15 * hour)]
    #expect(plan(charged(gpu: 1_000), gap, at: day + 24 * hour, seenLater).lines == [])
    let seen = known + [rate(.stop, day + 20 * hour, gpu: 0)]
    let plan = plan(charged(gpu: 1_000), seen, at: day + 26 * hour, seenLater)
    #expect(plan.lines == [] && plan.isDue(charged(gpu: 1_000)))
    var told = charged(gpu: 1_000)
    told.toldAt = day
    #expect(!plan.isDue(told))
  }
}

@Suite struct `Days to be asked for` {
  private func days(settledBefore: Int? = nil, first: Int, now: Int) -> [Int64] {
    var progress = ChargeProgress()
    progress.settledBefore = settledBefore.map { day + 24 * $0 * hour }
    return progress.dueDays(since: day + 24 * first * hour + hour, now: day + 24 * now * hour + 8 * hour)
      .map { ($0 - day).microseconds / 86_400_000_000 }
  }

  @Test func `are yesterday and today, then all since the last settled one`() {
    #expect(days(first: 0, now: 0) == [0])
    #expect(days(first: 0, now: 1) == [0, 1])
    #expect(days(first: 0, now: 3) == [2, 3, 0, 1])
    #expect(days(settledBefore: 3, first: 0, now: 3) == [2, 3])
    #expect(days(settledBefore: 1, first: 0, now: 3) == [2, 3, 1])
    #expect(days(first: 2, now: 1) == [], "a clock that went back")
  }

  @Test func `are a month's at the most, so that a long downtime takes several runs`() {
    #expect(days(first: 0, now: 40) == [39, 40] + Array(0...30))
    #expect(days(settledBefore: 31, first: 0, now: 40) == [39, 40] + Array(31...38))
  }
}

extension Duration {
  fileprivate static func * (count: Int, span: Duration) -> Duration { span * count }
}
