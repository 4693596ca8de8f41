import Domain
import Logging
import Store

extension JobDrive {
  /// queued → provisioning: chooses an offer and writes the instance's row. The instance loop rents it.
  func place(_ job: Job) async throws(StoreError) -> Progress {
    if job.isCancelRequested { return await giveUp(job, .cancelled, nil) }
    // One job never has two live instances: the last one must be proved gone first.
    if let last = try instance(of: job), !last.state.isFinal { return .waits(upTo: .seconds(60)) }
    if let pause = await pauseBeforeRecovery(job) { return pause }
    // Before offers are looked for: the day's searches are counted.
    if let failure = try budgetRefusal(of: job) { return await rest(job, for: failure, refused) }
    let queries = try queries(for: job)
    do throws(MarketplaceError) {
      for query in queries {
        let offers = query.selection.rank(try await context.marketplace.searchOffers(query).offers, for: query)
        guard !offers.isEmpty else { continue }
        if let failure = job.usedUpBudget { return await giveUp(job, .failed, failure) }
        return await rent(offers, query: query, for: job)
      }
      let told = job.failure.flatMap { $0.code.hasPrefix("no_offers") ? $0 : nil }
      let failure = if let told { told } else { try await explainNoOffers(queries[queries.count - 1], for: job) }
      return try await noOffers(for: job, failure)
    } catch {
      return await searchFailed(job, error)
    }
  }

  /// Takes the first of `offers` that none of our instances holds and that budgets have room for, in the transaction that makes
  /// the row: jobs that were posted together see one list, and would all order the best and use up their attempts on it. When
  /// all are held the best is ordered all the same: the list may be older than the end of the instance that held it.
  private func rent(_ offers: [Offer], query: OfferQuery, for job: Job) async -> Progress {
    let owner = context.store.owner
    let progress = await change(
      // A cancel may have come while offers were looked for: then nothing is rented.
      from: .queued, on: .placed, onlyIf: { !$0.isCancelRequested },
      unless: { (tx, job, now) throws(StoreError) in
        let (offer, refusal) = try tx.choice(of: offers, query: query, for: job, at: now)
        guard let offer else { return refusal }
        let instance = Instance(for: job, offer: offer, query: query, owner: owner, at: now)
        try tx.insert(instance)
        job.instanceID = instance.id
        job.attempts.append(
          .init(number: job.attempt + 1, instanceID: instance.id, machineID: offer.machineID, startedAt: now))
        return nil
      },
      also: { (_, _, _) throws(StoreError) in }
    ) { job, _ in
      job.attempt += 1
      job.failure = nil
    }
    guard case .moved = progress, let placed = read() else { return progress }
    if placed.state == .queued, let failure = placed.failure, failure.code == Budget.exceeded {
      let least = offers.map { query.price(of: $0) }.min() ?? .zero
      return .rests(upTo: Self.budgetPause, .init(pricePerHour: least, searchedAt: context.now()))
    }
    if query.isInterruptible { await noteOnDemandPrice(of: placed) }
    return progress
  }

  /// Between two looks of a job that waits for a budget. A look is a read and mostly no search, and a machine that goes makes
  /// room without a word; a change of the budgets is told at once.
  private static let budgetPause = Duration.seconds(15)

  /// Whether there is room for what was too dear at the last search, or for anything at all.
  private func budgetRefusal(of job: Job) throws(StoreError) -> Failure? {
    let now = context.now()
    let known = refused.flatMap { now - $0.searchedAt < BudgetRest.Refused.lifetime ? $0 : nil }
    let rentals = known.map { [Commitment(for: job, pricePerHour: $0.pricePerHour, at: now)] } ?? []
    return try context.store.read { (r) throws(StoreError) in try r.budgetRoom(label: job.label, now: now) }
      .refusal(of: rentals)
  }

  private func rest(_ job: Job, for failure: Failure, _ refused: BudgetRest.Refused?) async -> Progress {
    if job.failure != failure { await change(from: .queued) { job, _ in job.failure = failure } }
    return .rests(upTo: Self.budgetPause, refused)
  }

