/// What the account spends by the hour, by the provider's own word (`/users/spend-rate/`): a witness beside the list of
/// instances, who counts what exists without naming it. Volumes are not in it.
package struct MarketSpend: Sendable, Hashable {
  /// Of all running instances together.
  package var gpuPerHour: Money
  /// Of the disks of all instances, stopped ones too.
  package var storagePerHour: Money
  /// When the provider answered this.
  package var asOf: Timestamp

  package init(gpuPerHour: Money, storagePerHour: Money, asOf: Timestamp) {
    self.gpuPerHour = gpuPerHour
    self.storagePerHour = storagePerHour
    self.asOf = asOf
  }

  /// Figures are rounded, and a sum of them is off by less than this. The smallest disk that we order, 8 GB at $0.05 per GB
  /// and month, costs a little more by the hour.
  package static let tolerance = Money(microdollars: 500)

  /// What flows beyond all that `instances` may cost, by the hour: as if each ran. Nil when one of them does not tell its price.
  package func unexplained(by instances: some Sequence<MarketInstance>) -> Money? {
    excess(over: instances) { one, disk in one.runningPricePerHour.map { max($0, disk) } }
  }

  /// What the spend says about a list that lacks something, where `usual` flows for other things.
  ///
  /// It contradicts what even the whole price of everything listed does not explain. It agrees only with what is explained
  /// by the present cost: a stopped machine's price would cover up for a running one that is missing. In between it says
  /// nothing.
  package func witness(to instances: some Sequence<MarketInstance>, usual: Money) -> SpendWitness? {
    let present = excess(over: instances) { one, disk in
      one.runningPricePerHour.map { one.actualStatus == "running" ? max($0, disk) : disk }
    }
    guard let most = unexplained(by: instances), let least = present else { return nil }
    let covered = usual + (usual > .zero ? Self.tolerance : .zero)
    if most > covered { return .contradicts }
    return least > covered ? nil : .agrees
  }

  /// Nothing within a hundredth and the tolerance: prices are told with fewer digits than they are billed.
  private func excess(
    over instances: some Sequence<MarketInstance>, _ cost: (MarketInstance, _ disk: Money) -> Money?
  ) -> Money? {
    var explained = Money.zero
    for instance in instances {
      guard let cost = cost(instance, instance.storagePricePerHour ?? .zero) else { return nil }
      explained += cost
    }
    let total = gpuPerHour + storagePerHour
    let slack = Money(microdollars: explained.microdollars / 100) + Self.tolerance
    return total > explained + slack ? Money(microdollars: total.microdollars - explained.microdollars) : .zero
  }
}

/// What flows for something that lists do not show, while they lack nothing of ours: a service of another kind in the same
/// account, or a machine that was forgotten.
package struct UnlistedSpend: Sendable, Hashable {
  /// Zero for nothing.
  package var perHour: Money
  /// Looks in a row that found something. One alone may have met a machine on its way into the list, or out of it.
  package var looks: Int
  /// When the list of the last look was asked for.
  package var asOf: Timestamp

  package init(perHour: Money, looks: Int, asOf: Timestamp) {
    self.perHour = perHour
    self.looks = looks
    self.asOf = asOf
  }

  package var isCertain: Bool { looks >= 2 }
}

/// What the spend says about a list.
package enum SpendWitness: Sendable, Hashable {
  /// What is listed costs all that is spent.
  case agrees
  /// Money flows for something that the list does not show.
  case contradicts
}
