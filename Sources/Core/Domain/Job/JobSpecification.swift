/// What a caller asks of a job, checked and with its defaults filled in.
package struct JobSpecification: Sendable, Hashable {
  package var name: String?
  /// Run by `bash` (or `sh` where there is none) in the job's folder.
  package var command: String
  package var kind: JobKind?
  package var image: String?
  package var templateHash: String?
  package var environment: [String: String] = [:]
  /// Like `environment`, but never shown again and wiped from the store once the job has ended.
  package var secrets: [String: String] = [:]
  /// Whether it had secrets or a registry login that were wiped: what is left cannot be run again.
  package var areSecretsWiped = false
  /// Runs before the command; when it fails the job fails with `setup_failed`.
  package var setup: String?
  package var registryLogin: RegistryLogin?
  package var resources = Resources()
  package var inputUploadID: ID<Upload>?
  /// Paths below the job's folder.
  package var outputs: [String] = ["output/", "job_output.log"]
  /// From the command's start.
  package var maximumDuration: Duration?
  package var maximumCost: Money?
  package var approval = Approval.automatic
  /// For estimates only.
  package var expectedTransfer = Transfer()
  /// Machines tried at the most.
  package var maximumAttempts = 3
  /// Whether a machine that is lost under the running command has another one take over.
  package var recovers = true
  package var checkpoint: CheckpointPolicy?
  package var onFailure = OnFailure.destroy
  /// The command may stay silent this long.
  package var idleTimeout: Duration?
  /// The machine's GPUs may be idle this long while the command runs; nil for what the service says.
  package var maximumGPUIdle: Duration?
  /// Its machine ends itself when nobody has renewed its lease for this long; nil for a machine without one.
  package var lease: Duration?
  /// Higher goes first among the queued.
  package var priority = 0

  package init(command: String) { self.command = command }

  /// The image to rent with: named, or the kind's, or PyTorch's.
  package var resolvedImage: String? {
    image ?? (templateHash == nil ? (kind ?? .pytorch).image : nil)
  }

  /// For a job that has ended.
  package mutating func wipeSecrets() {
    guard !secrets.isEmpty || registryLogin != nil else { return }
    secrets = [:]
    registryLogin = nil
    areSecretsWiped = true
  }

  package struct Resources: Sendable, Hashable {
    package var gpuName: String?
    package var gpuCount = 1
    package var minimumGPURAMGigabytes: Double?
    package var minimumReliability: Double? = 0.9
    package var diskGigabytes = 64
    package var regions: [String] = []
    package var maximumPricePerHour: Money?
    package var isInterruptible = false
    package var bidPerHour: Money?
    package var selection = OfferSelection.cheapest
    package var excludedMachines: Set<Int64> = []
    package var filters: [String: String] = [:]

    package init() {}

    package var query: OfferQuery {
      var query = OfferQuery()
      query.gpuName = gpuName
      query.gpuCount = gpuCount
      query.minimumGPURAMGigabytes = minimumGPURAMGigabytes
      query.minimumDiskGigabytes = Double(diskGigabytes)
      query.maximumPricePerHour = maximumPricePerHour
      query.minimumReliability = minimumReliability
      query.regions = regions
      query.isInterruptible = isInterruptible
      query.bidPerHour = isInterruptible ? bidPerHour : nil
      query.selection = selection
      query.excludedMachines = excludedMachines
      query.filters = filters
      return query
    }
  }
}

/// A login at a container registry. A secret.
package struct RegistryLogin: Sendable, Hashable {
  package var server: String
  package var user: String
  package var password: String

  package init(server: String, user: String, password: String) {
    self.server = server
    self.user = user
    self.password = password
  }

  /// As Vast takes it; the three hold no white space, which validation saw to.
  package var argument: String { "-u \(user) -p \(password) \(server)" }
}

/// Picks the image when none is given. Raw values are stored and served.
package enum JobKind: String, Sendable, Hashable, CaseIterable {
  case pytorch
  case cuda
  case huggingface
  case tensorflow
  case vllm
  case jax
  case python

  package var image: String {
    switch self {
    case .pytorch: "pytorch/pytorch:latest"
    case .cuda: "nvidia/cuda:12.4.1-devel-ubuntu22.04"
    case .huggingface: "huggingface/transformers-pytorch-gpu:latest"
    case .tensorflow: "tensorflow/tensorflow:latest-gpu"
    case .vllm: "vllm/vllm-openai:latest"
    case .jax: "nvcr.io/nvidia/jax:24.10-py3"
    case .python: "python:3.11"
    }
  }
}

package enum Approval: String, Sendable, Hashable, CaseIterable {
  case automatic = "auto"
  case required
}

package enum OnFailure: String, Sendable, Hashable, CaseIterable {
  case destroy
  case keep
}
