import Logging
package import Domain
import Store

/// An instance asked for by hand.
package struct InstanceRequest: Sendable, Hashable {
  /// One certain offer; else the best for `query`.
  package var offerID: Int64?
  package var query: OfferQuery?
  package var image: String?
  package var templateHash: String?
  package var diskGigabytes: Int
  package var label: String?
  package var environment: [String: String] = [:]
  package var ports: [String] = []
  package var onStart: String?
  package var registryLogin: RegistryLogin?
  package var isInterruptible = false
  package var bidPerHour: Money?
  /// For estimates only.
  package var expectedTransfer = Transfer()

  package init(diskGigabytes: Int) { self.diskGigabytes = diskGigabytes }

  /// What is looked for.
  var search: OfferQuery {
    var search = query ?? OfferQuery()
    search.offerID = offerID
    search.isInterruptible = isInterruptible
    search.bidPerHour = isInterruptible ? bidPerHour : nil
    search.minimumDiskGigabytes = Double(diskGigabytes)
    return search
  }
}

/// How to log in.
package struct SSHAccess: Sendable {
  package var user: String
  /// Where its server was seen to answer, else the first candidate.
  package var address: SSHAddress?
  package var direct: SSHAddress?
  package var proxy: SSHAddress?
  package var isReady: Bool
  /// The key that its server showed first, `ssh-ed25519 AAAA…`; nil before anybody of ours talked to it.
  package var hostKey: String?
}

extension Fleet {
  /// The most instances that one request may make: each is money by the hour.
  package static let maximumCount = 16

  /// Ranks offers, writes a row each, and answers; the loop rents. Offers are looked up here so that a request that
  /// cannot be met is told so at once and leaves nothing behind.
  package func createInstances(
    _ request: InstanceRequest, count: Int, idempotency: IdempotentRequest<[Instance]>?
  ) async throws(FleetError) -> Creation<[Instance]> {
    let query = request.search
    if let replayed = try replay(idempotency) { return replayed }
    let offers = try await currentOffers(query).offers
    guard offers.count >= count else {
      let what = request.offerID.map { "Offer \($0) is not available." } ?? "No offer fits."
      let detail = offers.isEmpty ? what : "Only \(offers.count) of \(count) offers fit."
      throw .conflict(code: "no_offers", detail: detail + " Search /v1/offers for what there is.")
    }
    let label: String
    if let given = request.label { label = given } else { label = await defaultLabel(of: current).text }
    let now = now()
    let owner = store.owner
    let creation = try await create(idempotency) { (tx) throws(StoreError) -> Result<[Instance], FleetError> in
      let rentals = offers.prefix(count).map {
        Commitment(pricePerHour: query.price(of: $0), duration: Commitment.openEnded)
      }
      if let refusal = try tx.budgetRoom(label: label, now: now).refusal(of: rentals) {
        return .failure(.conflict(code: refusal.code, detail: refusal.detail))
      }
      var made: [Instance] = []
      for offer in offers.prefix(count) {
        let instance = Instance(
          request, offer: offer, query: request.offerID == nil ? query : nil, label: label, owner: owner, at: now)
        try tx.insert(instance)
        made.append(instance)
      }
      return .success(made)
    }
    if case .made = creation { connections.wakeInstances() }
    return creation
  }

  package func instance(_ id: ID<Instance>) throws(FleetError) -> Instance {
    guard let instance = try read({ (r) throws(StoreError) in try r.instance(id) }) else {
      throw .notFound(what: "instance")
    }
    return instance
  }

  package func instances(_ filter: InstanceFilter, _ page: PageRequest) throws(FleetError) -> Page<Instance> {
    try read { (r) throws(StoreError) in try r.instances(filter, page) }
  }

  /// Instances at the marketplace that bear our tag and that no row claims.
  package func orphans() -> OrphanReport { connections.orphans() }

  /// Wants it gone. Twice is harmless. An instance that serves a job is ended by cancelling the job.
  package func destroyInstance(_ id: ID<Instance>) async throws(FleetError) -> Instance {
    let result = try await write { (tx) throws(StoreError) -> Result<Instance, FleetError> in
      guard var instance = try tx.instance(id) else { return .failure(.notFound(what: "instance")) }
      if let jobID = instance.jobID, let job = try tx.job(jobID), !job.state.isFinal, job.instanceID == id {
        let detail = "The instance serves \(jobID). Cancel that job; its instance is destroyed then."
        return .failure(.conflict(code: "instance_serves_job", detail: detail))
      }
      guard instance.desired != .destroyed, !instance.state.isFinal else { return .success(instance) }
      instance.desired = .destroyed
      _ = try tx.update(&instance)
      return .success(instance)
    }
    connections.wakeInstances()
    return try result.get()
  }

  package func sshAccess(to id: ID<Instance>) throws(FleetError) -> SSHAccess {
    let instance = try instance(id)
    return SSHAccess(
      user: "root", address: instance.currentSSHAddress, direct: instance.directAddress, proxy: instance.proxyAddress,
      isReady: instance.state == .running && instance.marketStatus ?? "running" == "running"
        && !instance.sshCandidates.isEmpty,
      hostKey: connections.hostKey(instance.pinName))
  }
}

extension Instance {
  fileprivate init(
    _ request: InstanceRequest, offer: Offer, query: OfferQuery?, label: String, owner: Owner, at now: Timestamp
  ) {
    let id = ID<Instance>(at: now)
    let tag = InstanceTag(owner: owner, instanceID: id)
    var order = RentalOrder(
      offerID: offer.id, label: tag.label(label), image: request.image, diskGigabytes: request.diskGigabytes)
    order.templateHash = request.templateHash
    order.environment = request.environment
    order.ports = request.ports
    order.onStart = request.onStart
    order.registryLogin = request.registryLogin?.argument
    if request.isInterruptible {
      // Never nil, which would rent on demand and for more.
      order.bidPerHour = request.bidPerHour ?? offer.standardBidPerHour
    }
    self.init(id: id, order: order, label: label, tag: tag, gpuCount: offer.gpuCount, createdAt: now)
    self.query = query
    // The bid stays when another offer has to be taken, and then its price has to fit with this bid.
    self.query?.bidPerHour = order.bidPerHour
    adopt(offer)
  }
}