  /// What GPUs like those of a bid cost on demand now, at the least: what the bid saves is told by it. No reason to fail
  /// anything: without it the savings leave this machine out.
  private func noteOnDemandPrice(of job: Job) async {
    do throws(StoreError) {
      guard let row = try instance(of: job), let gpuName = row.gpuName else { return }
      var query = OfferQuery()
      query.gpuName = gpuName
      query.gpuCount = row.gpuCount
      let price: Money?
      do throws(MarketplaceError) {
        price = try await context.marketplace.searchOffers(query).offers.map(\.gpuPricePerHour).min()
      } catch {
        context.logger.notice("no price on demand", metadata: metadata(["code": "\(error.code)"]))
        return
      }
      try await context.store.write { (tx) throws(StoreError) in
        guard var now = try tx.instance(row.id), now.gpuName == gpuName, now.gpuCount == row.gpuCount else { return }
        now.onDemandGPUPerHour = price
        _ = try tx.update(&now)
      }
    } catch {
      context.logger.error("price on demand cannot be written", metadata: metadata(["error": "\(error)"]))
    }
  }

  /// Nothing fits. While another job has a machine, that may be what would have fitted: then this one waits for it, and shows
  /// why, once: the day's searches are counted.
  private func noOffers(for job: Job, _ failure: Failure) async throws(MarketplaceError) -> Progress {
    let mayComeBack: Bool
    do throws(StoreError) {
      // The bound of an approval was met by an offer a while ago, which may be what the other one has.
      let isApproved = failure.code == "no_offers_within_price" && job.quote?.ceiling != nil
      let hasOther = failure.code == "no_offers" || isApproved ? try otherJobHasMachine() : false
      mayComeBack = hasOther || job.looksOn(at: context.now(), despite: failure)
    } catch {
      return .waits(upTo: context.settings.retryPause)
    }
    guard mayComeBack else { return await giveUp(job, .failed, failure) }
    if job.failure != failure { await change(from: .queued) { job, _ in job.failure = failure } }
    return .waits(upTo: job.pauseBetweenLooks(at: context.now()))
  }

  private func otherJobHasMachine() throws(StoreError) -> Bool {
    try context.store.read { (r) throws(StoreError) in
      for instance in try r.liveInstances() {
        if let other = instance.jobID, let job = try r.job(other), !job.state.isFinal { return true }
      }
      return false
    }
  }

  private func searchFailed(_ job: Job, _ error: MarketplaceError) async -> Progress {
    let failure = Failure(code: error.code, detail: error.detail, isRetryable: error.isTransient)
    switch error {
    case .cancelled:
      return .waits(upTo: context.settings.searchPause)
    case .unauthorized, .insufficientCredit, .refused, .offerTaken, .createdUnusable, .startQueued, .notFound:
      return await giveUp(job, .failed, failure)
    case .rateLimited, .quotaExceeded, .unavailable, .circuitOpen, .unknownOutcome, .malformedAnswer:
      // Nothing is lost by waiting; the job shows why it waits.
      if job.failure != failure { await change(from: .queued) { job, _ in job.failure = failure } }
      return .waits(upTo: pause(after: error))
    }
  }

  private func pause(after error: MarketplaceError) -> Duration {
    switch error {
    case .rateLimited(let wait?), .quotaExceeded(let wait?), .circuitOpen(let wait):
      max(.seconds(1), min(wait, .seconds(300)))
    case .quotaExceeded(nil): .seconds(300)
    default: context.settings.searchPause * 4
    }
  }

