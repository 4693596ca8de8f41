package import Domain
import Logging

extension Fleet {
  /// A price for the person who approves; nil while the marketplace cannot be asked or nothing fits. The job waits all the
  /// same, and its approval looks for one.
  func quote(for specification: JobSpecification) async -> Job.Quote? {
    do throws(FleetError) {
      return try await currentQuote(for: specification)
    } catch {
      logger.warning("no quote", metadata: ["error": "\(error)"])
      return nil
    }
  }

  /// Lets a job that waits for approval begin, and binds it to the price of its quote. Twice is harmless.
  ///
  /// A quote that is stale or missing is renewed first. When the price has risen beyond tolerance meanwhile the new quote is
  /// kept, the job goes on waiting and the caller is told both prices: a second approval accepts the new one. Several small
  /// rises do not add up: the bound is that of the quote that was there when this was called.
  package func approve(_ id: ID<Job>) async throws(FleetError) -> Job {
    let seen = try job(id)
    guard try seen.waitsForApproval() else { return seen }
    let quote = try await validQuote(of: seen)
    let basis = seen.quote ?? quote
    let isCovered = quote.pricePerHour <= basis.highestPrice
    let job = try await change(id) { (job, now) throws(FleetError) in
      // Somebody may have approved or cancelled it while offers were looked for.
      guard try job.waitsForApproval() else { return }
      job.quote = quote
      guard isCovered else { return }
      job.quote?.ceiling = basis.highestPrice
      job.moved(by: .approved, at: now)
    }
    guard job.state != .awaitingApproval else {
      throw .conflict(
        code: "price_rose",
        detail: """
          The price has risen from $\(basis.pricePerHour.decimal) to $\(quote.pricePerHour.decimal) an hour since the quote. \
          The job waits with the new quote; approve it again to accept that.
          """)
    }
    connections.wakeJobs()
    return job
  }

  private func validQuote(of job: Job) async throws(FleetError) -> Job.Quote {
    if let quote = job.quote, !quote.isStale(at: now()) { return quote }
    if let quote = try await currentQuote(for: job.specification) { return quote }
    throw .conflict(
      code: "no_offers",
      detail:
        "No offer fits the job now, and it goes on waiting. Approve it later, or search /v1/offers for what there is.")
  }

  /// Nil when nothing fits.
  private func currentQuote(for specification: JobSpecification) async throws(FleetError) -> Job.Quote? {
    let query = specification.resources.query
    let listing = try await currentOffers(query)
    guard let offer = try inPlacingOrder(listing.offers, for: query).first,
      let estimate = specification.estimate(on: offer)
    else {
      return nil
    }
    return Job.Quote(offer: offer, estimate: estimate, madeAt: listing.asOf)
  }
}

extension Job {
  /// Whether there is something to approve; throws for a job that is over.
  fileprivate func waitsForApproval() throws(FleetError) -> Bool {
    if state.isFinal || isCancelRequested {
      throw .conflict(code: "job_ended", detail: "The job is \(state.rawValue) and cannot be approved any more.")
    }
    return state == .awaitingApproval
  }
}
