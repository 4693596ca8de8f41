import Domain
import FleetService
import HTTPServer
import JSON

/// A job as callers see it. Secrets show their names only, a registry login lacks its password.
enum JobJSON {
  /// A job without the history that only its own page shows, as one item of a list; and what to put before the closing
  /// brace for that page.
  static func render(_ job: Job) -> RenderedJob {
    var writer = JSONWriter(capacity: 1536)
    writer.object { writer in writer.members(of: job) }
    var history = JSONWriter(capacity: 512)
    history.object { writer in writer.history(of: job) }
    return RenderedJob(item: writer.bytes, history: history.bytes)
  }

  /// A job's own page.
  static func whole(_ job: Job) -> [UInt8] {
    var writer = JSONWriter(capacity: 2048)
    writer.object { writer in
      writer.members(of: job)
      writer.history(of: job)
    }
    return writer.bytes
  }

  static func report(_ report: JobReport) -> [UInt8] {
    let job = report.job
    var writer = JSONWriter(capacity: 2048)
    writer.object { writer in
      writer.member("job_id", job.id)
      writer.member("state", job.state.rawValue)
      writer.member("gpu_name", report.gpuName)
      writer.member("price_per_hour_usd", report.pricePerHour)
      writer.member("runtime_s", report.runtime?.inSeconds)
      writer.member("cost_usd", report.usage.cost.total)
      writer.object("cost") { writer in writer.members(of: report.usage) }
      writer.member("idle_gpu_s", report.idleTime.inSeconds)
      writer.member("idle_gpu_cost_usd", report.idleCost)
      writer.attempts(of: job, report.attempts)
      writer.member("exit_code", job.exitCode)
      writer.results(of: job)
      writer.array("errors") { writer in
        for failure in job.attempts.compactMap(\.failure) + [job.failure].compactMap({ $0 }) {
          writer.object { writer in
            writer.member("code", failure.code)
            writer.member("detail", failure.detail)
            writer.member("retryable", failure.isRetryable)
          }
        }
      }
      writer.array("instances") { writer in for instance in report.instances { writer.element(instance) } }
      writer.member("instances_destroyed", report.areInstancesDestroyed)
      writer.member("verified_at", report.verifiedAt)
    }
    return writer.bytes
  }
}

/// The bytes of one version of a job.
struct RenderedJob: Sendable {
  /// An item of a list.
  let item: [UInt8]
  /// The item with its history: the job's own page.
  let whole: SharedBytes

  /// Both are objects, not empty.
  init(item: [UInt8], history: [UInt8]) {
    self.item = item
    whole = SharedBytes(item.dropLast() + [UInt8(ascii: ",")] + history.dropFirst())
  }
}

extension JSONWriter {
  mutating func members(of job: Job) {
    member("id", job.id)
    member("name", job.specification.name)
    member("state", job.state.rawValue)
    member("phase", job.phases.last?.name)
    member("attempt", job.attempt)
    member("instance_id", job.instanceID)
    member("cancel_requested", job.isCancelRequested)
    member("exit_code", job.exitCode)
    member("error", job.failure)
    if let quote = job.quote {
      object("quote") { writer in
        writer.member("offer_id", quote.offerID)
        writer.member("gpu_name", quote.gpuName)
        writer.member("price_per_hour_usd", quote.pricePerHour)
        writer.member("storage_per_hour_usd", quote.storagePerHour)
        writer.member("transfer_usd", quote.transfer)
        writer.member("total_usd", quote.total)
        writer.member("made_at", quote.madeAt)
        writer.member("approved_up_to_per_hour_usd", quote.ceiling)
      }
    } else {
      null("quote")
    }
    member("cost_usd", job.cost)
    results(of: job)
    member("created_at", job.createdAt)
    member("started_at", job.startedAt)
    member("finished_at", job.finishedAt)
    members(of: job.specification)
  }

