import Domain
import FleetService
import JSON

/// What would be rented, for a job or by hand.
enum PlanJSON {
  static func render(_ plan: JobPlan) -> [UInt8] {
    var writer = JSONWriter(capacity: 4096)
    writer.object { writer in
      writer.object("resolved") { writer in
        writer.member("name", plan.specification.name)
        writer.members(of: plan.specification)
      }
      writer.array("defaults_applied") { writer in for applied in plan.defaults { writer.element(applied) } }
      writer.array("active_instances") { writer in for instance in plan.active { writer.element(instance) } }
      writer.array("candidates") { writer in for offer in plan.candidates { writer.element(offer) } }
      writer.member("chosen", plan.chosen)
      writer.estimate(plan.estimate, duration: plan.specification.maximumDuration)
      writer.member("as_of", plan.asOf)
      if plan.isDegraded { writer.member("degraded", true) }
    }
    return writer.bytes
  }

  static func render(_ plan: RentalPlan) -> [UInt8] {
    var writer = JSONWriter(capacity: 4096)
    writer.object { writer in
      writer.object("resolved") { writer in writer.members(of: plan.request, count: plan.count) }
      writer.array("defaults_applied") { writer in for applied in plan.defaults { writer.element(applied) } }
      writer.array("active_instances") { writer in for instance in plan.active { writer.element(instance) } }
      writer.array("candidates") { writer in for offer in plan.candidates { writer.element(offer) } }
      writer.member("chosen", plan.chosen.first)
      writer.estimate(plan.estimate, duration: nil)
      writer.member("as_of", plan.asOf)
      if plan.isDegraded { writer.member("degraded", true) }
    }
    return writer.bytes
  }
}

extension JSONWriter {
  fileprivate mutating func member(_ name: StaticString, _ offer: Offer?) {
    guard let offer else { return null(name) }
    object(name) { writer in writer.members(of: offer) }
  }

  /// All but the duration is null when nothing would be rented.
  fileprivate mutating func estimate(_ estimate: Estimate?, duration: Duration?) {
    object("estimate") { writer in
      writer.member("per_hour_usd", estimate?.pricePerHour)
      writer.member("storage_per_hour_usd", estimate?.storagePerHour)
      writer.member("transfer_usd", estimate?.transfer)
      writer.member("total_usd", estimate?.total)
      writer.member(seconds: "duration_s", duration)
    }
  }

  fileprivate mutating func element(_ applied: AppliedDefault) {
    object { writer in
      writer.member("field", applied.field)
      writer.member("value", applied.value)
      writer.member("source", applied.source.rawValue)
    }
  }

  private mutating func member(_ name: StaticString, _ value: AppliedDefault.Value) {
    switch value {
    case .text(let text): member(name, text)
    case .integer(let integer): member(name, integer)
    case .number(let number): member(name, number)
    case .flag(let flag): member(name, flag)
    case .money(let money): member(name, money)
    case .texts(let texts): array(name, texts)
    }
  }

  fileprivate mutating func members(of request: InstanceRequest, count: Int) {
    member("offer_id", request.offerID)
    if let query = request.query {
      object("resources") { writer in writer.members(of: query) }
    } else {
      null("resources")
    }
    member("image", request.image)
    member("template_hash", request.templateHash)
    member("disk_gb", request.diskGigabytes)
    member("label", request.label)
    object("env", request.environment)
    array("ports", request.ports)
    member("onstart", request.onStart)
    member("registry_login", request.registryLogin)
    member("interruptible", request.isInterruptible)
    member("bid_per_hour_usd", request.bidPerHour)
    member("count", count)
    members(of: request.expectedTransfer)
  }

  /// As a request's `resources` have it.
  private mutating func members(of query: OfferQuery) {
    member("gpu_name", query.gpuName)
    member("num_gpus", query.gpuCount)
    member("min_gpu_ram_gb", query.minimumGPURAMGigabytes)
    member("min_reliability", query.minimumReliability)
    array("regions", query.regions)
    member("max_price_per_hour_usd", query.maximumPricePerHour)
    member("selection", query.selection.rawValue)
    array("exclude_machines") { writer in
      for machine in query.excludedMachines.sorted() { writer.element(machine) }
    }
    object(filters: query.filters)
  }
}
