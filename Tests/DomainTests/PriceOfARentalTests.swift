import Domain
import Testing

@Suite struct `The price of a rental` {
  private func offer(dollars: Double = 0.4, leastBid: Double? = nil) -> Offer {
    var offer = Offer(
      id: 1, machineID: 1, hostID: 1, gpuName: "RTX 4090", pricePerHour: Money(dollars: dollars) ?? .zero)
    offer.minimumBidPerHour = leastBid.flatMap { Money(dollars: $0) }
    offer.storagePricePerGigabyteMonth = 0.72
    offer.diskGigabytes = 100
    offer.uploadPricePerGigabyte = 0.01
    offer.downloadPricePerGigabyte = 0.001
    return offer
  }

  private func query(bid: Double? = nil, interruptible: Bool = true, maximum: Double? = nil) -> OfferQuery {
    var query = OfferQuery()
    query.isInterruptible = interruptible
    query.bidPerHour = bid.flatMap { Money(dollars: $0) }
    query.minimumDiskGigabytes = 10
    query.maximumPricePerHour = maximum.flatMap { Money(dollars: $0) }
    return query
  }

  @Test func `on demand it is the offer's, which holds the disk`() {
    #expect(query(bid: 5, interruptible: false).price(of: offer()) == Money(microdollars: 400_000))
  }

  @Test func `interruptible it is the bid, else the least that runs, and the disk`() {
    #expect(query(bid: 0.2).price(of: offer()) == Money(microdollars: 210_000))
    #expect(query().price(of: offer(leastBid: 0.1)) == Money(microdollars: 110_000))
  }

  @Test func `a limit holds for what would be paid`() {
    #expect(query(bid: 0.3, maximum: 0.31).admits(offer(leastBid: 0.1)))
    #expect(!query(bid: 0.3, maximum: 0.309).admits(offer(leastBid: 0.1)))
  }

  @Test func `an estimate adds up hours and data, and has no total without an end`() throws {
    var transfer = Transfer()
    transfer.upGigabytes = 100
    transfer.downGigabytes = 1000
    let query = query(interruptible: false)
    let bounded = try #require(Estimate([offer()], query: query, transfer: transfer, duration: .seconds(5400)))
    #expect(bounded.storagePerHour == Money(microdollars: 10_000))
    #expect(bounded.transfer == Money(microdollars: 2_000_000))
    #expect(bounded.total == Money(microdollars: 2_600_000))
    let endless = try #require(Estimate([offer(), offer()], query: query, transfer: transfer, duration: nil))
    #expect(endless.pricePerHour == Money(microdollars: 800_000))
    #expect(endless.transfer == Money(microdollars: 4_000_000))
    #expect(endless.total == nil)
    #expect(Estimate([], query: query, transfer: transfer, duration: nil) == nil)
  }

  @Test func `a price for data beyond all reason is no price, and not nothing`() throws {
    var absurd = offer()
    absurd.uploadPricePerGigabyte = .infinity
    var transfer = Transfer()
    transfer.upGigabytes = 1
    let estimate = try #require(
      Estimate([absurd], query: query(interruptible: false), transfer: transfer, duration: .seconds(60)))
    #expect(estimate.transfer == nil)
    #expect(estimate.total == nil)
  }
}

@Suite struct `The policy of approval` {
  @Test(arguments: [
    (ApprovalPolicy.always, Approval.required, Approval.required), (.never, .automatic, .automatic),
    (.withoutBudget, .required, .automatic),
  ])
  func `decides by whether a budget bounds the job`(policy: ApprovalPolicy, without: Approval, with: Approval) {
    var specification = JobSpecification(command: "c")
    #expect(policy.approval(of: specification) == without)
    specification.maximumDuration = .seconds(60)
    #expect(policy.approval(of: specification) == without, "a time without a price")
    specification.resources.maximumPricePerHour = Money(microdollars: 1)
    #expect(policy.approval(of: specification) == with)
    specification.maximumDuration = nil
    #expect(policy.approval(of: specification) == without, "a price without a time")
    specification.maximumCost = Money(microdollars: 1)
    #expect(policy.approval(of: specification) == with)
  }
}
