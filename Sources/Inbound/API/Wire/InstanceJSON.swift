import Domain
import FleetService
import JSON

/// An instance as callers see it.
enum InstanceJSON {
  static func render(_ instance: Instance) -> [UInt8] {
    var writer = JSONWriter(capacity: 1024)
    writer.element(instance)
    return writer.bytes
  }

  /// What POST /v1/instances made: the one, or all of them under `items`.
  static func created(_ instances: [Instance], count: Int) -> [UInt8] {
    if count == 1, let only = instances.first { return render(only) }
    var writer = JSONWriter(capacity: 1024 * instances.count)
    writer.object { writer in
      writer.array("items") { writer in for instance in instances { writer.element(instance) } }
    }
    return writer.bytes
  }

  static func ssh(_ access: SSHAccess) -> [UInt8] {
    var writer = JSONWriter(capacity: 512)
    writer.object { writer in
      writer.member("host", access.address?.host)
      writer.member("port", access.address?.port)
      writer.member("user", access.user)
      writer.member("command", access.address.map { "ssh -p \($0.port) \(access.user)@\($0.host)" })
      writer.member("direct", access.direct)
      writer.member("proxy", access.proxy)
      writer.member("ready", access.isReady)
      writer.member("host_key", access.hostKey)
    }
    return writer.bytes
  }
}

extension JSONWriter {
  mutating func element(_ instance: Instance) {
    object { writer in writer.members(of: instance) }
  }

  mutating func members(of instance: Instance) {
    member("id", instance.id)
    member("provider_id", instance.marketID?.rawValue)
    member("label", instance.label)
    member("state", instance.state.rawValue)
    member("desired_state", instance.desired.rawValue)
    member("provider_status", instance.marketStatus)
    member("status_message", instance.statusMessage)
    member("managed", true)
    member("job_id", instance.jobID)
    member("offer_id", instance.order.offerID == 0 ? nil : instance.order.offerID)
    member("machine_id", instance.machineID)
    member("host_id", instance.hostID)
    member("gpu_name", instance.gpuName)
    member("num_gpus", instance.gpuCount)
    member("price_per_hour_usd", instance.pricePerHour)
    member("storage_per_hour_usd", instance.storagePerHour)
    member("cost_usd", instance.cost)
    member("gpu_utilization", instance.gpuUtilization)
    member("idle_since", instance.idleSince)
    member("idle_s", instance.idleTime.inSeconds)
    member("watched_s", instance.watchedTime.inSeconds)
    member("idle_cost_usd", instance.idleCost)
    member("image", instance.order.image)
    member("disk_gb", instance.order.diskGigabytes)
    member("region", instance.region)
    member("interruptible", instance.order.bidPerHour != nil)
    member("ssh", instance.sshAddress == nil ? nil : instance.currentSSHAddress)
    member("created_at", instance.createdAt)
    member("running_at", instance.runningAt)
    member("stopped_at", instance.stoppedAt)
    member("destroyed_at", instance.destroyedAt)
    member("last_seen_at", instance.lastSeenAt)
    if let failure = instance.failure {
      object("failure") { writer in
        writer.member("code", failure.code)
        writer.member("detail", failure.detail)
      }
    } else {
      null("failure")
    }
  }

  mutating func member(_ name: StaticString, _ address: SSHAddress?) {
    guard let address else { return null(name) }
    object(name) { writer in
      writer.member("host", address.host)
      writer.member("port", address.port)
    }
  }
}
