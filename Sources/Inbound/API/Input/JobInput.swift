import Domain
import FleetService
import JSON

/// Reads the body of POST /v1/jobs and /v1/jobs/plan.
enum JobInput {
  /// - Parameters:
  ///   - lease: of a job that says nothing of it.
  ///   - policy: decides for a job that says nothing of approval.
  static func read(
    _ body: [UInt8], lease: Duration?, policy: ApprovalPolicy = .never
  ) throws(APIError) -> JobSpecification {
    try readNoting(body, lease: lease, policy: policy).specification
  }

  /// The same with what it left out. `gpuIdle`: how long the GPUs may be idle under a job that says nothing of it; nil for ever.
  static func readNoting(
    _ body: [UInt8], lease: Duration?, gpuIdle: Duration? = nil, policy: ApprovalPolicy = .never
  ) throws(APIError) -> (specification: JobSpecification, defaults: [AppliedDefault]) {
    let problems = FieldProblems()
    let reader = ObjectReader(try JSONBody.object(body), problems: problems)
    var job = JobSpecification(command: command(reader))
    job.name = reader.string("name", .line(Limits.nameCharacters))
    job.kind = reader.choice("kind", of: JobKind.self)
    job.image = reader.string("image", .image)
    job.templateHash = reader.string("template_hash", .templateHash)
    job.environment = EnvironmentInput.read(reader, "env", for: .script)
    job.secrets = EnvironmentInput.read(reader, "secrets", for: .script)
    for name in job.secrets.keys where job.environment[name] != nil {
      problems.add("/secrets/" + name, "is in env too; name it once")
    }
    job.setup = reader.string("setup", .script(Limits.scriptBytes))
    job.registryLogin = RegistryLoginInput.read(reader)
    let resources = reader.object("resources")
    if let resources {
      job.resources = ResourcesInput.read(resources)
      ResourcesInput.readRental(resources, into: &job.resources)
      resources.finish()
    }
    job.inputUploadID = uploadID(reader)
    job.outputs = reader.strings("outputs", limit: Limits.outputs, .output) ?? job.outputs
    job.onFailure = reader.choice("on_failure", of: OnFailure.self) ?? job.onFailure
    job.priority = reader.integer("priority", Limits.priority) ?? job.priority
    readLimits(reader, into: &job)
    job.lease = reader.isNull("lease_s") ? nil : leaseSpan(reader) ?? lease
    job.recovers = reader.flag("recover") ?? job.recovers
    job.checkpoint = checkpoint(reader)
    job.expectedTransfer = ResourcesInput.readTransfer(reader)
    job.approval = reader.choice("approval", of: Approval.self) ?? policy.approval(of: job)
    reader.notAvailable("preflight", "volume", "template_id")
    reader.finish()
    try problems.check()
    return (job, defaults(of: job, reader, resources, gpuIdle: gpuIdle))
  }

  private static func defaults(
    of job: JobSpecification, _ reader: ObjectReader, _ resources: ObjectReader?, gpuIdle: Duration?
  ) -> [AppliedDefault] {
    var defaults = DefaultNotes()
    if let image = job.resolvedImage {
      defaults.note("image", of: reader, .text(image), job.kind == nil ? .contract : .kind)
    }
    defaults.note(job.resources, of: resources)
    defaults.noteRental(job.resources, of: resources)
    defaults.note("outputs", of: reader, .texts(job.outputs))
    defaults.note("approval", of: reader, .text(job.approval.rawValue), .policy)
    defaults.note("max_attempts", of: reader, .integer(Int64(job.maximumAttempts)))
    defaults.note("recover", of: reader, .flag(job.recovers))
    if let checkpoint = job.checkpoint, let inner = reader.object("checkpoint") {
      defaults.note("path", of: inner, as: "checkpoint.path", .text(checkpoint.path))
      defaults.note(
        "interval_s", of: inner, as: "checkpoint.interval_s", .integer(checkpoint.interval.components.seconds))
    }
    defaults.note("on_failure", of: reader, .text(job.onFailure.rawValue))
    if let gpuIdle {
      defaults.note("max_gpu_idle_s", of: reader, .integer(gpuIdle.components.seconds), .configuration)
    }
    if let lease = job.lease {
      defaults.note("lease_s", of: reader, .integer(lease.components.seconds), .configuration)
    }
    defaults.note("priority", of: reader, .integer(Int64(job.priority)))
    defaults.note(job.expectedTransfer, of: reader)
    return defaults.notes
  }

  private static func readLimits(_ reader: ObjectReader, into job: inout JobSpecification) {
    job.maximumDuration = seconds(reader, "max_duration_s")
    job.idleTimeout = seconds(reader, "idle_timeout_s")
    job.maximumGPUIdle = reader.integer("max_gpu_idle_s", Limits.gpuIdleSeconds).map { .seconds($0) }
    job.maximumCost = reader.money("max_cost_usd", upTo: Limits.largestAmountDollars)
    job.maximumAttempts = reader.integer("max_attempts", 1...Limits.attempts) ?? job.maximumAttempts
  }

  /// An empty object asks for the defaults.
  private static func checkpoint(_ reader: ObjectReader) -> CheckpointPolicy? {
    guard let object = reader.object("checkpoint") else { return nil }
    var policy = CheckpointPolicy()
    policy.path = object.string("path", .checkpointPath) ?? policy.path
    if let seconds = object.integer("interval_s", Limits.checkpointSeconds) { policy.interval = .seconds(seconds) }
    object.finish()
    return policy
  }

  private static func command(_ reader: ObjectReader) -> String {
    guard reader.has("command") else { return reader.wrong("command", "is required") ?? "" }
    return reader.string("command", .command) ?? ""
  }

  private static func seconds(_ reader: ObjectReader, _ name: StaticString) -> Duration? {
    reader.integer(name, 1...Limits.longestDurationSeconds).map { .seconds($0) }
  }

  private static func leaseSpan(_ reader: ObjectReader) -> Duration? {
    reader.integer("lease_s", Limits.leaseSeconds).map { .seconds($0) }
  }

  private static func uploadID(_ reader: ObjectReader) -> ID<Upload>? {
    guard let text = reader.string("input_upload_id", .line(Limits.nameCharacters)) else { return nil }
    guard let id = ID<Upload>(text) else {
      return reader.wrong("input_upload_id", "must be an id that POST /v1/uploads gave: upl_…")
    }
    return id
  }
}
