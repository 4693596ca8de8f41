/// What has to happen to the real processes and folders behind a contract; in this order for one contract.
enum MachineOrder: Sendable {
  case start(ContainerPlan)
  /// Ends every process. Gracefully: SIGTERM first, as a stop and a lost bid do.
  case stop(contract: Int, gracefully: Bool)
  /// Empties the container's disk.
  case wipe(contract: Int)
  /// Ends every process and removes the folder.
  case remove(contract: Int)
  /// Replaces the keys that may log in.
  case authorize(contract: Int, keys: [String])
}

/// All that the start of a container needs to know.
struct ContainerPlan: Sendable {
  var contract: Int
  /// Seen by onstart, and by SSH sessions only as far as onstart copies it to /etc/environment.
  var environment: [(name: String, value: String)]
  var onstart: String?
  /// The ports sshd listens on; none without SSH.
  var sshPorts: [Int]
  /// Ports that take connections and never say a word.
  var silentPorts: [Int]
  var sshDelay: Double
  /// Whether `df` says that nothing is free.
  var hasFullDisk = false
  var keys: [String]
  var gpu: GPU
  var gpus: Int
  var driver: String
  var cuda: Double
}