  /// Looks again with fewer conditions, to say which one stands in the way.
  private func explainNoOffers(_ query: OfferQuery, for job: Job) async throws(MarketplaceError) -> Failure {
    if let gpuName = query.gpuName {
      let known = try await context.marketplace.gpuNames()
      if !known.isEmpty, !known.contains(where: { $0.lowercased() == gpuName.lowercased() }) {
        let near = known.filter { $0.lowercased().first == gpuName.lowercased().first }.prefix(8).joined(
          separator: ", ")
        let detail =
          "Vast.ai has no GPU called \"\(gpuName)\"." + (near.isEmpty ? "" : " It has, for instance: \(near).")
        return Failure(code: "no_such_gpu", detail: detail)
      }
    }
    if let maximum = query.maximumPricePerHour {
      var freer = query
      freer.maximumPricePerHour = nil
      let offers = OfferSelection.cheapest.rank(try await context.marketplace.searchOffers(freer).offers, for: freer)
      if let cheapest = offers.first {
        let bound = maximum == job.quote?.ceiling ? ", the most that its approval covers" : ""
        let detail =
          "No offer costs at most $\(maximum.decimal) an hour with its disk\(bound); the cheapest that fits otherwise costs $\(freer.price(of: cheapest).decimal)."
        return Failure(code: "no_offers_within_price", detail: detail, isRetryable: true)
      }
    }
    let excluded = query.excludedMachines.isEmpty ? "" : " \(query.excludedMachines.count) machines are excluded."
    return Failure(
      code: "no_offers",
      detail: "No offer fits what the job asks for.\(excluded) Search /v1/offers with fewer conditions.",
      isRetryable: true)
  }
}

extension StoreTransaction {
  /// The offer to take, or why budgets have no room for any of them.
  fileprivate func choice(
    of offers: [Offer], query: OfferQuery, for job: Job, at now: Timestamp
  ) throws(StoreError) -> (offer: Offer?, refusal: Failure?) {
    let held = try heldOffers()
    let free = offers.filter { !held.contains($0.id) }
    let room = try budgetRoom(label: job.label, now: now)
    let candidates = free.isEmpty ? Array(offers.prefix(1)) : free
    var first: Failure?
    for offer in candidates {
      let commitment = Commitment(for: job, pricePerHour: query.price(of: offer), at: now)
      guard let refusal = room.refusal(of: [commitment]) else { return (offer, nil) }
      first = first ?? refusal
    }
    return (nil, first)
  }
}

extension Job {
  /// What its instances are called, and so what budgets know it by.
  fileprivate var label: String { specification.name ?? "job" }

  /// A minute at first, up to ten when it has looked for hours: what a night did not have a minute will not bring.
  fileprivate func pauseBetweenLooks(at now: Timestamp) -> Duration {
    guard let since = phases.last?.startedAt else { return .seconds(60) }
    return max(.seconds(60), min(.seconds(600), (now - since) / 10))
  }

  /// Work that was begun and lost its machine is not given up because nothing fits at this moment.
  fileprivate func looksOn(at now: Timestamp, despite failure: Failure) -> Bool {
    guard failure.isRetryable, let at = attempts.openLoss?.finishedAt
    else {
      return false
    }
    return now - at < RecoveryPlan.patience
  }

  /// Earlier attempts may have cost all that the job may cost.
  fileprivate var usedUpBudget: Failure? {
    guard let budget = specification.maximumCost, cost >= budget else { return nil }
    return Failure(
      code: "max_cost_exceeded", detail: "The job has cost $\(cost.dollars), its bound is $\(budget.dollars).")
  }
}

extension Instance {
  fileprivate init(for job: Job, offer: Offer, query: OfferQuery, owner: Owner, at now: Timestamp) {
    let specification = job.specification
    let id = ID<Instance>(at: now)
    let tag = InstanceTag(owner: owner, instanceID: id)
    let label = job.label
    var order = RentalOrder(
      offerID: offer.id, label: tag.label(label), image: specification.resolvedImage,
      diskGigabytes: specification.resources.diskGigabytes)
    order.templateHash = specification.templateHash
    order.registryLogin = specification.registryLogin?.argument
    if specification.resources.isInterruptible {
      order.bidPerHour = specification.resources.bidPerHour ?? offer.standardBidPerHour
    }
    self.init(id: id, order: order, label: label, tag: tag, gpuCount: offer.gpuCount, createdAt: now)
    self.query = query
    // The bid stays when another offer has to be taken, and then its price has to fit with this bid.
    self.query?.bidPerHour = order.bidPerHour
    jobID = job.id
    adopt(offer)
  }
}