  /// All but the name, which stands with the job's own members.
  mutating func members(of specification: JobSpecification) {
    member("command", specification.command)
    member("kind", specification.kind?.rawValue)
    member("image", specification.image)
    member("template_hash", specification.templateHash)
    object("env", specification.environment)
    object("secrets", specification.secrets.mapValues { _ in "***" })
    member("setup", specification.setup)
    member("registry_login", specification.registryLogin)
    object("resources") { writer in writer.members(of: specification.resources) }
    member("input_upload_id", specification.inputUploadID)
    array("outputs", specification.outputs)
    member(seconds: "max_duration_s", specification.maximumDuration)
    member("max_cost_usd", specification.maximumCost)
    member("approval", specification.approval.rawValue)
    members(of: specification.expectedTransfer)
    member("max_attempts", specification.maximumAttempts)
    member("recover", specification.recovers)
    if let checkpoint = specification.checkpoint {
      object("checkpoint") { writer in
        writer.member("path", checkpoint.path)
        writer.member(seconds: "interval_s", checkpoint.interval)
      }
    } else {
      null("checkpoint")
    }
    member("on_failure", specification.onFailure.rawValue)
    member(seconds: "idle_timeout_s", specification.idleTimeout)
    member(seconds: "max_gpu_idle_s", specification.maximumGPUIdle)
    member(seconds: "lease_s", specification.lease)
    member("priority", specification.priority)
  }

  mutating func members(of resources: JobSpecification.Resources) {
    member("gpu_name", resources.gpuName)
    member("num_gpus", resources.gpuCount)
    member("min_gpu_ram_gb", resources.minimumGPURAMGigabytes)
    member("min_reliability", resources.minimumReliability)
    member("disk_gb", resources.diskGigabytes)
    array("regions", resources.regions)
    member("max_price_per_hour_usd", resources.maximumPricePerHour)
    member("interruptible", resources.isInterruptible)
    member("bid_per_hour_usd", resources.bidPerHour)
    member("selection", resources.selection.rawValue)
    array("exclude_machines") { writer in
      for machine in resources.excludedMachines.sorted() { writer.element(machine) }
    }
    object(filters: resources.filters)
  }

  mutating func object(filters: [String: String]) {
    object("filters") { writer in
      for (field, conditions) in filters.sorted(by: { $0.key < $1.key }) {
        writer.member(dynamic: field, raw: conditions.utf8)
      }
    }
  }

  mutating func members(of transfer: Transfer) {
    member("transfer_up_gb", transfer.upGigabytes)
    member("transfer_down_gb", transfer.downGigabytes)
  }

  mutating func member(_ name: StaticString, _ login: RegistryLogin?) {
    guard let login else { return null(name) }
    object(name) { writer in
      writer.member("server", login.server)
      writer.member("user", login.user)
    }
  }

  mutating func results(of job: Job) {
    guard let results = job.results else { return null("results") }
    object("results") { writer in
      writer.member("size_bytes", results.sizeBytes)
      writer.member("sha256", results.sha256)
      writer.array("missing", results.missing)
    }
  }

  mutating func history(of job: Job) {
    attempts(of: job)
    array("phases") { writer in
      for phase in job.phases {
        writer.object { writer in
          writer.member("name", phase.name)
          writer.member("started_at", phase.startedAt)
          writer.member("finished_at", phase.finishedAt)
        }
      }
    }
  }

  /// - Parameter usages: of each attempt, where they are to be shown.
  mutating func attempts(of job: Job, _ usages: [Usage] = []) {
    array("attempts") { writer in
      for (index, attempt) in job.attempts.enumerated() {
        writer.object { writer in
          writer.member("number", attempt.number)
          writer.member("instance_id", attempt.instanceID)
          writer.member("machine_id", attempt.machineID)
          writer.member("started_at", attempt.startedAt)
          writer.member("finished_at", attempt.finishedAt)
          writer.member("checkpoint_id", attempt.checkpointID)
          if usages.indices.contains(index) {
            writer.object("cost") { writer in writer.members(of: usages[index]) }
          }
          writer.member("error", attempt.failure)
        }
      }
    }
  }
}
