import Domain
import JSON

/// The column `specification`. Defaults are written out, so that a job keeps what it was accepted with when a later
/// release has other defaults. Secrets are not in it, see `storedSecrets`.
extension JobSpecification {
  var stored: [UInt8] {
    JSONWriter.document { writer in
      writer.known("name", name)
      writer.member("command", command)
      writer.known("kind", kind?.rawValue)
      writer.known("image", image)
      writer.known("template_hash", templateHash)
      if !environment.isEmpty { writer.textsByName("env", environment) }
      writer.known("setup", setup)
      writer.object("resources") { writer in resources.write(to: &writer) }
      writer.known("input_upload_id", inputUploadID?.rawValue)
      writer.texts("outputs", outputs)
      writer.known("max_duration_us", maximumDuration)
      writer.known("max_cost", maximumCost)
      writer.member("approval", approval.rawValue)
      if expectedTransfer.upGigabytes > 0 { writer.member("transfer_up_gb", expectedTransfer.upGigabytes) }
      if expectedTransfer.downGigabytes > 0 { writer.member("transfer_down_gb", expectedTransfer.downGigabytes) }
      writer.member("max_attempts", maximumAttempts)
      writer.member("recover", recovers)
      if let checkpoint {
        writer.object("checkpoint") { writer in
          writer.member("path", checkpoint.path)
          writer.known("interval_us", checkpoint.interval)
        }
      }
      writer.member("on_failure", onFailure.rawValue)
      writer.known("idle_timeout_us", idleTimeout)
      writer.known("max_gpu_idle_us", maximumGPUIdle)
      writer.known("lease_us", lease)
      writer.member("priority", priority)
      if areSecretsWiped { writer.member("secrets_wiped", true) }
    }
  }

  init(stored document: StoredDocument) throws(StoreError) {
    guard let command = document.text("command") else { throw .corrupt(detail: "a specification lacks its command") }
    self.init(command: command)
    name = document.text("name")
    kind = document.choice("kind")
    image = document.text("image")
    templateHash = document.text("template_hash")
    environment = document.textsByName("env") ?? [:]
    setup = document.text("setup")
    if let resources = document.document("resources") { self.resources = Resources(stored: resources) }
    inputUploadID = document.id("input_upload_id")
    outputs = document.texts("outputs") ?? outputs
    maximumDuration = document.span("max_duration_us")
    maximumCost = document.money("max_cost")
    approval = document.choice("approval") ?? approval
    expectedTransfer.upGigabytes = document.number("transfer_up_gb") ?? 0
    expectedTransfer.downGigabytes = document.number("transfer_down_gb") ?? 0
    maximumAttempts = document.int("max_attempts") ?? maximumAttempts
    // Jobs of a release that knew no recovery were accepted without it.
    recovers = document.bool("recover") ?? false
    if let policy = document.document("checkpoint"), let path = policy.text("path"),
      let interval = policy.span("interval_us")
    {
      checkpoint = CheckpointPolicy(path: path, interval: interval)
    }
    onFailure = document.choice("on_failure") ?? onFailure
    idleTimeout = document.span("idle_timeout_us")
    maximumGPUIdle = document.span("max_gpu_idle_us")
    // Jobs of a release that knew no leases go on without one.
    lease = document.span("lease_us")
    priority = document.int("priority") ?? priority
    areSecretsWiped = document.bool("secrets_wiped") ?? false
  }
}

extension JobSpecification.Resources {
  func write(to writer: inout JSONWriter) {
    writer.known("gpu_name", gpuName)
    writer.member("num_gpus", gpuCount)
    writer.known("min_gpu_ram_gb", minimumGPURAMGigabytes)
    // Null and not left out: no wish at all differs from the default.
    writer.member("min_reliability", minimumReliability)
    writer.member("disk_gb", diskGigabytes)
    if !regions.isEmpty { writer.texts("regions", regions) }
    writer.known("max_price_per_hour", maximumPricePerHour)
    if isInterruptible { writer.member("interruptible", true) }
    writer.known("bid_per_hour", bidPerHour)
    writer.member("selection", selection.rawValue)
    if !excludedMachines.isEmpty { writer.integers("exclude_machines", excludedMachines) }
    if !filters.isEmpty { writer.textsByName("filters", filters) }
  }

  init(stored document: StoredDocument) {
    self.init()
    gpuName = document.text("gpu_name")
    gpuCount = document.int("num_gpus") ?? gpuCount
    minimumGPURAMGigabytes = document.number("min_gpu_ram_gb")
    if document.value("min_reliability") != nil { minimumReliability = document.number("min_reliability") }
    diskGigabytes = document.int("disk_gb") ?? diskGigabytes
    regions = document.texts("regions") ?? []
    maximumPricePerHour = document.money("max_price_per_hour")
    isInterruptible = document.bool("interruptible") ?? false
    bidPerHour = document.money("bid_per_hour")
    selection = document.choice("selection") ?? selection
    excludedMachines = Set(document.integers("exclude_machines") ?? [])
    filters = document.textsByName("filters") ?? [:]
  }
}
