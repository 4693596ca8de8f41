import Domain
import Testing

@Suite struct MarketChargeTests {
  private let day = Timestamp(seconds: 1_795_132_800)
  private let second = Duration.seconds(1)

  @Test func `a span touches the days that it begins in, ends in and has between`() throws {
    let next = day.nextMidnight
    #expect(try MarketCharge.days(from: day, to: next) == [day])
    #expect(try MarketCharge.days(from: day + second, to: day + second + second) == [day])
    #expect(try MarketCharge.days(from: next - second, to: next + second) == [day, next])
    #expect(try MarketCharge.days(from: day, to: day) == [])
    #expect(try MarketCharge.days(from: day + second, to: day + second) == [day])
  }

  @Test func `a month is the most, and time does not run backwards`() throws {
    let month = Duration.seconds(86_400 * MarketCharge.mostDays)
    #expect(try MarketCharge.days(from: day, to: day + month).count == MarketCharge.mostDays)
    #expect(throws: MarketplaceError.self) { try MarketCharge.days(from: day, to: day + month + second) }
    #expect(throws: MarketplaceError.self) { try MarketCharge.days(from: day, to: day - second) }
  }

  @Test func `a day of a charge ends where the next begins, before 1970 too`() {
    let charge = MarketCharge(instanceID: MarketID(1), dayStart: day, amount: .zero)
    #expect(charge.dayEnd - charge.dayStart == .seconds(86_400))
    #expect((day + second).midnight == day)
    #expect(day.midnight == day)
    #expect(Timestamp(microseconds: -1).midnight == Timestamp(seconds: -86_400))
  }
}

@Suite struct PriceIncreaseTests {
  private func instance() -> MarketInstance {
    var instance = MarketInstance(id: MarketID(7))
    instance.runningPricePerHour = Money(microdollars: 700_000)
    instance.gpuCount = 2
    instance.diskGigabytes = 72
    return instance
  }

  private func increase() -> PriceIncrease { PriceIncrease(id: PriceIncreaseID(1), instanceID: MarketID(7)) }

  @Test func `an instance costs more by all of its GPUs and gigabytes`() {
    var increase = increase()
    increase.gpuPerHour = .init(from: Money(microdollars: 300_000), to: Money(microdollars: 340_000))
    increase.storagePerGigabyteMonth = .init(from: 0.1, to: 0.2)
    #expect(
      increase.pricePerHour(of: instance())
        == .init(from: Money(microdollars: 700_000), to: Money(microdollars: 790_000)))
  }

  @Test func `traffic is not part of the price by the hour`() {
    var increase = increase()
    increase.downloadPerGigabyte = .init(from: 0.1, to: 0.2)
    #expect(
      increase.pricePerHour(of: instance())
        == .init(from: Money(microdollars: 700_000), to: Money(microdollars: 700_000)))
  }

  @Test func `what is not told is not made up`() {
    var gpu = increase()
    gpu.gpuPerHour = .init(from: Money(microdollars: 300_000), to: Money(microdollars: 340_000))
    var storage = increase()
    storage.storagePerGigabyteMonth = .init(from: 0.1, to: 0.2)
    var instance = instance()
    instance.gpuCount = nil
    instance.diskGigabytes = nil
    #expect(gpu.pricePerHour(of: instance) == nil)
    #expect(storage.pricePerHour(of: instance) == nil)
    var fee = increase()
    fee.platformFee = .init(from: 0.1, to: 0.15)
    #expect(fee.pricePerHour(of: self.instance()) == nil)
    gpu.gpuPerHour?.old = nil
    #expect(gpu.pricePerHour(of: self.instance()) == nil)
    #expect(increase().pricePerHour(of: MarketInstance(id: MarketID(7))) == nil)
  }
}
